"""The ways to store a text: plain, gzip, BGZF; and what a byte of it that is wrong may do."""

import gzip
import random
from pathlib import Path

from tests.builders.call_lines import damage
from tests.builders.vcf import bgzip


def stored(text: bytes, rng: random.Random) -> bytes:
    """In gzip, of one member or two, or in BGZF of any size of block."""
    match rng.randrange(3):
        case 0:
            return gzip.compress(text, rng.randrange(10))
        case 1:
            middle = rng.randrange(len(text) + 1)
            return gzip.compress(text[:middle], 1) + gzip.compress(text[middle:], 1)
        case _:
            return bgzip(text, block_bytes=rng.randrange(1, 500), level=rng.randrange(10))


def write_damaged(content: bytes, path: Path, rng: random.Random) -> Path:
    changed = bytearray(content)
    damage(changed, rng)
    path.write_bytes(changed)
    return path
