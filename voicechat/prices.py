"""What a model costs: as the configuration says, else the table of the providers, else the package genai-prices.

`python -m voicechat.prices SERVICE MODEL` asks that package, in a process of its own: it takes a fifth of a second and
tens of megabytes, which a conversation has not to spare. Its answer is kept until the package changes.
"""

import asyncio
import contextlib
import json
import logging
import sys
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

from voicechat.interpreter import child_python
from voicechat.realtime.price import Price

log = logging.getLogger(__name__)

PACKAGE = "genai-prices"
PATIENCE_S = 20.0
"""How long the package may take; a busy small machine needs some seconds."""
_NAMES = {
    "input_text": "input_mtok", "input_audio": "input_audio_mtok", "input_image": "input_image_mtok",
    "cached_text": "cache_read_mtok", "cached_audio": "cache_audio_read_mtok", "cached_image": "cache_image_read_mtok",
    "output_text": "output_mtok", "output_audio": "output_audio_mtok",
}  # fmt: skip
"""What the package calls the prices."""


async def price_of(model: str, url: str, own: Mapping[str, Price]) -> Price | None:
    """The price of a model at this address; None where nobody knows. `own` are those of the configuration."""
    if (price := own.get(model)) is not None:
        return price
    service = _service(url)
    price = _listed(service, model)
    if price is None and (name := service.get("genai_prices", "")):
        return await _ask(name, model)
    return price


@cache
def _services() -> list[dict[str, Any]]:
    text = resources.files("voicechat.providers").joinpath("prices.toml").read_text("utf-8")
    services: list[dict[str, Any]] = tomllib.loads(text)["services"]
    return services


def _service(url: str) -> dict[str, Any]:
    """The entry of the service whose own address this is; an empty one for a gateway or a server at home."""
    host = (urlsplit(url).hostname or "").lower()
    return next((each for each in _services() if any(_belongs(host, known) for known in each["hosts"])), {})


def _belongs(host: str, known: str) -> bool:
    return host.endswith(known) if known.startswith(".") else host == known


def _listed(service: Mapping[str, Any], model: str) -> Price | None:
    """The table's price of a model or of a dated snapshot of it."""
    for entry in service.get("models", ()):
        if model == entry["id"] or model.startswith(f"{entry['id']}-2"):
            told = {name: value for name, value in entry.items() if name not in ("id", "as_of")}
            return Price(as_of=entry["as_of"].isoformat(), source="prices.toml", **told)
    return None


# -- genai-prices ----------------------------------------------------------------------------------------------


async def _ask(service: str, model: str) -> Price | None:
    """What the package says. Whatever goes wrong there, the price is not known."""
    from importlib.metadata import PackageNotFoundError, version

    import platformdirs

    try:
        source = f"{PACKAGE} {version(PACKAGE)}"
    except PackageNotFoundError:
        return None
    place = platformdirs.user_cache_path("voicechat", appauthor=False) / "prices.json"
    answers: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError):
        kept = json.loads(place.read_text("utf-8"))
        answers = {key: told for key, told in kept.items() if key.startswith(source)} if isinstance(kept, dict) else {}
    key = f"{source} {service} {model}"
    if key not in answers:
        try:
            answers[key] = await _run(service, model)
        except (OSError, TimeoutError, ValueError) as error:
            log.info("%s could not be asked: %s", PACKAGE, error)
            return None
        with contextlib.suppress(OSError):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(json.dumps(answers), "utf-8")
    return understood(answers[key], source)


async def _run(service: str, model: str) -> Any:
    """The package's answer. Raises OSError, TimeoutError, and ValueError for what is none."""
    command, environment = child_python("-m", "voicechat.prices", service, model)
    pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    child = await asyncio.create_subprocess_exec(*command, env=environment, stdin=nothing, stdout=pipe, stderr=nothing)
    try:
        async with asyncio.timeout(PATIENCE_S):
            written, _ = await child.communicate()
        return json.loads(written)
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


def understood(answer: Any, source: str) -> Price | None:
    """The price in an answer of the other process; None for anything else."""
    if not isinstance(answer, dict):
        return None
    numbers = {name: float(answer[name]) for name in (*_NAMES, "second") if isinstance(answer.get(name), int | float)}
    known = numbers.keys() & {"input_text", "second"}
    return Price("USD", source=source, **numbers) if known else None  # type: ignore[arg-type]


def main(service: str, model: str) -> None:
    """Write what the package knows as JSON, null for nothing. Prices that hang on more than tokens are not taken."""
    from datetime import UTC, datetime

    try:
        from genai_prices.data_snapshot import get_snapshot

        found = get_snapshot().find_provider_model(model, None, service, None)[1].get_prices(datetime.now(UTC))
    except (ImportError, LookupError):
        sys.stdout.write("null")
        return
    told = {ours: getattr(found, theirs, None) for ours, theirs in _NAMES.items()}
    odd = any(price is not None and not hasattr(price, "as_tuple") for price in told.values())
    numbers = {name: float(price) for name, price in told.items() if price is not None and not odd}
    if (hour := getattr(found, "input_audio_hours", None) or getattr(found, "audio_hours", None)) is not None:
        numbers["second"] = float(hour) / 3600
    sys.stdout.write(json.dumps(numbers or None))


if __name__ == "__main__":
    main(*sys.argv[1:])
