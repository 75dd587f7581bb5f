"""The log: one line per event, as JSON into a file, without sound, words or keys."""

import json
import logging
from pathlib import Path

from voicechat.errors import UsageError
from voicechat.redaction import RedactingFormatter, redact


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{int(record.msecs):03d}",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            entry["trace"] = self.formatException(record.exc_info)
        return redact(json.dumps(entry, ensure_ascii=False))


class _Plain(RedactingFormatter):
    def format(self, record: logging.LogRecord) -> str:
        facts = getattr(record, "facts", {})
        line = super().format(record)
        return line + "".join(f" {name}={value}" for name, value in facts.items() if value != "")


def start_logging(verbose: bool, log_file: Path | None) -> None:
    """Warnings to stderr; `verbose` tells of every session there, `log_file` takes both as JSON lines, "-" stderr.

    Raises UsageError for a file that cannot be written.
    """
    handler: logging.Handler
    if log_file is not None:
        try:
            on_stderr = str(log_file) == "-"
            handler = logging.StreamHandler() if on_stderr else logging.FileHandler(log_file, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{log_file} cannot be written: {error.strerror}.", "--log-file takes a file.") from error
        handler.setFormatter(JsonFormatter())
    else:
        handler = logging.StreamHandler()
        handler.setFormatter(_Plain("%(asctime)s %(levelname).1s %(name)s: %(message)s"))
    level = logging.INFO if verbose or log_file is not None else logging.WARNING
    for name in ("voicechat", "uvicorn.error", "asyncio", "python_multipart"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level if name == "voicechat" else logging.WARNING)
