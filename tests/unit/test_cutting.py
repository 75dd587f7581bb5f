"""Whole text frames cut out of a WebSocket's stream: in whatever pieces it comes, the library would read the same."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.exceptions import PayloadTooBig, ProtocolError
from websockets.frames import Frame, Opcode
from websockets.protocol import CLIENT, OPEN, SERVER, Protocol

from voicechat.wire.cutting import MOST_BYTES, Cutter, text_frame

Message = tuple[Opcode, bytes, bool]
Said = tuple[Opcode, bytes | int, bool]
"""With a number of letters in place of many."""

TEXTS = st.text(max_size=300).map(lambda text: (Opcode.TEXT, text.encode(), True))
LONG = st.integers(MOST_BYTES - 1, MOST_BYTES + 2).map(lambda size: (Opcode.TEXT, size, True))
BINARY = st.binary(max_size=200).map(lambda data: (Opcode.BINARY, data, True))
PINGS = st.binary(max_size=20).map(lambda data: (Opcode.PING, data, True))
FRAGMENTS = st.lists(st.binary(max_size=50), min_size=2, max_size=4).map(
    lambda parts: [
        (Opcode.CONT if number else Opcode.BINARY, part, number == len(parts) - 1) for number, part in enumerate(parts)
    ]
)
STREAMS = st.lists(st.one_of(TEXTS, TEXTS, TEXTS, LONG, BINARY, PINGS, FRAGMENTS), max_size=8)


def spelt(said: Said) -> Message:
    opcode, data, fin = said
    return opcode, b"x" * data if isinstance(data, int) else data, fin


def told(protocol: Protocol) -> list[Message]:
    return [(event.opcode, bytes(event.data), event.fin) for event in protocol.events_received()]  # type: ignore[union-attr]


def cut(cutter: Cutter, protocol: Protocol, data: bytes) -> list[Message]:
    seen: list[Message] = []
    for piece in cutter.feed(data):
        if isinstance(piece, str):
            seen.append((Opcode.TEXT, piece.encode(), True))
        else:
            protocol.receive_data(piece)
            seen += told(protocol)
    return seen


@settings(deadline=None)
@given(STREAMS, st.lists(st.integers(700, 70_000), min_size=1, max_size=6), st.booleans())
def test_any_stream_in_any_pieces_says_what_the_library_reads_in_it(
    stream: list[Said | list[Said]], sizes: list[int], masked: bool
) -> None:
    frames = [spelt(frame) for each in stream for frame in (each if isinstance(each, list) else [each])]
    data = b"".join(Frame(opcode, said, fin).serialize(mask=masked) for opcode, said, fin in frames)
    cutter, protocol = Cutter(masked=masked), Protocol(SERVER if masked else CLIENT, state=OPEN, max_size=None)
    seen: list[Message] = []
    at = 0
    while at < len(data):
        size = sizes[at % len(sizes)]
        seen += cut(cutter, protocol, data[at : at + size])
        at += size
    assert seen == frames
    assert protocol.parser_exc is None


@given(st.lists(st.one_of(TEXTS, PINGS, BINARY), max_size=4), st.booleans())
def test_byte_by_byte_too(short: list[Message], masked: bool) -> None:
    data = b"".join(Frame(opcode, said, fin).serialize(mask=masked) for opcode, said, fin in short)
    cutter, protocol = Cutter(masked=masked), Protocol(SERVER if masked else CLIENT, state=OPEN, max_size=None)
    assert [seen for byte in data for seen in cut(cutter, protocol, bytes([byte]))] == short


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (text_frame("unmasked", masked=False), ProtocolError),
        (b"\x91" + text_frame("reserved", masked=True)[1:], ProtocolError),
        (b"\x83" + text_frame("no such opcode", masked=True)[1:], ProtocolError),
        (text_frame("longer than is let pass", masked=True), PayloadTooBig),
        (b"\x81\xff\xff" + bytes(11), PayloadTooBig),
    ],
    ids=["unmasked", "reserved", "opcode", "too long", "much too long"],
)
def test_what_is_malformed_is_the_librarys_to_refuse(data: bytes, error: type[Exception]) -> None:
    protocol = Protocol(SERVER, state=OPEN, max_size=20)
    cutter = Cutter(masked=True, most_bytes=20)
    assert cut(cutter, protocol, text_frame("before it", masked=True)) == [(Opcode.TEXT, b"before it", True)]
    assert cut(cutter, protocol, data) == []
    assert isinstance(protocol.parser_exc, error)


def test_a_message_within_another_is_the_librarys_to_refuse() -> None:
    protocol = Protocol(SERVER, state=OPEN)
    begun, ping = (
        Frame(opcode, b"a", fin).serialize(mask=True) for opcode, fin in ((Opcode.TEXT, False), (Opcode.PING, True))
    )
    assert cut(Cutter(masked=True), protocol, begun + ping + text_frame("b", masked=True))[2:] == []
    assert isinstance(protocol.parser_exc, ProtocolError)


def test_what_is_no_utf_8_is_not_cut_out() -> None:
    frame = Frame(Opcode.TEXT, b"\xff\xfe").serialize(mask=True)
    assert Cutter(masked=True).feed(frame) == [frame]


@given(st.one_of(st.text(max_size=200), st.sampled_from((125, 126, 65_535, 65_536))), st.booleans())
def test_a_frame_is_read_as_it_was_made(said: str | int, masked: bool) -> None:
    text = "x" * said if isinstance(said, int) else said
    protocol = Protocol(SERVER if masked else CLIENT, state=OPEN, max_size=None)
    protocol.receive_data(text_frame(text, masked=masked))
    assert told(protocol) == [(Opcode.TEXT, text.encode(), True)]
