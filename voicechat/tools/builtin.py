"""The tools that every conversation has."""

from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field

from voicechat.tools.spec import ToolFailed, tool


@tool(read_only=True)
def current_time(
    timezone: Annotated[str, Field(description="IANA name such as Europe/Oslo; empty for the user's own")] = "",
) -> dict[str, str]:
    """The date and time of day now."""
    try:
        zone = ZoneInfo(timezone) if timezone else None
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ToolFailed(f"There is no time zone {timezone!r}.") from error
    now = datetime.now(zone) if zone else datetime.now().astimezone()
    name = timezone or now.tzname() or ""
    return {"now": now.isoformat(timespec="seconds"), "weekday": now.strftime("%A"), "timezone": name}


BUILT_IN = (current_time,)
