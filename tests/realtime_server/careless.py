"""The ways in which a service is careless with names and order, as switches of a `Script`."""

from typing import Any

CARELESS: dict[str, dict[str, Any]] = {
    "numbers afresh": {"ids": "restart"},
    "numbers for ids": {"ids": "numbers"},
    "names like ours": {"ids": "ours"},
    "names like ours, late words": {"ids": "ours", "transcription": "late"},
    "pieces without a response": {"ids": "items"},
    "no ids": {"ids": "none"},
    "no ids, never begins": {"ids": "none", "begins": "missing"},
    "late acknowledgements": {"ack_delay_ms": 400},
    "late words": {"transcription": "late"},
    "words first": {"acknowledges": "after words", "ack_delay_ms": 400},
    "words first, no ids": {"acknowledges": "after words", "ack_delay_ms": 400, "ids": "none"},
    "no acknowledgements": {"acknowledges": "never", "ack_delay_ms": 400},
    "no acknowledgements, no ids": {"acknowledges": "never", "ack_delay_ms": 400, "ids": "none"},
    "everything twice": {"begins": "doubled", "ends": "doubled", "ids": "restart"},
    "never ends": {"ends": "missing"},
    "refuses names": {"takes_names": False},
}
