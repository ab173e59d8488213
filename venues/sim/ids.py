"""Names that a simulated venue gives: random, and the same again for the same seed."""

from random import Random


def new_uuid(luck: Random) -> str:
    """A UUID of version 4 from the simulator's own generator."""
    bits = luck.getrandbits(128) & ~(0xF << 76) & ~(0x3 << 62) | (0x4 << 76) | (0x2 << 62)
    text = f"{bits:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
