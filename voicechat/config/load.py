"""Settings from all sources: defaults < config.toml < keyring < .env < environment < flags; each with its origin."""

import copy
import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicechat.config.logins import logins, stored_keys
from voicechat.config.paths import default_path
from voicechat.config.sources import DOTENV, SECRET_KEYS, line_of, read_dotenv, read_file
from voicechat.errors import ConfigError, UsageError, VoicechatError
from voicechat.providers.catalogue import providers
from voicechat.redaction import remember

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

    from voicechat.config.settings import Settings

Key = tuple[str, ...]

WHOLE = "mcp"
"""In `[mcp.NAME]` a table is one value, with all that is in it."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings and where they come from.

    `origins` has one entry per value, its key dotted (`voice`, `providers.qwen.api_key`): `default`, the name of the
    file (`config.toml`), `keyring`, `.env NAME`, `environment NAME` or `flag --NAME`. `path` is the file that was
    read, or would have been (`found` tells).
    """

    settings: "Settings"
    origins: dict[str, str]
    path: Path
    found: bool = False
    ranks: dict[str, int] = field(default_factory=dict, repr=False)
    file_provider: str = "auto"
    """The provider of the file alone: the one that the file's own `model`, `voice` and `url` are meant for."""

    def rank(self, key: str) -> int:
        """How strong the source of a value is: 0 default, 1 file, 2 environment or `.env`, 3 flag."""
        return self.ranks.get(key, 0)

    def from_dotenv(self, key: str) -> bool:
        """Whether a value is the word of the working directory's `.env`."""
        return self.origins.get(key, "").startswith(f"{DOTENV} ")

    def value(self, key: str) -> str:
        """The text of a setting, secrets too; "" where it is not set."""
        value: Any = self.settings
        for part in key.split("."):
            value = value.get(part, "") if isinstance(value, dict) else getattr(value, part, "")
        return str(value.get_secret_value() if hasattr(value, "get_secret_value") else value).strip()


def load(config_file: Path | None = None, flags: Mapping[str, object] | None = None) -> Loaded:
    """Read and check every source. A flag whose value is None was not given.

    Raises UsageError (a `config_file` that is not there, a flag's value) and ConfigError (everything else), which
    name the file, line and key.
    """
    from voicechat.config.settings import TABLES, Connection, History, Settings, ToolSettings

    path = config_file if config_file is not None else default_path()
    table, text = read_file(path, explicit=config_file is not None)
    _check(Settings, table, path, text)

    merged = copy.deepcopy(table)
    names_of_all = [name for name in Settings.model_fields if name not in TABLES]
    names_of_all += [f"connection.{name}" for name in Connection.model_fields]
    names_of_all += [f"history.{name}" for name in History.model_fields]
    names_of_all += [f"tools.{name}" for name in ToolSettings.model_fields]
    origins = dict.fromkeys(names_of_all, "default")
    ranks: dict[str, int] = {}

    def put(key: Key, value: object, origin: str, rank: int) -> None:
        target = merged
        for part in key[:-1]:
            target = target.setdefault(part, {})
        target[key[-1]] = value
        origins[".".join(key)] = origin
        ranks[".".join(key)] = rank

    for key, value in _leaves(table):
        put(key, value, path.name, 1)
    unasked: list[tuple[str, ConfigError]] = []
    for name, stored in logins().items():
        try:
            for setting, secret in stored_keys(name, stored).items():
                put(("providers", name, setting), secret, "keyring", 1)
        except ConfigError as error:  # only a matter for those who need that key
            unasked.append((name, error))
    names = _environment_names(Settings)
    dotenv = read_dotenv(Path.cwd())
    environment = {name: value for name, value in os.environ.items() if value.strip()}
    for origin, variables in ((DOTENV, dotenv), ("environment", environment)):
        for name, key in names.items():
            if name in variables:
                _check_one(Settings, key, variables[name], ConfigError, f"{name} ({origin})")
                put(key, variables[name], f"{origin} {name}", 2)
    for name, value in (flags or {}).items():
        if value is None:
            continue
        plain = value.value if isinstance(value, Enum) else str(value) if isinstance(value, Path) else value
        flag = f"--{'no-' if plain is False else ''}{name.replace('_', '-')}"
        _check_one(Settings, (name,), plain, UsageError, flag)
        put((name,), plain, f"flag {flag}", 3)
    for name, failure in unasked:
        has_key = any(f"providers.{name}.{setting}" in origins for setting in SECRET_KEYS)
        if not has_key and merged.get("provider", "auto") in ("auto", name):
            raise failure
    settings = Settings.model_validate(merged)
    for section in settings.providers.values():
        remember(*(getattr(section, secret).get_secret_value() for secret in SECRET_KEYS))
    remember(settings.serve.redis.get_secret_value())
    for server in settings.mcp.values():
        remember(*(secret.get_secret_value() for secret in (*server.env.values(), *server.headers.values())))
    return Loaded(
        settings=settings,
        origins=origins,
        path=path,
        found=path.is_file(),
        ranks=ranks,
        file_provider=str(table.get("provider", "auto")),
    )


