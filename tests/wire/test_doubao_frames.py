"""Frames byte for byte: the worked examples of the protocol, every malformation, and random mutations."""

import gzip
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicechat.dialects.doubao import frames
from voicechat.dialects.doubao.frames import BinaryFrame, FrameError, MessageType, Sender, Serialization, decode, encode

SAMPLES = bytes.fromhex("00000100ffff000100ffff7f0080e803")
SID = "75a6126e-427f-49a1-a2c1-621143cb9db3"
OFFICIAL_START = (
    "11141000 00000064 00000024 37356136313236652d343237662d343961312d613263312d363231313433636239646233 0000003c"
    "7b226469616c6f67223a7b22626f745f6e616d65223a22e8b186e58c85222c226469616c6f675f6964223a22222c226578747261223a"
    "6e756c6c7d7d"
)
FULL, ANSWER = MessageType.CLIENT_FULL, MessageType.SERVER_FULL
MIC, VOICE = MessageType.CLIENT_AUDIO, MessageType.SERVER_AUDIO
RAW = Serialization.RAW

EXAMPLES: list[tuple[str, Sender, str, BinaryFrame]] = [
    ("1 StartConnection", "client", "11141000 00000001 00000002 7b7d", BinaryFrame(FULL, 1)),
    (
        "2 StartConnection, gzip",
        "client",
        "11141100 00000001 00000016 1f8b0800000000000203abae050043bfa6a302000000",
        BinaryFrame(FULL, 1, gzipped=True),
    ),
    (
        "3 StartSession",
        "client",
        OFFICIAL_START,
        BinaryFrame(FULL, 100, SID, '{"dialog":{"bot_name":"豆包","dialog_id":"","extra":null}}'.encode()),
    ),
    (
        "4 TaskRequest",
        "client",
        "11240000 000000c8 00000003 732d31 00000010 00000100ffff000100ffff7f0080e803",
        BinaryFrame(MIC, 200, "s-1", SAMPLES, RAW),
    ),
    (
        "5 TaskRequest, gzip",
        "client",
        "11240100 000000c8 00000003 732d31 0000001b 1f8b0800000000000203636018 05a360e00000da16774b80020000",
        BinaryFrame(MIC, 200, "s-1", bytes(640), RAW, gzipped=True),
    ),
    (
        "6 SayHello",
        "client",
        "11141000 0000012c 00000003 732d31 00000014 7b22636f6e74656e74223a22e4bda0e5a5bd227d",
        BinaryFrame(FULL, 300, "s-1", '{"content":"你好"}'.encode()),
    ),
    ("7 FinishSession", "client", "11141000 00000066 00000003 732d31 00000002 7b7d", BinaryFrame(FULL, 102, "s-1")),
    (
        "8 ConnectionStarted",
        "server",
        "11941000 00000032 00000003 632d39 00000002 7b7d",
        BinaryFrame(ANSWER, 50, "c-9"),
    ),
    (
        "9 SessionStarted",
        "server",
        "11941000 00000096 00000003 732d31 00000013 7b226469616c6f675f6964223a22642d37227d",
        BinaryFrame(ANSWER, 150, "s-1", b'{"dialog_id":"d-7"}'),
    ),
    (
        "10 ASRInfo",
        "server",
        "11941000 000001c2 00000003 732d31 00000015 7b227175657374696f6e5f6964223a22712d31227d",
        BinaryFrame(ANSWER, 450, "s-1", b'{"question_id":"q-1"}'),
    ),
    (
        "11 TTSResponse",
        "server",
        "11b40000 00000160 00000003 732d31 00000010 00000100ffff000100ffff7f0080e803",
        BinaryFrame(VOICE, 352, "s-1", SAMPLES, RAW),
    ),
    (
        "12 error",
        "server",
        "11f01000 02aea543 0000000f 7b226572726f72223a22626164227d",
        BinaryFrame(MessageType.ERROR, payload=b'{"error":"bad"}', error_code=45000003),
    ),
    ("FinishConnection", "client", "11141000 00000002 00000002 7b7d", BinaryFrame(FULL, 2)),
    ("50 without an id", "server", "11941000 00000032 00000000 00000002 7b7d", BinaryFrame(ANSWER, 50)),
    (
        "TTSResponse, gzip",
        "server",
        "11b40100 00000160 00000003 732d31 00000018 1f8b0800000000000203 6360a00c0000 36638d75 40000000",
        BinaryFrame(VOICE, 352, "s-1", bytes(64), RAW, gzipped=True),
    ),
    (
        "error with event",
        "server",
        "11f41000 03473bc1 00000099 00000003 732d31 0000000f 7b226572726f72223a22626164227d",
        BinaryFrame(MessageType.ERROR, 153, "s-1", b'{"error":"bad"}', error_code=55000001),
    ),
    (
        "sequence and event",
        "server",
        "11951000 00000007 000001c2 00000003 732d31 00000002 7b7d",
        BinaryFrame(ANSWER, 450, "s-1", flags=1, sequence=7),
    ),
]


