"""The configuration file, and the keys: which service has one and where it was found. Never a key itself."""

from typing import TYPE_CHECKING

from voicechat.doctor.checks import Check, Figure
from voicechat.errors import VoicechatError

if TYPE_CHECKING:
    from voicechat.config import Loaded

CONFIGURATION, KEYS = "configuration", "keys"


def configuration_check(loaded: "Loaded") -> Check:
    """The file was read, or there is none; one that is not valid never gets here, `load` has refused it."""
    figures: dict[str, Figure] = {"path": str(loaded.path), "found": loaded.found}
    if not loaded.found:
        detail = f"No file at {loaded.path}: the defaults are used."
        return Check(CONFIGURATION, True, detail, "", figures=figures)
    return Check(CONFIGURATION, True, f"{loaded.path} is valid.", figures=figures)


def keys_check(loaded: "Loaded", chosen: str, problem: VoicechatError | None) -> Check:
    """Which services are set up, from where. `problem` is why the chosen one cannot even be asked."""
    from voicechat.config import missing_settings
    from voicechat.providers.catalogue import providers

    found: dict[str, str] = {}
    for name, info in providers().items():
        places = [loaded.origins.get(f"providers.{name}.{setting}", "") for setting in info.any_of]
        if any(places) and not missing_settings(loaded, info):
            found[name] = ", ".join(filter(None, places))
    figures: dict[str, Figure] = {"provider": chosen, **{f"{name}_from": place for name, place in found.items()}}
    listing = "; ".join(f"{name} from {place}" for name, place in found.items()) or "none found"
    if problem is not None:
        gaps = missing_settings(loaded, providers()[chosen])
        where = ", ".join(place for gap in gaps for place in gap.looked_in)
        advice = f"{problem.hint} Looked in {where}." if where else problem.hint
        return Check(KEYS, False, problem.message, advice, problem.exit_code, figures)
    needs = "" if chosen in found or providers()[chosen].kind == "local" else " (without a key)"
    return Check(KEYS, True, f"In use: {chosen}{needs}. Keys: {listing}.", figures=figures)
