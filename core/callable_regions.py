"""Callable regions: where a sequencing run could have seen a variant, as a BED file has them.

BED counts from 0 and its ends are exclusive; further columns, comments, `track` and `browser` lines
are left alone. Regions may overlap and stand in any order.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.errors import CallableRegionsError, Where
from core.genome_build import canonical_contig

MAX_TEXT_BYTES = 1 << 30
_GZIP = b"\x1f\x8b"

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class CallableRegions:
    """starts, ends (n,) of each canonical contig, ascending and apart."""

    _by_contig: Mapping[str, tuple[Positions, Positions]]

    def hold(self, contig: str, positions: Positions) -> npt.NDArray[np.bool_]:
        """(n,) whether a region holds the 1-based position."""
        starts, ends = self._by_contig.get(contig, (np.empty(0, np.int64),) * 2)
        at = np.searchsorted(starts, positions - 1, side="right")
        return (at > 0) & (positions - 1 < np.append(0, ends)[at])


def read_callable_regions(path: Path) -> CallableRegions:
    """A BED file, plain or gzip. Raises CallableRegionsError with the line that is none."""
    found: dict[str, list[tuple[int, int]]] = {}
    for number, line in enumerate(_text(path).splitlines(), start=1):
        words = line.split(None, 3)
        if not words or words[0].startswith((b"#", b"track", b"browser")):
            continue
        if len(words) < 3 or not all(w.isdigit() and len(w) <= 12 for w in words[1:3]):
            raise _bad(path, "this is no region: contig, start, end.", number)
        start, end = int(words[1]), int(words[2])
        if end < start:
            raise _bad(path, "the region ends before it starts.", number)
        found.setdefault(canonical_contig(words[0].decode("utf-8", "replace")), []).append(
            (start, end)
        )
    return CallableRegions({name: _joined(np.array(some)) for name, some in found.items()})


def _joined(regions: Positions) -> tuple[Positions, Positions]:
    """Overlapping regions as one."""
    regions = regions[np.argsort(regions[:, 0], kind="stable")]
    reach = np.maximum.accumulate(regions[:, 1])
    is_first = np.append(True, regions[1:, 0] > reach[:-1])
    is_last = np.append(is_first[1:], True)
    return regions[is_first, 0].astype(np.int64), reach[is_last].astype(np.int64)


def _text(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        if not data.startswith(_GZIP):
            return data
        text = bytearray()
        while data:
            member = zlib.decompressobj(wbits=31)
            text += member.decompress(data, MAX_TEXT_BYTES + 1 - len(text))
            if len(text) > MAX_TEXT_BYTES or not member.eof:
                raise _bad(path, "the file is too long, or was cut.", None)
            data = member.unused_data
        return bytes(text)
    except (OSError, zlib.error) as error:
        raise _bad(path, f"the file cannot be read ({error}).", None) from error


def _bad(path: Path, what: str, line: int | None) -> CallableRegionsError:
    return CallableRegionsError(
        what, where=Where(str(path), line), fix="Give a BED file of callable regions."
    )
