"""A tool made of a Python function: its types become a JSON schema, and check what the model wrote.

Importing this module imports pydantic.
"""

import inspect
import re
from collections.abc import Callable
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.errors import PydanticUserError

from voicechat.tools.spec import BadArguments, Options, ToolSpec, Work, options_of
from voicechat.tools.toolbox import good_name

_PARAMETER = re.compile(r"^\s*(?::param\s+)?\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s+(.+)$")
_SECTION = re.compile(r"^\s*(args|arguments|parameters|params)\s*:?\s*$", re.IGNORECASE)


class BadFunction(Exception):
    """A function cannot be a tool; the message says why, and what to write."""


def tool_of(function: Callable[..., Any], origin: str = "") -> ToolSpec:
    """The tool that `function` is. Raises BadFunction."""
    options = options_of(function) or Options()
    name = options.name or function.__name__
    if not good_name(name):
        raise BadFunction(f"{name!r} is no name for a tool: 1 to 64 letters, digits, _ and -")
    words, about = _documentation(inspect.getdoc(function) or "")
    model = _model(function, name, about)
    schema = _tidy(model.model_json_schema(by_alias=True))
    schema.setdefault("properties", {})
    blocking = not inspect.iscoroutinefunction(function)

    def prepare(arguments: dict[str, Any]) -> Work:
        try:
            checked = model.model_validate(arguments)
        except ValidationError as error:
            raise BadArguments(_complaint(error)) from error
        given = {field: getattr(checked, field) for field in model.model_fields}
        named = {info.alias or field: given[field] for field, info in model.model_fields.items()}
        return Work(lambda: function(**named), blocking)

    return ToolSpec(
        name, words or name, schema, prepare, options.read_only, options.timeout_s, options.max_chars, origin
    )


def _model(function: Callable[..., Any], name: str, about: dict[str, str]) -> type[BaseModel]:
    try:
        hints = get_type_hints(function, include_extras=True)
        signature = inspect.signature(function)
    except (NameError, TypeError, ValueError) as error:
        raise BadFunction(f"the types of {name} cannot be read: {error}") from error
    fields: dict[str, Any] = {}
    for number, (parameter, given) in enumerate(signature.parameters.items()):
        if given.kind in (given.POSITIONAL_ONLY, given.VAR_POSITIONAL, given.VAR_KEYWORD):
            raise BadFunction(f"{name} takes {given}: a tool takes parameters that have a name and a type")
        if parameter not in hints:
            raise BadFunction(f"the parameter {parameter!r} of {name} has no type: write {parameter}: str, for example")
        default = ... if given.default is given.empty else given.default
        # Named by number, for a parameter may be called like something of pydantic's own (`schema`, `_x`).
        words: Any = (
            {"description": about[parameter]} if parameter in about else {}
        )  # else that of an `Annotated` stands
        fields[f"p{number}"] = (hints[parameter], Field(default, alias=parameter, **words))
    config = ConfigDict(extra="forbid", arbitrary_types_allowed=False, title=name)
    try:
        model: type[BaseModel] = create_model("Arguments", __config__=config, **fields)
        model.model_json_schema()
    except (PydanticUserError, TypeError, ValueError) as error:
        why = str(error).splitlines()[0]
        raise BadFunction(f"{name} has a type that cannot be described to a model: {why}") from error
    return model


def _documentation(text: str) -> tuple[str, dict[str, str]]:
    """What a docstring says of the function, and of each parameter (Google's and Sphinx's forms)."""
    words: list[str] = []
    about: dict[str, str] = {}
    inside = False
    for line in text.splitlines():
        if _SECTION.match(line):
            inside = True
            continue
        found = _PARAMETER.match(line)
        if found and (inside or line.lstrip().startswith(":param")):
            about[found[1]] = found[2].strip()
        elif not inside:
            words.append(line)
        elif not line.strip():
            inside = False
    return "\n".join(words).strip(), about


def _tidy(schema: Any) -> Any:
    """Without the titles, which say every name again: the model is billed for each word, on every turn."""
    if isinstance(schema, list):
        return [_tidy(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: part for key, part in schema.items() if key != "title" or not isinstance(part, str)}
    return {
        key: {name: _tidy(field) for name, field in part.items()} if key in ("properties", "$defs") else _tidy(part)
        for key, part in kept.items()
    }


def _complaint(error: ValidationError) -> str:
    """What is wrong with the arguments, for the model to put right."""
    problems = error.errors(include_url=False, include_context=False)
    told = [f"{'.'.join(map(str, problem['loc'])) or 'arguments'}: {problem['msg']}" for problem in problems[:5]]
    return "Invalid arguments. " + "; ".join(told)
