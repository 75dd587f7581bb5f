"""Every error a user can meet, each with its exit code.

    VoicechatError
    ├── UsageError            2    an argument or a file argument that cannot be used
    ├── ConfigError           3    the settings
    │   └── CredentialsError  3    a key is missing or unusable here
    ├── AudioError            4    a device or an audio stream
    ├── ConnectionFailed      5    the service cannot be reached, or went away
    └── Refused               6    the service was reached and said no

An error carries what happened (`message`) and what to do (`hint`). The command line prints both and nothing
else; no key is ever part of either.
"""


class VoicechatError(Exception):
    """Base class. `message` says what happened, `hint` what the user can do about it."""

    exit_code = 1

    def __init__(self, message: str, hint: str = ""):
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class UsageError(VoicechatError):
    """An argument, or a file named by one, cannot be used."""

    exit_code = 2


class ConfigError(VoicechatError):
    """The settings are unreadable, malformed or contradictory."""

    exit_code = 3


class CredentialsError(ConfigError):
    """A key is missing, or may not be used in this way."""


class AudioError(VoicechatError):
    """A microphone or a speaker cannot be opened, or was lost."""

    exit_code = 4


class ConnectionFailed(VoicechatError):
    """The service cannot be reached, does not answer, or dropped the connection."""

    exit_code = 5


class Refused(VoicechatError):
    """The service was reached and refused: key, model, quota, permission."""

    exit_code = 6
