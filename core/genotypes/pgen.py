"""PLINK 2 .pgen: hard calls, multiallelic hard calls and dosages, decoded by pgenlib.

pgenlib trusts the header, so everything in it is checked here first, against the file's size and
the tables beside it (PLINK 2 File Format Specification, section 2). Taken are the standard storage
mode 0x10 and the plain mode 0x02, which are what plink2 writes. Dosages are exact, in their steps
of 1/16384.

Beside the calls: NAME.pvar or NAME.pvar.zst, and NAME.psam.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import GenotypeFileError, Where
from core.genotypes.block import MISSING_CALL, Dosages
from core.genotypes.plink import (
    Bytes,
    Fileset,
    Ints,
    PlinkFile,
    Variants,
    check_count,
    fileset_of,
    read_tables,
)
from core.genotypes.plink_sites import Sites

MAX_ALLELES = 255
"""pgenlib's."""

_MAGIC = b"\x6c\x1b"
_FIXED_BYTES = 12
_BED, _PLAIN, _STANDARD = 0x01, 0x02, 0x10
_BLOCK_VARIANTS = 1 << 16
_LD_TYPES = (2, 3)
_RESERVED_TYPE = 5
_MULTIALLELIC, _DOSAGES = 0x08, 0x60
_MARKS_OF_BYTE = 8
"""Samples are marked in whole bytes, so that fewer than so many can be marked beyond the last."""

_MISSING_BYTE = np.uint8(256 - 9)
"""-9 as pgenlib writes it into int8."""


def pgen_fileset(uri: str) -> Fileset:
    return fileset_of(uri, (".pvar", ".pvar.zst"), ".psam")


def open_pgen(uri: str) -> PlinkFile:
    """Read the header and the tables.

    Raises UnsupportedFormatError for a remote file, GenotypeFileError for files that cannot be used
    or do not belong together.
    """
    fileset = pgen_fileset(uri)
    size_bytes = fileset.calls.stat().st_size
    header = _read_header(fileset.calls, size_bytes)
    samples, sites_file, sites = read_tables(fileset, header.n_variants)
    check_count(fileset, fileset.samples, "samples", header.n_samples, len(samples.names))
    check_count(fileset, fileset.sites, "variants", header.n_variants, sites.table.num_rows)
    _check_alleles(fileset, header, sites)
    return PlinkFile(
        uri=uri,
        size_bytes=size_bytes,
        samples=samples.names,
        sexes=samples.sexes,
        build_evidence=sites.build_evidence,
        n_variants=header.n_variants,
        sites=sites_file,
        calls=PgenCalls(str(fileset.calls), size_bytes, header.has_dosages),
    )


@dataclass(frozen=True, slots=True)
class _Header:
    """`types`: (variants,) uint8 record types."""

    n_variants: int
    n_samples: int
    types: Bytes

    @property
    def has_dosages(self) -> bool:
        return bool((self.types & _DOSAGES).any())


def _read_header(path: Path, size_bytes: int) -> _Header:
    with path.open("rb") as file:
        fixed = file.read(_FIXED_BYTES)
        if fixed[:2] != _MAGIC:
            raise _damaged(path, "the file is not a .pgen.")
        if len(fixed) < 3 or fixed[2] not in (_PLAIN, _STANDARD):
            raise _other_mode(path, fixed[2:3])
        if len(fixed) < _FIXED_BYTES:
            raise _cut_short(path)
        n_variants, n_samples = (int(n) for n in np.frombuffer(fixed[3:11], "<u4"))
        if not n_variants or not n_samples:
            raise _damaged(path, f"the header states {n_variants} variants, {n_samples} samples.")
        if fixed[2] == _PLAIN:
            return _plain_header(path, n_variants, n_samples, fixed[11], size_bytes)
        types = _read_types(path, file.read, n_variants, n_samples, fixed[11], size_bytes)
    return _Header(n_variants, n_samples, types)


