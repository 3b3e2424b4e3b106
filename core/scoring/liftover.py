"""Scoring files lifted over to the build of the genotypes, by a chain file that the user gives.

What cannot be lifted without a guess is not: such a row keeps no coordinates, and leaves with the
reason `liftover_failed`.

    the chain has no place, or several, for the position                    failed
    the place is on another chromosome, or on none of the primary ones      failed
    the allele's bases end up apart (a gap of the chain lies between)       failed
    the strand turns: one base for another       both alleles are complemented
    the strand turns: an indel, or longer alleles                           failed

Chain files (UCSC, https://genome.ucsc.edu/goldenPath/help/chain.html) come under terms of their
own, so none is shipped.
"""

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from core.errors import ChainFileError, GenomeBuildError, ScoringFileError, Where
from core.genome_build import (
    CANONICAL_CONTIGS,
    GenomeBuild,
    build_from_contig_lengths,
    canonical_contig,
)
from core.scoring.scoring_file import Lifted, ScoringFile
from core.variants import reverse_complement
from core.words import lacks, map_words, words_of

if TYPE_CHECKING:
    from liftover import ChainFile

LIFTOVER_FAILED = "liftover_failed"

MIN_LIFTED = 0.95
"""Share of a file's positions that must be lifted, as pgscatalog's own tool has it."""

_GZIP = b"\x1f\x8b"
_MAX_CHAIN_BYTES = 1 << 30
_FIX = "Give a chain file of UCSC's layout, such as hg19ToHg38.over.chain.gz."

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain file that leads from one build to another."""

    path: Path
    sha256: str
    source: GenomeBuild
    target: GenomeBuild
    places: "ChainFile"


@dataclass(frozen=True, slots=True)
class _Places:
    """(rows,) where each row is on the other build. position is 0 where it failed; `turned`: on the
    other strand."""

    position: Ints
    turned: Bools

    @property
    def is_found(self) -> Bools:
        return self.position > 0


def open_chain(path: Path) -> Chain:
    """Read a chain file, gzip or plain; its contigs' lengths tell which builds it joins.

    Raises ChainFileError for a file that is none, or that joins other builds than ours.
    """
    from liftover import ChainFile  # noqa: PLC0415 - 65 ms that few runs need

    try:
        raw = _content(path)
        lengths = _contig_lengths(path, raw)
        places = ChainFile(str(path), one_based=True)
    except OSError as error:
        raise _error(path, f"the file cannot be read: {error.strerror or error}.") from error
    except (EOFError, zlib.error, ValueError, IndexError, RuntimeError) as error:
        raise _error(path, f"the file is no chain file, or damaged: {error}.") from error
    source, target = (_build_of(path, of_side) for of_side in lengths)
    if source is target:
        raise _error(path, f"both sides of the chains are {source}.")
    return Chain(path, hashlib.sha256(raw).hexdigest(), source, target, places)


def lift_over(file: ScoringFile, chain: Chain) -> ScoringFile:
    """`file`, whose build is known, with its rows where the chain leads them; `lifted` says what
    became of them.

    Raises GenomeBuildError where the chain starts from another build, ScoringFileError where it
    lifts less than MIN_LIFTED of the rows that have coordinates.
    """
    if file.build is not chain.source:
        raise GenomeBuildError(
            f"the scoring file is on {file.build}, and the chain file {chain.path.name} leads from "
            f"{chain.source} to {chain.target}.",
            where=Where(file.source),
            fix=f"Give a chain file that leads from {file.build}.",
        )
    places = _places_of(file.rows, chain)
    has_place = ~lacks(file.rows.column("position"))
    n_placed, n_lifted = int(has_place.sum()), int(places.is_found.sum())
    if n_lifted < MIN_LIFTED * n_placed:
        raise ScoringFileError(
            f"only {n_lifted} of {n_placed} positions could be lifted to {chain.target}.",
            where=Where(file.source),
            fix=f"Check that its positions are on {file.build}, or use its {chain.target} version.",
        )
    lifted = Lifted(
        source_build=chain.source,
        chain_sha256=chain.sha256,
        n_lifted=n_lifted,
        n_failed=n_placed - n_lifted,
        n_strand_changed=int(places.turned.sum()),
    )
    rows = _moved(file.rows, places, has_place & ~places.is_found)
    return replace(file, rows=rows, build=chain.target, lifted=lifted)


def _content(path: Path) -> bytes:
    if path.stat().st_size > _MAX_CHAIN_BYTES:
        raise _error(path, f"the file has more than {_MAX_CHAIN_BYTES >> 20} MiB.")
    return path.read_bytes()


def _contig_lengths(path: Path, raw: bytes) -> tuple[dict[str, int], dict[str, int]]:
    """What the chains' headers say of the contigs on either side: name to length."""
    source: dict[str, int] = {}
    target: dict[str, int] = {}
    for line in _lines(path, raw):
        if line.startswith(b"chain "):
            words = line.decode().split()
            source[words[2]], target[words[7]] = int(words[3]), int(words[8])
    return source, target


