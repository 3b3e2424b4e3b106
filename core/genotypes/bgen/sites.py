"""The variants of a BGEN: one pass over their headers, from one to the next, without their
probabilities.

A variant (layout 2) is its SNP ID, rsID, contig, position and alleles, then the length of its
genotype data and these. The table is that of core.genotypes.plink_sites, so that both have their
rows chosen alike: ID is the rsID, else the SNP ID; REF is the first allele, ALT the others. A
process keeps those of the files that it read last.
"""

import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.errors import GenotypeFileError, Where
from core.genotypes.bgen.header import NONE, BgenHeader, damaged
from core.genotypes.block import numbers, strings
from core.genotypes.simd import inlined_kernel, inner_kernel, kernel
from core.genotypes.vcf_kernels import MAX_POSITION, Bytes, Ints

MAX_VARIANT_BYTES = 64 << 20
"""Of the names and alleles of a variant."""

MAX_DATA_BYTES = 128 << 20
"""Of the genotype data of a variant, inflated: of a million samples, a genotype in 128 bytes."""

POSITION, N_ALLELES, DATA, DATA_BYTES, INFLATED_BYTES = range(5)
"""Columns of `BgenSites.data`. DATA: byte of the file."""

N_COLUMNS = 5

OK, INCOMPLETE, BAD_VARIANT, BAD_STRING = 0, 1, 2, 3

_WINDOW_BYTES = 1 << 20
_SKIPPING_WINDOW_BYTES = 4 << 10
_LARGE_DATA_BYTES = 16 << 10
_COMMA, _DOT, _SPACE = 44, 46, 32


@dataclass(frozen=True, slots=True)
class SitesFile:
    """One BGEN as it was when it was opened."""

    path: str
    header: BgenHeader
    size_bytes: int
    modified_ns: int


@dataclass(frozen=True, slots=True)
class BgenSites:
    """table: CHROM (dictionary), POS, ID, REF, ALT of each variant; data (variants, N_COLUMNS)."""

    table: pa.Table
    data: Ints


_cache_lock = threading.Lock()


def load_sites(file: SitesFile) -> BgenSites:
    """The file's variants, read once in a process while it works on the file.

    Raises GenotypeFileError for headers that cannot be read, and where the file changed since it
    was opened.
    """
    status = Path(file.path).stat()
    if (status.st_size, status.st_mtime_ns) != (file.size_bytes, file.modified_ns):
        raise GenotypeFileError(
            "the file changed after it was opened.",
            where=Where(file.path),
            fix="Start the job again.",
        )
    with _cache_lock:  # threads that need the same file wait for the one that reads it
        return _load(file)


@lru_cache(maxsize=2)
def _load(file: SitesFile) -> BgenSites:
    with Path(file.path).open("rb", buffering=0) as opened:
        return _read(opened, file)


class _Column(NamedTuple):
    """Strings as Arrow has them: offsets (n + 1,) from 0 into bytes."""

    offsets: npt.NDArray[np.int32]
    content: Bytes


class _Strings(NamedTuple):
    """Of the variants of a window."""

    contig: _Column
    id: _Column
    ref: _Column
    alt: _Column


