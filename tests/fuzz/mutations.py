"""Damage that leaves most of a text as it was, so that a reader gets as far as its last line."""

import random
import re
from collections.abc import Sequence

from tests.builders.call_lines import damage

MOST_BYTES = 1 << 16
"""Of a text that was changed: what it does not show, a longer one would not show faster."""


def mutated(
    content: bytes, rng: random.Random, *, separators: bytes, words: Sequence[bytes]
) -> bytes:
    """The text after one change, chosen by `rng`: to bytes, to lines, or to a piece of a line.

    separators   the characters of which each cuts a line into pieces, for example columns
    words        what a piece may become, beside another piece of the text
    """
    lines = content[:MOST_BYTES].split(b"\n")
    match rng.randrange(7):
        case 0:
            return _damaged(content[:MOST_BYTES], rng)
        case 1:
            at = _a_line(lines, rng)
            lines[at] = _damaged(lines[at], rng)
        case 2:
            _change_lines(lines, rng)
        case 3:
            at = _a_line(lines, rng)
            lines[at] = _overwritten(lines[at], rng, rng.choice(words))
        case _:
            _change_piece(lines, rng, separators, words)
    return b"\n".join(lines)


def _damaged(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content or b"\n")
    damage(changed, rng)
    return bytes(changed[:-1])  # without the line end that it appends


def _overwritten(line: bytes, rng: random.Random, word: bytes) -> bytes:
    """Of the same length, which sequence and quality share."""
    at = rng.randrange(len(line) + 1)
    return (line[:at] + word + line[at + len(word) :])[: len(line)]


def _a_line(lines: list[bytes], rng: random.Random) -> int:
    """Rarely of a header, which has more lines than there are records, and refuses sooner."""
    at = rng.randrange(len(lines))
    is_header = lines[at].startswith(b"#") and rng.randrange(20)
    return rng.randrange(at, len(lines)) if is_header else at


def _change_lines(lines: list[bytes], rng: random.Random) -> None:
    at, other = _a_line(lines, rng), _a_line(lines, rng)
    match rng.randrange(7):
        case 0:
            del lines[at]
        case 1:
            lines.insert(other, lines[at])
        case 2:
            lines[at], lines[other] = lines[other], lines[at]
        case 3:
            lines[at : at + 2] = [b"".join(lines[at : at + 2])]
        case 4:
            inside = rng.randrange(len(lines[at]) + 1)
            lines[at : at + 1] = [lines[at][:inside], lines[at][inside:]]
        case 5:
            lines[at] += rng.choice([b"\r", b"\r\r", b" ", b"\t"])
        case 6:
            del lines[max(at, 1) :]


def _change_piece(
    lines: list[bytes], rng: random.Random, separators: bytes, words: Sequence[bytes]
) -> None:
    at = _a_line(lines, rng)
    separator = bytes([rng.choice(separators)])
    pieces = lines[at].split(separator)
    piece = rng.randrange(len(pieces))
    match rng.randrange(6):
        case 0 | 1:
            pieces[piece] = rng.choice(words)
        case 2:
            others = re.split(b"[" + re.escape(separators) + b"]", rng.choice(lines))
            pieces[piece] = rng.choice(others)
        case 3:
            del pieces[piece]
        case 4:
            pieces.insert(piece, rng.choice([*words, pieces[piece]]))
        case 5:
            pieces[piece : piece + 1] *= rng.choice([2, 3, 16, 70])
    lines[at] = separator.join(pieces)
