"""Spoiling a file by chance, each case a function of seed and number: for machines without a guided fuzzer."""

from __future__ import annotations

import random


def spoiled(good: list[bytes], rng: random.Random) -> bytes:
    """One of the files with a few bytes changed, cut, doubled, moved or taken from another."""
    data = bytearray(rng.choice(good))
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        at = rng.randrange(len(data) + 1)
        length = rng.choice((1, 1, 2, 4, 8, 64))
        match rng.randrange(8):
            case 0:
                data[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                data[at : at + length] = b""
            case 2:
                data[at:at] = data[at : at + length]
            case 3:
                del data[at:]
            case 4:
                data[at : at + length] = rng.choice((b"\xff", b"\x00", b"\x7f", b"\x80")) * length
            case 5:
                other = rng.choice(good)
                start = rng.randrange(len(other) + 1)
                data[at : at + length] = other[start : start + length]
            case 6:
                data[at:at] = rng.choice(WORDS)
            case _:
                if at < len(data):
                    data[at] ^= 1 << rng.randrange(8)
    return bytes(data)


WORDS = (
    b"null", b"[]", b"{}", b"-1", b"1e999", b"NaN", b'"', b"\n", b"\x00", b"9" * 40, b"\xed\xa0\x80", b"true", b": ",
    b"&a ", b"*a ", b"!!", b"- ", b"[" * 70, b"\xff\xff\xff\xff", b"\x00" * 8, b"\x7f" * 8, b"../",
)  # fmt: skip
"""Pieces at which readers of some format trip."""