@pytest.mark.parametrize(("sender", "wire", "frame"), [e[1:] for e in EXAMPLES], ids=[e[0] for e in EXAMPLES])
def test_examples(sender: Sender, wire: str, frame: BinaryFrame) -> None:
    data = bytes.fromhex(wire.replace(" ", ""))
    assert decode(data, sender) == frame
    written = encode(frame, sender)
    if frame.gzipped:  # how well a library deflates is its own affair
        head = _size_at(frame)
        assert written[:head] == data[:head]
        assert gzip.decompress(written[head + 4 :]) == frame.payload
    else:
        assert written == data


def _size_at(frame: BinaryFrame) -> int:
    return 8 + (4 + len(frame.id) if frame.id else 0)


def test_the_official_arrays_have_the_documents_lengths() -> None:
    assert len(encode(EXAMPLES[2][3])) == 112
    assert len(encode(BinaryFrame(MIC, 200, SID, bytes(640), RAW))) == 692


@pytest.mark.parametrize(("sender", "wire", "frame"), [e[1:] for e in EXAMPLES], ids=[e[0] for e in EXAMPLES])
def test_a_frame_cut_off_anywhere_or_with_a_byte_too_many_is_refused(
    sender: Sender, wire: str, frame: BinaryFrame
) -> None:
    data = bytes.fromhex(wire.replace(" ", ""))
    for length in range(len(data)):
        with pytest.raises(FrameError):
            decode(data[:length], sender)
    with pytest.raises(FrameError):
        decode(data + b"\0", sender)


@pytest.mark.parametrize(
    ("wire", "message"),
    [
        ("", "a header has 4 bytes, this message 0"),
        ("7b7d0000", "unsupported protocol version 7"),
        ("10141000", "the header size is 0"),
        ("12941000", "the header of 8 bytes does not end within the message"),
        ("11541000", "unknown message type 0x5"),
        ("119c1000", "unknown flags 1100"),
        ("11944000", "unknown serialization 0x4"),
        ("11941200", "unknown compression 0x2"),
        ("11f01000 02ae", "the message ends within the error code"),
        ("11951000 0000", "the message ends within the sequence"),
        ("11941000 0000", "the message ends within the event"),
        ("11941000 00000032 00", "the message ends within the id size"),
        ("11941000 00000032 7fffffff 00", "the id of 2147483647 bytes does not end within the message"),
        ("11941000 00000032 00000001 ff 00000000", "the id is not UTF-8: invalid start byte"),
        ("11941000 00000032 00000000 00", "the message ends within the payload size"),
        ("11941000 00000032 00000000 00000003 7b7d", "declared body size 3 does not match actual body size 2"),
        ("11941000 00000032 00000000 00000001 7b7d", "declared body size 1 does not match actual body size 2"),
        ("11941100 00000032 00000000 00000002 7b7d", "invalid gzip: Error -3"),
        ("11941100 00000032 00000000 00000000", "the gzip stream is cut off"),
    ],
)
def test_each_malformation_is_named(wire: str, message: str) -> None:
    with pytest.raises(FrameError, match=message):
        decode(bytes.fromhex(wire.replace(" ", "")))


def test_header_extensions_are_skipped() -> None:
    data = bytes.fromhex("12941000aabbccdd00000032000000000000000 27b7d".replace(" ", ""))
    assert decode(data) == BinaryFrame(ANSWER, 50)


def test_a_client_may_name_its_connection_though_nothing_announces_it() -> None:
    data = bytes.fromhex("11141000 00000001 00000003 632d39 00000002 7b7d".replace(" ", ""))
    assert decode(data, "client") == BinaryFrame(FULL, 1, "c-9")