def _lines(path: Path, raw: bytes) -> Iterator[bytes]:
    if not raw.startswith(_GZIP):
        yield from raw.splitlines()
        return
    n_bytes = 0
    with gzip.open(path, "rb") as lines:
        for line in lines:
            n_bytes += len(line)
            if n_bytes > _MAX_CHAIN_BYTES:
                raise _error(path, f"the file unpacks to more than {_MAX_CHAIN_BYTES >> 20} MiB.")
            yield line


def _build_of(path: Path, lengths: dict[str, int]) -> GenomeBuild:
    try:
        build = build_from_contig_lengths(lengths)
    except GenomeBuildError as error:
        raise _error(path, error.what) from error
    if build is None:
        raise _error(path, "its chains join builds that are not GRCh37 and GRCh38.")
    return build


def _error(path: Path, what: str) -> ChainFileError:
    return ChainFileError(what, where=Where(str(path)), fix=_FIX)


def _places_of(rows: pa.Table, chain: Chain) -> _Places:
    """One look-up a row, and one more for the last base of longer alleles."""
    contig = words_of(rows.column("contig"))
    position = pc.fill_null(rows.column("position"), 0).to_numpy().astype(np.int64)
    length = _longest_allele(rows)
    found, turned = np.zeros(len(position), np.int64), np.zeros(len(position), bool)
    code = pc.fill_null(contig.indices, -1).to_numpy()
    for number, name in enumerate(contig.dictionary.to_pylist()):
        for at in np.flatnonzero((code == number) & (position > 0)).tolist():
            found[at], turned[at] = _place_of(chain, name, int(position[at]), int(length[at]))
    return _Places(found, turned)


def _place_of(chain: Chain, contig: str, position: int, length: int) -> tuple[int, bool]:
    """(position, whether the strand turns); (0, False) where it failed."""
    failed = 0, False
    if contig not in CANONICAL_CONTIGS:
        return failed
    matches = chain.places.query(contig, position)
    if len(matches) != 1 or canonical_contig(matches[0][0]) != contig:
        return failed
    _, place, strand = matches[0]
    if strand == "-":
        return (place, True) if length == 1 else failed
    if length > 1:
        last = chain.places.query(contig, position + length - 1)
        if [(name, end) for name, end, _ in last] != [(matches[0][0], place + length - 1)]:
            return failed
    return place, False


def _longest_allele(rows: pa.Table) -> Ints:
    """(rows,) bases; 1 where no allele is known."""
    lengths = [
        pc.fill_null(pc.binary_length(rows.column(name).cast(pa.string())), 1).to_numpy()
        for name in ("effect_allele", "other_allele")
    ]
    return np.maximum(*lengths).astype(np.int64)


def _moved(rows: pa.Table, places: _Places, failed: Bools) -> pa.Table:
    """The rows at their places; those that failed have none, and say why."""
    found = places.is_found
    problem = words_of(rows.column("problem")).cast(pa.string())
    new_problem = pc.if_else(pa.array(failed), pc.coalesce(problem, LIFTOVER_FAILED), problem)
    contig = words_of(rows.column("contig")).cast(pa.string())
    columns = {
        "contig": words_of(pc.if_else(pa.array(found), contig, pa.scalar(None, pa.string()))),
        "position": pa.array(places.position, mask=~found),
        "problem": words_of(new_problem),
    }
    for name in ("effect_allele", "other_allele"):
        columns[name] = _complemented(rows.column(name), places.turned)
    arrays = [columns.get(name, rows.column(name)) for name in rows.column_names]
    return pa.Table.from_arrays(arrays, schema=rows.schema)


def _complemented(column: pa.ChunkedArray, turned: Bools) -> pa.DictionaryArray:
    alleles = words_of(column)
    if not turned.any():
        return alleles
    other = map_words(alleles, _other_strand)
    chosen = pc.if_else(pa.array(turned), other.cast(pa.string()), alleles.cast(pa.string()))
    return words_of(chosen)


def _other_strand(words: pa.Array) -> pa.Array:
    """What is no sequence stays as it is; such rows have a problem of their own."""
    return pa.array([reverse_complement(word) or word for word in words.to_pylist()], pa.string())
