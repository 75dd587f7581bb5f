"""One finding of the doctor, and what all of them together mean."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from voicechat.errors import ConnectionFailed, VoicechatError

Figure = float | int | str | bool | None

UNEXPECTED = (OSError, ImportError, RuntimeError, ValueError)
"""What a library under a check may raise beside our own errors: one failed check must not prevent the others."""


@dataclass(frozen=True, slots=True)
class Check:
    """`passed` None: there was nothing to test, `detail` says why. `exit_code` is what this finding ends the program
    with: not 0 only where no conversation can be held with it. `figures` carry their units in their names.
    """

    name: str
    passed: bool | None
    detail: str
    advice: str = ""
    exit_code: int = 0
    figures: Mapping[str, Figure] = field(default_factory=dict)

    @property
    def status(self) -> str:
        return {True: "ok", False: "failed", None: "not tested"}[self.passed]

    def as_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "status": self.status,
            "detail": self.detail,
            "advice": self.advice,
            "exit_code": self.exit_code,
            "figures": dict(self.figures),
        }


def not_tested(name: str, why: str) -> Check:
    return Check(name, None, why)


def failed(name: str, error: BaseException, necessary: bool = True) -> Check:
    """A check that an error ended. An error that is not ours counts as one of the connection's class."""
    if isinstance(error, VoicechatError):
        return Check(name, False, error.message, error.hint, error.exit_code if necessary else 0)
    text = (str(error).splitlines() or [""])[0]
    detail = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return Check(name, False, detail, "", ConnectionFailed.exit_code if necessary else 0)


def attempt(name: str, check: Callable[[], Check], necessary: bool = True) -> Check:
    """The check's finding, or the error that ended it as one."""
    try:
        return check()
    except (VoicechatError, *UNEXPECTED) as error:
        return failed(name, error, necessary)


def exit_code(checks: Iterable[Check]) -> int:
    """That of the first failure that prevents a conversation; 0 when one can be held."""
    return next((check.exit_code for check in checks if check.passed is False and check.exit_code), 0)