def _read(opened: BinaryIO, file: SitesFile) -> BgenSites:
    path, n_variants = Path(file.path), file.header.n_variants
    if n_variants > file.size_bytes // _MIN_VARIANT_BYTES:
        raise damaged(path, f"the file is too short for its {n_variants} variants.")
    data = np.empty((n_variants, N_COLUMNS), np.int64)
    tables: list[pa.Table] = []
    at, n_read, n_bytes = file.header.first_variant, 0, _WINDOW_BYTES
    while n_read < n_variants:
        opened.seek(at)
        text = np.frombuffer(opened.read(n_bytes), np.uint8)
        part = data[n_read : n_read + len(text) // _MIN_VARIANT_BYTES + 1]
        found = _new_strings(len(part), len(text))
        is_packed = file.header.compression != NONE
        status, n_new, stop = index_variants(text, at, is_packed, part, found)
        is_whole = at + len(text) >= file.size_bytes or n_bytes == MAX_VARIANT_BYTES
        is_stuck = n_new == 0 and is_whole
        if stop > file.size_bytes or status > INCOMPLETE or is_stuck:
            what = _PROBLEMS[status] if status > INCOMPLETE else "is cut short"
            raise damaged(path, f"variant {n_read + n_new + (stop <= file.size_bytes)} {what}.")
        if n_new:
            tables.append(_table(part[:n_new], found, n_new, path))
        n_bytes = _next_window(n_bytes, n_new, stop - at)
        at, n_read = stop, n_read + n_new
    if at != file.size_bytes:
        raise damaged(path, f"more follows on the {n_variants} variants of its header.")
    return BgenSites(pa.concat_tables(tables).unify_dictionaries(), data)


_MIN_VARIANT_BYTES = 20

_PROBLEMS = {
    BAD_VARIANT: "has a position, alleles or lengths that cannot be",
    BAD_STRING: "has an allele that is empty, or has control characters or commas",
}


def _next_window(n_bytes: int, n_new: int, n_passed: int) -> int:
    """More where not one variant fitted; little where most of it is skipped."""
    if n_new == 0:
        return min(8 * n_bytes, MAX_VARIANT_BYTES)
    return _SKIPPING_WINDOW_BYTES if n_passed // n_new > _LARGE_DATA_BYTES else _WINDOW_BYTES


def _new_strings(n_variants: int, n_bytes: int) -> _Strings:
    def column() -> _Column:
        return _Column(np.zeros(n_variants + 1, np.int32), np.empty(n_bytes + n_variants, np.uint8))

    return _Strings(column(), column(), column(), column())


def _table(data: Ints, found: _Strings, n: int, path: Path) -> pa.Table:
    columns: dict[str, pa.Array] = {"POS": numbers(data[:, POSITION].copy())}
    for name, kept in zip(("CHROM", "ID", "REF", "ALT"), found, strict=True):
        ends = kept.offsets[: n + 1].copy()
        columns[name] = strings(ends, kept.content[: ends[-1]].copy())
        try:
            columns[name].validate(full=True)
        except pa.ArrowInvalid as error:
            raise damaged(path, f"a {name} is not UTF-8.") from error
    columns["CHROM"] = columns["CHROM"].dictionary_encode()
    return pa.table(columns)


@inlined_kernel
def _number(text: Bytes, at: int, n_bytes: int) -> int:
    """Little-endian, unsigned; 0 behind the end of the text."""
    value = 0
    if at + n_bytes <= text.shape[0]:
        for i in range(n_bytes):
            value |= np.int64(text[at + i]) << (8 * i)
    return int(value)


@inlined_kernel
def _copy(text: Bytes, start: int, end: int, column: _Column, row: int) -> None:
    at = column.offsets[row]
    for i in range(start, end):
        column.content[at] = text[i]
        at += 1
    column.offsets[row + 1] = at


@kernel
def index_variants(
    text: Bytes, offset: int, is_packed: bool, data: Ints, found: _Strings
) -> tuple[int, int, int]:
    """(status, variants, byte of the file at which the next one begins) of a text that begins with
    a variant at byte `offset`; INCOMPLETE where the text ends within the header of the next.

    is_packed  genotype data are compressed, and state the length that they have inflated
    data       (n, N_COLUMNS), overwritten, as much of it as there are variants
    found      with room for the strings of the text
    """
    at = 0
    for row in range(data.shape[0]):
        if at >= text.shape[0]:
            return OK, row, offset + at
        status, end = _read_variant(text, at, offset, is_packed, data[row], found, row)
        if status != OK:
            return status, row, offset + at
        at = end
    return OK, data.shape[0], offset + at


@inner_kernel
def _read_variant(
    text: Bytes, at: int, offset: int, is_packed: bool, data: Ints, found: _Strings, row: int
) -> tuple[int, int]:
    """(status, where the variant ends)."""
    varid = at + 2
    rsid = varid + _number(text, at, 2) + 2
    contig = rsid + _number(text, rsid - 2, 2) + 2
    position = contig + _number(text, contig - 2, 2)
    alleles = position + 6
    if alleles > text.shape[0]:
        return INCOMPLETE, at
    data[POSITION], data[N_ALLELES] = _number(text, position, 4), _number(text, position + 4, 2)
    if data[POSITION] > MAX_POSITION or data[N_ALLELES] == 0 or contig == position:
        return BAD_VARIANT, at
    status, lengths = _read_alleles(text, alleles, int(data[N_ALLELES]), found, row)
    if status != OK:
        return status, at
    data[DATA], data[DATA_BYTES] = offset + lengths + 4, _number(text, lengths, 4)
    data[INFLATED_BYTES] = data[DATA_BYTES]
    end = lengths + 4 + data[DATA_BYTES]
    if is_packed:
        data[DATA], data[INFLATED_BYTES] = data[DATA] + 4, _number(text, lengths + 4, 4)
        data[DATA_BYTES] -= 4
    if lengths + 8 > text.shape[0]:
        return INCOMPLETE, at
    if data[DATA_BYTES] < 0 or data[INFLATED_BYTES] > MAX_DATA_BYTES:
        return BAD_VARIANT, at
    _copy(text, contig, position, found.contig, row)
    start, stop = (rsid, contig - 2) if contig - 2 > rsid else (varid, rsid - 2)
    _copy(text, start, stop, found.id, row)
    if start == stop:
        found.id.content[found.id.offsets[row]] = _DOT
        found.id.offsets[row + 1] += 1
    return OK, int(end)


@inner_kernel
def _read_alleles(
    text: Bytes, at: int, n_alleles: int, found: _Strings, row: int
) -> tuple[int, int]:
    """(status, where they end); a variant of one allele has ALT "."."""
    n = found.alt.offsets[row]
    for allele in range(n_alleles):
        end = at + 4 + _number(text, at, 4)
        if at + 4 > text.shape[0] or end > text.shape[0]:
            return INCOMPLETE, at
        for i in range(at + 4, end):
            if text[i] <= _SPACE or text[i] == _COMMA:
                return BAD_STRING, at
        if end == at + 4:
            return BAD_STRING, at
        if allele == 0:
            _copy(text, at + 4, end, found.ref, row)
        else:
            if allele > 1:
                found.alt.content[n] = _COMMA
                n += 1
            for i in range(at + 4, end):
                found.alt.content[n] = text[i]
                n += 1
        at = end
    if n_alleles == 1:
        found.alt.content[n] = _DOT
        n += 1
    found.alt.offsets[row + 1] = n
    return OK, at
