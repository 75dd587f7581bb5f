"""Tools from files, modules and other packages. What cannot be loaded is told in one line, and left out."""

import importlib
import importlib.util
import inspect
import logging
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from voicechat.errors import UsageError
from voicechat.tools.printed import stdout_kept_clean
from voicechat.tools.spec import ToolSpec, options_of

log = logging.getLogger(__name__)

GROUP = "voicechat.tools"


@dataclass(slots=True)
class Found:
    """Tools, and a line about each that is left out."""

    tools: list[ToolSpec] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


def load(sources: Iterable[str], packages: Iterable[EntryPoint] | None = None) -> Found:
    """What is built in, the tools of other packages, and those of `sources`: files (`FILE.py`) and module names.

    Raises UsageError for a file that is not there.
    """
    from voicechat.tools.builtin import BUILT_IN

    found = Found()
    _take(found, BUILT_IN, "voicechat")
    for point in entry_points(group=GROUP) if packages is None else packages:
        if (loaded := _guarded(found, f"The package tool {point.name}", point.load)) is not None:
            functions = [loaded] if inspect.isfunction(loaded) else public_functions(loaded)
            _take(found, functions, point.name)
    for source in sources:
        path = Path(source).expanduser()
        is_file = source.endswith(".py") or "/" in source or path.is_file()
        if is_file and not path.is_file():
            raise UsageError(f"There is no file {source}.", "--tools takes a Python file or the name of a module.")
        find = _from_file(path) if is_file else _from_name(source)
        module = _guarded(found, f"The tools of {source}", find)
        if module is not None:
            name = path.stem if is_file else source
            functions = public_functions(module)
            if not functions:
                found.complaints.append(f"{source} has no tools: each is a function without a leading underscore.")
            _take(found, functions, name)
    return found


def public_functions(module: ModuleType) -> list[Callable[..., Any]]:
    """The functions that a module offers: `__all__`, where it has one, else those defined in it without underscore."""
    names = getattr(module, "__all__", None)
    if names is not None:
        offered = [getattr(module, name, None) for name in names]
        return [thing for thing in offered if inspect.isfunction(thing)]
    own = [thing for thing in vars(module).values() if inspect.isfunction(thing) and not thing.__name__.startswith("_")]
    return [thing for thing in own if thing.__module__ == module.__name__ or options_of(thing)]


def _take(found: Found, functions: Iterable[Callable[..., Any]], origin: str) -> None:
    from voicechat.tools.schema import BadFunction, tool_of

    for function in functions:
        try:
            found.tools.append(tool_of(function, origin))
        except BadFunction as error:
            found.complaints.append(f"A tool of {origin} is left out: {error}.")


def _guarded(found: Found, what: str, find: Callable[[], Any]) -> Any:
    """What `find` gives. It runs other people's code: what that raises is a line, what it prints goes to the log."""
    try:
        with stdout_kept_clean():
            return find()
    except (Exception, SystemExit) as error:
        place = error.lineno if isinstance(error, SyntaxError) else _line_of(error)
        where = f" (line {place})" if place else ""
        words = str(error).splitlines()[0] if str(error) else ""
        why = f"{type(error).__name__}: {words}".removesuffix(": ")
        found.complaints.append(f"{what} cannot be used: {why}{where}.")
        log.debug("%s", what, exc_info=True)
        return None


def _line_of(error: BaseException) -> int | None:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    inside = trace is not None and "importlib" not in trace.tb_frame.f_code.co_filename
    return trace.tb_lineno if trace is not None and inside else None


def _from_name(name: str) -> Callable[[], ModuleType]:
    return lambda: importlib.import_module(name)


def _from_file(path: Path) -> Callable[[], ModuleType]:
    def find() -> ModuleType:
        name = f"voicechat_tools_{path.stem}"
        spec = importlib.util.spec_from_file_location(name, path.resolve())
        if spec is None or spec.loader is None:
            raise ImportError(f"{path.name} is no Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # dataclasses and pydantic look a function's types up there
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
        return module

    return find
