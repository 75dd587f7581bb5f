"""Just enough of MPEG audio to put one MP3 stream behind another (ISO 11172-3, 13818-3, and LAME's info tag)."""

_BIT_RATES = (
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),  # version 1, layer III, kbit/s
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),  # versions 2 and 2.5
)
_RATES_HZ = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_TAG_WITHIN = 64


def join_mp3(sound: bytes) -> bytes:
    """`sound` fit to follow other frames: without ID3v2 tags and without the frame that gives its own length.

    A decoder would take either for the whole file's.
    """
    start = 0
    while sound[start : start + 3] == b"ID3" and len(sound) >= start + 10:
        size = 0
        for byte in sound[start + 6 : start + 10]:
            size = size << 7 | byte & 0x7F
        start += 10 + size + (10 if sound[start + 5] & 0x10 else 0)
    head = sound[start : start + _TAG_WITHIN]
    if b"Xing" in head or b"Info" in head or b"VBRI" in head:
        start += _frame_bytes(head)
    return sound[start:]


def _frame_bytes(head: bytes) -> int:
    """The length of the layer III frame that begins here, 0 when none does."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return 0
    version, rate, kbps = head[1] >> 3 & 3, head[2] >> 2 & 3, head[2] >> 4
    if version not in _RATES_HZ or rate == 3 or kbps == 15:
        return 0
    factor, table = (144_000, _BIT_RATES[0]) if version == 3 else (72_000, _BIT_RATES[1])
    return factor * table[kbps] // _RATES_HZ[version][rate] + (head[2] >> 1 & 1)
