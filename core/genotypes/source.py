"""Genotype files of any format behind one Protocol, the cohort that they make, and its shards.

A format is two things: a GenotypeFile, opened, which cuts itself into shards, and a shard, which
makes a reader of its blocks. Both travel between processes; a reader does not.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from core.build_evidence import BuildEvidence
from core.errors import CohortError, GenomeBuildError, Where
from core.genome_build import GenomeBuild
from core.genotypes.block import DosageBlock
from core.genotypes.block_directory import BlockDirectory
from core.genotypes.calls import GenotypeField, HalfCall
from core.genotypes.vcf_wanted import Wanted
from core.storage.byte_ranges import S3Access


class BlockReader(Protocol):
    """Iterate once over the blocks of a shard, in file order.

    Afterwards n_records and contig_records (canonical name -> records) count every record that the
    shard owns, wanted or not; `directory` is that of the blocks of a BGZF shard that was read from
    end to end, None of any other. Raises GenotypeFileError for what cannot be read.
    """

    n_records: int
    contig_records: dict[str, int]
    directory: BlockDirectory | None

    def __iter__(self) -> Iterator[DosageBlock]: ...


ShardT = TypeVar("ShardT", bound="GenotypeShard", covariant=True)


class GenotypeFile(Protocol[ShardT]):
    """One file of a cohort, opened. `build_evidence` is what the file itself states."""

    @property
    def uri(self) -> str: ...

    @property
    def size_bytes(self) -> int: ...

    @property
    def samples(self) -> tuple[str, ...]: ...

    @property
    def build_evidence(self) -> BuildEvidence | None: ...

    def shards(self, shard_bytes: int, first_index: int) -> Sequence[ShardT]:
        """At least one; they depend on the file and `shard_bytes` alone."""
        ...


class GenotypeShard(Protocol):
    """A part of a file. `index` counts over the cohort."""

    @property
    def index(self) -> int: ...

    @property
    def file(self) -> GenotypeFile[Any]: ...

    def reader(
        self,
        *,
        field: GenotypeField,
        half_call: HalfCall,
        wanted: Wanted | None,
        s3: S3Access | None,
    ) -> BlockReader:
        """`wanted` None decodes every record. Raises GenotypeFileError where the file has no such
        field, NotStoredError where it holds one reading of the calls and this is another."""
        ...


@dataclass(frozen=True, slots=True)
class Cohort(Generic[ShardT]):
    """Files with the same samples in the same order, one for each chromosome for example."""

    files: tuple[GenotypeFile[ShardT], ...]
    samples: tuple[str, ...]
    build_evidence: BuildEvidence | None

    @property
    def build(self) -> GenomeBuild | None:
        return self.build_evidence.build if self.build_evidence is not None else None

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)


def cohort_of(files: Sequence[GenotypeFile[ShardT]]) -> Cohort[ShardT]:
    """Raises CohortError where there is no file or the samples differ, GenomeBuildError where the
    files state different genome builds."""
    if not files:
        raise CohortError("there is no genotype file.", fix="Give at least one genotype file.")
    for file in files[1:]:
        _check_same_samples(files[0], file)
    return Cohort(tuple(files), files[0].samples, _build_evidence_of(files))


def plan_shards(cohort: Cohort[ShardT], shard_bytes: int) -> tuple[ShardT, ...]:
    """The shards of every file, about `shard_bytes` each; at least one for each file."""
    if shard_bytes < 1:
        raise ValueError(f"shard_bytes is {shard_bytes}")
    shards: list[ShardT] = []
    for file in cohort.files:
        shards += file.shards(shard_bytes, len(shards))
    return tuple(shards)


def _check_same_samples(first: GenotypeFile[Any], other: GenotypeFile[Any]) -> None:
    ours, theirs = first.samples, other.samples
    if ours == theirs:
        return
    fix = "Give every file the same samples in the same order (bcftools view -S)."
    where = Where(other.uri, field="samples")
    if len(ours) != len(theirs):
        raise CohortError(
            f"the file has {len(theirs)} samples, {first.uri} has {len(ours)}.",
            where=where,
            fix=fix,
        )
    i = next(i for i, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b)
    raise CohortError(
        f"sample {i + 1} is {theirs[i]}, in {first.uri} it is {ours[i]}.", where=where, fix=fix
    )


def _build_evidence_of(files: Sequence[GenotypeFile[Any]]) -> BuildEvidence | None:
    known = [(file, file.build_evidence) for file in files if file.build_evidence is not None]
    first_file, first = known[0] if known else (None, None)
    for file, evidence in known[1:]:
        if first_file is not None and first is not None and evidence.build is not first.build:
            raise GenomeBuildError(
                f"the header states {evidence.build} ({evidence.words}), that of {first_file.uri} "
                f"states {first.build} ({first.words}).",
                where=Where(file.uri, field="header"),
                fix="Score files of different builds apart, or lift one over first.",
            )
    return first
