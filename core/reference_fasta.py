"""A reference FASTA, read a base at a time through its faidx index (samtools faidx, NAME.fai).

The index has a line for each sequence: name, bases, byte of its first base, bases and bytes of a
line. So the byte of any base is known, and only the bytes around the wanted ones are read.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.errors import GenomeBuildError, ReferenceFastaError, Where
from core.genome_build import GenomeBuild, build_from_contig_lengths, canonical_contig
from core.storage.byte_ranges import ByteRanges, S3Access, open_byte_ranges

Positions = npt.NDArray[np.int64]
Bases = npt.NDArray[np.uint8]

MAX_INDEX_BYTES = 64 << 20
_GAP_BYTES = 16 << 10
_READ_BYTES = 8 << 20
_UPPER = np.array([ord(chr(byte).upper()) if chr(byte) in "acgt" else byte for byte in range(256)])
_IS_BASE = np.isin(np.arange(256), list(b"ACGT"))


@dataclass(frozen=True, slots=True)
class _Sequence:
    n_bases: int
    offset: int
    line_bases: int
    line_bytes: int

    def bytes_of(self, positions: Positions) -> Positions:
        lines, within = np.divmod(positions - 1, self.line_bases)
        return self.offset + lines * self.line_bytes + within


@dataclass(frozen=True, slots=True)
class ReferenceFasta:
    """Sequences by canonical contig; where two have one, the first. `build` is the one that the
    lengths tell, None for none."""

    source: ByteRanges
    build: GenomeBuild | None
    _sequences: Mapping[str, _Sequence]

    def bases(self, contig: str, positions: Positions) -> Bases:
        """(n,) the bases at 1-based `positions` (n,), ascending, as A, C, G or T in ASCII; 0 where
        there is no such place, or it has another letter."""
        found = np.zeros(len(positions), np.uint8)
        sequence = self._sequences.get(contig)
        if sequence is None:
            return found
        inside = np.flatnonzero((positions >= 1) & (positions <= sequence.n_bases))
        at = sequence.bytes_of(positions[inside])
        for first, stop in _ranges(at):
            some = at[first:stop]
            data = self.source.read(int(some[0]), int(some[-1]) + 1)
            if len(data) <= some[-1] - some[0]:
                raise _stale(self.source.uri)
            found[inside[first:stop]] = np.frombuffer(data, np.uint8)[some - some[0]]
        found = _UPPER[found].astype(np.uint8)
        return np.where(_IS_BASE[found], found, 0).astype(np.uint8)


def open_reference_fasta(uri: str, *, s3: S3Access | None = None) -> ReferenceFasta:
    """Raises ReferenceFastaError where it is no plain FASTA with an index, GenotypeFileError where
    one of the two files is not there, GenomeBuildError where its contigs are of two builds."""
    source = open_byte_ranges(uri, s3=s3)
    head = source.read(0, 2)
    if head == b"\x1f\x8b":
        raise ReferenceFastaError(
            "the FASTA is compressed, and its bases cannot be reached one by one.",
            where=Where(uri),
            fix="Decompress it (bgzip -d) and index it with `samtools faidx`.",
        )
    if not head.startswith(b">"):
        raise ReferenceFastaError(
            "the file is no FASTA.", where=Where(uri), fix='A FASTA begins with ">" and a name.'
        )
    index = open_byte_ranges(f"{uri}.fai", s3=s3)
    sequences = dict(_sequences(index, source.size_bytes))
    lengths = {name: sequence.n_bases for name, sequence in sequences.items()}
    try:
        build = build_from_contig_lengths(lengths)
    except GenomeBuildError as error:
        raise GenomeBuildError(error.what, where=Where(index.uri), fix=error.fix) from error
    by_contig: dict[str, _Sequence] = {}
    for name, sequence in sequences.items():
        by_contig.setdefault(canonical_contig(name), sequence)
    return ReferenceFasta(source, build, by_contig)


def _sequences(index: ByteRanges, fasta_bytes: int) -> Iterator[tuple[str, _Sequence]]:
    if index.size_bytes > MAX_INDEX_BYTES:
        raise _bad_index(index.uri, None)
    text = index.read(0, index.size_bytes).decode("utf-8", "replace")
    for number, line in enumerate(text.splitlines(), start=1):
        name, *numbers = line.split("\t")
        if len(numbers) != 4 or not all(word.isascii() and word.isdigit() for word in numbers):
            raise _bad_index(index.uri, number)
        if any(len(word) > 15 for word in numbers):
            raise _bad_index(index.uri, number)
        sequence = _Sequence(*map(int, numbers))
        if sequence.n_bases == 0:
            continue
        if not 0 < sequence.line_bases < sequence.line_bytes:
            raise _bad_index(index.uri, number)
        if sequence.bytes_of(np.array([sequence.n_bases]))[0] >= fasta_bytes:
            raise _stale(index.uri)
        yield name, sequence


def _ranges(at: Positions) -> Iterator[tuple[int, int]]:
    """Runs of ascending bytes that are read together."""
    first = 0
    while first < len(at):
        stop = first + int(np.searchsorted(at[first:], at[first] + _READ_BYTES))
        gaps = np.flatnonzero(np.diff(at[first:stop]) > _GAP_BYTES)
        stop = first + int(gaps[0]) + 1 if len(gaps) else stop
        yield first, stop
        first = stop


def _bad_index(uri: str, line: int | None) -> ReferenceFastaError:
    return ReferenceFastaError(
        "this is no faidx index.", where=Where(uri, line), fix="Make it with `samtools faidx`."
    )


def _stale(uri: str) -> ReferenceFastaError:
    return ReferenceFastaError(
        "the index speaks of bytes that the FASTA does not have.",
        where=Where(uri),
        fix="Index the FASTA again with `samtools faidx`.",
    )