def _leaves(table: Mapping[str, Any], prefix: Key = ()) -> list[tuple[Key, Any]]:
    found: list[tuple[Key, Any]] = []
    for name, value in table.items():
        key = (*prefix, name)
        if isinstance(value, dict) and not (key[0] == WHOLE and len(key) > 2):
            found += _leaves(value, key)
        else:
            found.append((key, value))
    return found


def _environment_names(model: "type[Settings]") -> dict[str, Key]:
    """The setting of every environment variable that is read."""
    from voicechat.config.settings import TABLES

    names: dict[str, Key] = {f"VOICECHAT_{name.upper()}": (name,) for name in model.model_fields if name not in TABLES}
    for provider, info in providers().items():
        for setting, variable in info.environment.items():
            names[variable] = ("providers", provider, setting)
        for variable, setting in info.aliases.items():
            names[variable] = ("providers", provider, setting)
    return names


def _check_one(model: "type[Settings]", key: Key, value: object, error_type: type[VoicechatError], source: str) -> None:
    """Raise `error_type` when one value alone is not a legal setting."""
    from pydantic import ValidationError

    nested: object = value
    for part in reversed(key):
        nested = {part: nested}
    try:
        model.model_validate(nested)
    except ValidationError as error:
        raise error_type(f"{source}: {_reason(error.errors(include_input=False)[0])}.") from None


def _check(model: "type[Settings]", table: dict[str, Any], path: Path, text: str) -> None:
    """Raise ConfigError, naming file, line and key, for the first thing in the file that is not a legal setting."""
    from pydantic import ValidationError

    known = providers()
    sections = table.get("providers")
    for name in sections if isinstance(sections, dict) else ():
        if name not in known:
            raise _file_error(path, text, ("providers", name), "unknown provider", name, list(known))
    try:
        model.model_validate(table, strict=True)
    except ValidationError as error:
        # None of the messages is chained or shows a value: it may be a key in the wrong place.
        raise _explain(error, model, path, text) from None


def _explain(error: "ValidationError", model: "type[Settings]", path: Path, text: str) -> ConfigError:
    from voicechat.config.settings import (
        Connection,
        History,
        McpSettings,
        Persona,
        PriceSettings,
        ProviderSettings,
        Serve,
        ServeToken,
        ToolSettings,
    )

    problem = error.errors(include_input=False)[0]
    key = tuple(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        fields = model.model_fields
        if len(key) > 1:
            tables: dict[str, type[BaseModel]] = {
                "providers": ProviderSettings, "connection": Connection, "history": History, "prices": PriceSettings,
                "tools": ToolSettings, "mcp": McpSettings,
            }  # fmt: skip
            tables["serve"] = ServeToken if key[1] == "tokens" else Serve
            fields = tables.get(key[0], Persona).model_fields
        return _file_error(path, text, key, "unknown key", key[-1], list(fields))
    return _file_error(path, text, key, f"{'.'.join(key)}: {_reason(problem)}")


def _file_error(
    path: Path, text: str, key: Key, what: str, name: str = "", known: list[str] | None = None
) -> ConfigError:
    line = line_of(text, key)
    place = f"{path}, line {line}" if line else f"{path}"
    if known is None:
        return ConfigError(f"{place}: {what}.", "config.example.toml shows every setting with its default.")
    where = f" in [{'.'.join(key[:-1])}]" if len(key) > 1 else ""
    return ConfigError(f"{place}: {what} {name!r}{where}.", did_you_mean(name, known))


def did_you_mean(name: str, known: list[str]) -> str:
    """A hint for a name that does not exist."""
    close = difflib.get_close_matches(name.lower(), known, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(known)}."


def _reason(problem: Any) -> str:
    """pydantic's message as one half sentence."""
    if problem["type"] in ("model_type", "dict_type", "model_attributes_type"):
        return "must be a table"
    message = str(problem["msg"]).replace("Input should be", "must be")
    return message[0].lower() + message[1:]