@pytest.mark.parametrize("event", [100, 102, 200, 201, 300, 400, 500, 515])
def test_a_clients_session_event_needs_a_session(event: int) -> None:
    with pytest.raises(FrameError, match="session ID length is zero"):
        encode(BinaryFrame(FULL, event))
    data = bytes.fromhex(f"11141000 {event:08x} 00000000 00000002 7b7d".replace(" ", ""))
    with pytest.raises(FrameError, match="session ID length is zero"):
        decode(data, "client")


@pytest.mark.parametrize(
    "frame",
    [
        BinaryFrame(ANSWER, 2**31),
        BinaryFrame(ANSWER, 150, flags=4),
        BinaryFrame(ANSWER, 150, "\ud800"),
        BinaryFrame(ANSWER, 150, flags=1, sequence=2**31),
        BinaryFrame(MessageType.ERROR, error_code=-1),
    ],
)
def test_what_has_no_place_in_a_frame_is_refused(frame: BinaryFrame) -> None:
    with pytest.raises(FrameError):
        encode(frame, "server")


def test_a_bomb_does_not_go_off(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = encode(BinaryFrame(VOICE, 352, "s-1", bytes(frames.MAX_PAYLOAD + 1), RAW, gzipped=True), "server")
    assert len(bomb) < 20_000
    with pytest.raises(FrameError, match="inflates to more than 16777216 bytes"):
        decode(bomb)
    allowed = encode(BinaryFrame(VOICE, 352, "s-1", bytes(frames.MAX_PAYLOAD), RAW, gzipped=True), "server")
    assert len(decode(allowed).payload) == frames.MAX_PAYLOAD


def test_a_gzip_stream_followed_by_anything_is_refused() -> None:
    body = gzip.compress(b"{}") + b"x"
    data = bytes.fromhex("119411000000003200000000") + len(body).to_bytes(4, "big") + body
    with pytest.raises(FrameError, match="bytes follow the gzip stream"):
        decode(data)


IDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
INT32 = st.integers(-(2**31), 2**31 - 1)


@st.composite
def server_frames(draw: st.DrawFn) -> BinaryFrame:
    kind = draw(st.sampled_from([ANSWER, VOICE, MessageType.FRONT_END, MessageType.ERROR]))
    flags = draw(st.integers(0, 3))
    event = draw(st.none() | INT32)
    return BinaryFrame(
        kind,
        event,
        "" if event is None else draw(IDS),
        draw(st.binary(max_size=300)),
        draw(st.sampled_from(list(Serialization))),
        draw(st.booleans()),
        flags,
        draw(INT32) if flags & 1 else 0,
        draw(st.integers(0, 2**32 - 1)) if kind is MessageType.ERROR else 0,
    )


@given(server_frames())
def test_a_servers_frame_survives_the_round_trip(frame: BinaryFrame) -> None:
    assert decode(encode(frame, "server"), "server") == frame


@given(st.sampled_from([FULL, MIC]), st.integers(3, 600), IDS.filter(bool), st.binary(max_size=300), st.booleans())
def test_a_clients_frame_survives_the_round_trip(
    kind: MessageType, event: int, name: str, payload: bytes, gzipped: bool
) -> None:
    frame = BinaryFrame(kind, event, name, payload, RAW, gzipped)
    assert decode(encode(frame), "client") == frame
    assert decode(encode(replace(frame, event=1, id="")), "client") == replace(frame, event=1, id="")


@given(st.binary(max_size=200), st.sampled_from(["client", "server"]))
def test_any_bytes_are_a_frame_or_a_frame_error(data: bytes, sender: Sender) -> None:
    try:
        decode(data, sender)
    except FrameError:
        return


@settings(max_examples=400)
@given(server_frames(), st.integers(0, 2**32))
def test_mutated_frames_are_frames_or_frame_errors(frame: BinaryFrame, seed: int) -> None:
    chance = random.Random(seed)
    for sender in ("client", "server"):
        data = bytearray(encode(frame, "server"))
        for _ in range(chance.randint(1, 6)):
            place = chance.randrange(len(data))
            match chance.randrange(3):
                case 0:
                    data[place] = chance.randrange(256)
                case 1:
                    del data[place : place + chance.randint(1, 4)]
                case _:
                    data[place:place] = chance.randbytes(chance.randint(1, 4))
            if not data:
                break
        try:
            decode(bytes(data), sender)
        except FrameError:
            continue