def _plain_header(
    path: Path, n_variants: int, n_samples: int, control: int, size_bytes: int
) -> _Header:
    flags = -(-n_variants // 8) if control >> 6 == 3 else 0
    if size_bytes != _FIXED_BYTES + flags + n_variants * -(-n_samples // 4):
        raise _cut_short(path)
    return _Header(n_variants, n_samples, np.zeros(n_variants, np.uint8))


def _read_types(
    path: Path,
    read: Callable[[int], bytes],
    n_variants: int,
    n_samples: int,
    control: int,
    size_bytes: int,
) -> Bytes:
    """Record types, read block by block of 65,536 variants with their lengths, which must end where
    the next block of records begins, and within the file."""
    if control & 0x08 or control & 0x30:
        raise _damaged(path, "its header has a form that plink2 does not write.")
    length_bytes, has_wide_types = (control & 3) + 1, bool(control & 4)
    sizes = [min(_BLOCK_VARIANTS, n_variants - at) for at in range(0, n_variants, _BLOCK_VARIANTS)]
    header_bytes = (
        _FIXED_BYTES
        + 8 * len(sizes)
        + sum(
            (n if has_wide_types else -(-n // 2)) + n * length_bytes + _flag_bytes(n, control)
            for n in sizes
        )
    )
    if header_bytes > size_bytes:
        raise _cut_short(path)
    starts = [int(start) for start in np.frombuffer(read(8 * len(sizes)), "<u8")]
    types: list[Bytes] = []
    expected = header_bytes
    for start, n in zip(starts, sizes, strict=True):
        packed = np.frombuffer(read(n if has_wide_types else -(-n // 2)), np.uint8)
        block = packed if has_wide_types else _halves(packed)[:n]
        lengths = _lengths(read(n * length_bytes), length_bytes)
        read(_flag_bytes(n, control))
        if start != expected or not _are_possible(block, lengths, n_samples):
            raise _damaged(path, "its index of variants contradicts itself.")
        expected = start + int(lengths.sum())
        types.append(block)
    if expected > size_bytes:
        raise _cut_short(path)
    return np.concatenate(types)


def _halves(packed: Bytes) -> Bytes:
    """Numbers of 4 bits, the lower half of a byte first."""
    return np.stack((packed & np.uint8(15), packed >> np.uint8(4)), axis=1).ravel()


def _flag_bytes(n_variants: int, control: int) -> int:
    """Of the flags of provisional REF alleles, where each variant has its own."""
    return -(-n_variants // 8) if control >> 6 == 3 else 0


def _lengths(content: bytes, length_bytes: int) -> npt.NDArray[np.uint64]:
    """Little-endian numbers of 1 to 4 bytes."""
    digits = np.frombuffer(content, np.uint8).reshape(-1, length_bytes).astype(np.uint64)
    return (digits << (8 * np.arange(length_bytes, dtype=np.uint64))).sum(axis=1, dtype=np.uint64)


def _are_possible(types: Bytes, lengths: npt.NDArray[np.uint64], n_samples: int) -> bool:
    """Whether the first record leans on no earlier one, and each can hold its main track."""
    main = types & 7
    needed = np.where(main == 0, -(-n_samples // 4), 1)
    needed = np.where(main == 1, 2 + -(-n_samples // 8), needed)
    return bool(
        main[0] not in _LD_TYPES and (main != _RESERVED_TYPE).all() and (lengths >= needed).all()
    )


def _check_alleles(fileset: Fileset, header: _Header, sites: Sites) -> None:
    """A record's type and its line in the .pvar must agree on whether it has several ALTs."""
    is_single = sites.n_alts == 1
    wrong = np.flatnonzero(is_single & ((header.types & _MULTIALLELIC) != 0))
    if len(wrong):
        raise GenotypeFileError(
            f"variant {int(wrong[0]) + 1} has calls of several ALT alleles, {fileset.sites} "
            "lists one.",
            where=Where(str(fileset.calls)),
            fix="These are not of one fileset: give the files that were written together.",
        )
    if int(sites.n_alts.max()) >= MAX_ALLELES:
        raise GenotypeFileError(
            f"a variant has more than {MAX_ALLELES - 1} ALT alleles.",
            where=Where(str(fileset.sites), field="ALT"),
            fix="Leave it out (plink2 --max-alleles).",
        )
    shared = np.flatnonzero(~is_single & ((header.types & _DOSAGES) != 0))
    if len(shared):
        raise GenotypeFileError(
            f"variant {int(shared[0]) + 1} has several ALT alleles and dosages, which are not "
            "divided between them.",
            where=Where(str(fileset.calls)),
            fix="Split it before the import (bcftools norm -m -), or leave it out "
            "(plink2 --max-alleles 2).",
        )


@dataclass(frozen=True, slots=True)
class PgenCalls:
    """A .pgen that open_pgen has checked."""

    path: str
    size_bytes: int
    has_dosages: bool

    def open(self, sites: Sites) -> "PgenReader":
        if Path(self.path).stat().st_size != self.size_bytes:
            raise GenotypeFileError(
                "the file changed after it was opened.",
                where=Where(self.path),
                fix="Start the job again.",
            )
        return PgenReader(self.path, sites)


class PgenReader:
    """Counts each ALT's copies; every reader has a pgenlib of its own, which serves one thread."""

    def __init__(self, path: str, sites: Sites) -> None:
        from pgenlib import PgenReader as Pgenlib  # noqa: PLC0415 - only where such a file is read

        self._path = path
        is_biallelic = bool((sites.n_alts == 1).all())
        ends = np.append(0, np.cumsum(sites.n_alts + np.int64(1))).astype(np.uintp)
        try:
            self._pgenlib: Any = Pgenlib(
                os.fsencode(path), allele_idx_offsets=None if is_biallelic else ends
            )
        except RuntimeError as error:
            raise _undecodable(Path(path)) from error

    def read(self, variants: Variants, alleles: Ints, into: Dosages) -> None:
        """As CallsReader has it. pgenlib reads one ALT number at a time."""
        present = np.unique(alleles)
        if len(present) == 1:
            self._read(variants, int(present[0]), into)
            return
        for allele in present:
            rows = np.flatnonzero(alleles == allele)
            part = np.empty_like(into, shape=(len(rows), into.shape[1]))
            self._read(variants[rows], int(allele), part)
            into[rows] = part

    def _read(self, variants: Variants, allele: int, into: Dosages) -> None:
        try:
            if into.dtype == np.uint8:
                self._pgenlib.read_list(variants, into.view(np.int8), allele)
                np.copyto(into, MISSING_CALL, where=into == _MISSING_BYTE)
            else:
                self._read_dosages(variants, allele, into)
                np.copyto(into, np.nan, where=into < 0)
        except RuntimeError as error:  # with a number of pgenlib's
            raise _undecodable(Path(self._path)) from error

    def _read_dosages(self, variants: Variants, allele: int, into: Dosages) -> None:
        """The last row by itself: where a damaged record marks more samples than there are, pgenlib
        writes their dosages behind its row, into what the next row overwrites, or nobody's memory.
        """
        if len(variants) > 1:
            self._pgenlib.read_dosages_list(variants[:-1], into[:-1], allele)
        last = np.empty(into.shape[1] + _MARKS_OF_BYTE, np.float32)[None, : into.shape[1]]
        self._pgenlib.read_dosages_list(variants[-1:], last, allele)
        into[-1] = last


def _undecodable(path: Path) -> GenotypeFileError:
    return _damaged(path, "pgenlib cannot decode its calls.")


def _damaged(path: Path, what: str) -> GenotypeFileError:
    return GenotypeFileError(what, where=Where(str(path)), fix=_FIX)


def _cut_short(path: Path) -> GenotypeFileError:
    return _damaged(path, "the file does not have the size that its header states.")


def _other_mode(path: Path, mode: bytes) -> GenotypeFileError:
    if mode == bytes([_BED]):
        return GenotypeFileError(
            "this is a PLINK 1 .bed.", where=Where(str(path)), fix="Name it .bed, beside its .bim."
        )
    return _damaged(path, f"storage mode 0x{mode.hex() or '??'} is not one that plink2 writes.")


_FIX = "Copy the file again, or write it again (plink2 --make-pgen)."
