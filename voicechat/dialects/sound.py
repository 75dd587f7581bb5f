"""Sound as frames carry it: base64. By SIMD instructions, since a relay does nothing else fifty times a second."""

import binascii

import pybase64


def decoded(text: str) -> bytes:
    """What the text stands for. Raises ValueError for anything else than base64 and its padding, white space too."""
    try:
        return pybase64.b64decode(text, None, True)
    except ValueError:
        return binascii.a2b_base64(text, strict_mode=True)  # it has the last word: surplus padding it lets pass


def encoded(data: bytes) -> str:
    return pybase64.b64encode_as_string(data)
