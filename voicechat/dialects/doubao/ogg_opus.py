"""Ogg/Opus as it streams in, cut anywhere, to 24 kHz s16le mono.

libsndfile decodes Opus but only whole files. So each time new packets are complete, a small file is written of them
and of the `PREROLL_MS` before them, and only the new sound is kept: after 80 ms an Opus decoder no longer depends on
where it began (RFC 7845, section 4.6), and work stays in proportion to what comes in.
"""

import io
import struct
import zlib
from collections import deque
from collections.abc import Iterator

RATE_HZ = 24_000
PREROLL_MS = 320
MAX_PACKET = 61_440
"""Bytes of the longest Opus packet in Ogg (RFC 7845, section 6)."""
_OPUS_HZ = 48_000
_CONTINUED, _FIRST, _LAST = 1, 2, 4
_MIRROR = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_FRAME_SAMPLES = {"silk": (480, 960, 1920, 2880), "hybrid": (480, 960), "celt": (120, 240, 480, 960)}


class OggOpusDecoder:
    """Feed bytes, get sound. A new stream in the bytes starts afresh; `broken` counts pages that were of no use."""

    def __init__(self) -> None:
        self.broken = 0
        self._bytes = b""
        self._packet = b""
        self._heads = 2  # OpusHead and OpusTags, still to come
        self._recent: deque[tuple[bytes, int]] = deque()
        self._skip = 0  # samples at 48 kHz, from the beginning of the stream
        self._decoded = 0

    def feed(self, data: bytes) -> bytes:
        """Sound of the packets that `data` completes."""
        self._bytes += data
        out = []
        fresh: list[tuple[bytes, int]] = []
        end: int | None = None
        for flags, granule, segments, body in self._pages():
            if flags & _FIRST:
                out.append(self._decode(fresh, end))
                fresh, end = [], None
                self._restart()
            elif not flags & _CONTINUED:
                self._packet = b""
            for packet in self._packets(segments, body):
                samples = _samples(packet)
                if self._heads:
                    self._take_head(packet)
                elif samples:
                    fresh.append((packet, samples))
                else:
                    self.broken += 1
            if flags & _LAST and granule >= 0:
                end = granule
        out.append(self._decode(fresh, end))
        return b"".join(out)

    def _restart(self) -> None:
        self._packet, self._heads, self._skip, self._decoded = b"", 2, 0, 0
        self._recent.clear()

    def _take_head(self, packet: bytes) -> None:
        if self._heads == 2 and packet[:8] == b"OpusHead" and len(packet) >= 19:
            self._skip = struct.unpack_from("<H", packet, 10)[0]
            self._heads = 1
        elif self._heads == 1 and packet[:8] == b"OpusTags":
            self._heads = 0
        else:
            self.broken += 1

    def _pages(self) -> Iterator[tuple[int, int, bytes, bytes]]:
        """Flags, granule position, segment sizes and body of each page that is complete."""
        while True:
            start = self._bytes.find(b"OggS")
            if start:
                keep = len(self._bytes) - 3 if start < 0 else start
                if keep <= 0:
                    return
                self.broken += start > 0
                self._bytes = self._bytes[keep:]
                continue
            if len(self._bytes) < 27 or len(self._bytes) < (head := 27 + self._bytes[26]):
                return
            segments = self._bytes[27:head]
            size = head + sum(segments)
            if len(self._bytes) < size:
                return
            page = self._bytes[:size]
            if crc(page[:22] + bytes(4) + page[26:]) != struct.unpack_from("<I", page, 22)[0]:
                self.broken += 1
                self._bytes = self._bytes[4:]
                continue
            self._bytes = self._bytes[size:]
            yield page[5], struct.unpack_from("<q", page, 6)[0], segments, page[head:]

    def _packets(self, segments: bytes, body: bytes) -> Iterator[bytes]:
        at = 0
        for size in segments:
            self._packet += body[at : at + size]
            at += size
            if size < 255:
                packet, self._packet = self._packet, b""
                yield packet
        if len(self._packet) > MAX_PACKET:
            self.broken, self._packet = self.broken + 1, b""

    def _decode(self, fresh: list[tuple[bytes, int]], end: int | None) -> bytes:
        """The sound of `fresh`; `end` is the stream's length in samples at 48 kHz, where its last page told."""
        if not fresh:
            return b""
        import soundfile

        new = sum(samples for _, samples in fresh)
        try:
            sound, _ = soundfile.read(io.BytesIO(_file([*self._recent, *fresh])), dtype="int16")
        except soundfile.LibsndfileError:
            self.broken += 1
            return b""
        kept = sound[max(len(sound) - new * RATE_HZ // _OPUS_HZ, 0) :]
        first = max(self._skip - self._decoded, 0)
        last = new if end is None else min(max(end - self._decoded, 0), new)
        self._decoded += new
        self._recent.extend(fresh)
        while sum(samples for _, samples in self._recent) - self._recent[0][1] >= PREROLL_MS * _OPUS_HZ // 1000:
            self._recent.popleft()
        pcm: bytes = kept[first * RATE_HZ // _OPUS_HZ : last * RATE_HZ // _OPUS_HZ].astype("<i2").tobytes()
        return pcm


def crc(page: bytes) -> int:
    """Ogg's checksum: zlib's polynomial, but bits in the other order, and no inversion."""
    mirrored = zlib.crc32(page.translate(_MIRROR), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)


def _samples(packet: bytes) -> int:
    """Length of an Opus packet at 48 kHz, by its first bytes (RFC 6716, section 3.1); 0 when it is none."""
    if not packet:
        return 0
    config, code = packet[0] >> 3, packet[0] & 3
    mode = "silk" if config < 12 else "hybrid" if config < 16 else "celt"
    lengths = _FRAME_SAMPLES[mode]
    if code == 3 and len(packet) < 2:
        return 0
    count = (1, 2, 2, packet[1] & 63 if code == 3 else 0)[code]
    samples = lengths[config % len(lengths)] * count
    return samples if samples <= 120 * _OPUS_HZ // 1000 else 0


def _file(packets: list[tuple[bytes, int]]) -> bytes:
    """A whole Ogg/Opus file of these packets: mono, no pre-skip. It says 24 kHz, and is decoded to what it says."""
    pages = [
        _page(0, _FIRST, 0, [struct.pack("<8sBBHIhB", b"OpusHead", 1, 1, 0, RATE_HZ, 0, 0)]),
        _page(1, 0, 0, [struct.pack("<8sII", b"OpusTags", 0, 0)]),
    ]
    granule = 0
    for number, (packet, samples) in enumerate(packets, 2):
        granule += samples
        pages.append(_page(number, _LAST if number == len(packets) + 1 else 0, granule, [packet]))
    return b"".join(pages)


def _page(number: int, flags: int, granule: int, packets: list[bytes]) -> bytes:
    segments = b"".join(b"\xff" * (len(packet) // 255) + bytes((len(packet) % 255,)) for packet in packets)
    head = struct.pack("<4sBBqIII", b"OggS", 0, flags, granule, 1, number, 0)
    page = bytearray(head + bytes((len(segments),)) + segments + b"".join(packets))
    struct.pack_into("<I", page, 22, crc(bytes(page)))
    return bytes(page)
