"""What a cohort scoring reads: opened, checked against each other, and named by sha256."""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from core.build_evidence import BuildEvidence, BuildSource
from core.callable_regions import CallableRegions, read_callable_regions
from core.errors import GenomeBuildError, PolicyError, ScoringFileError, UserError, Where
from core.genome_build import GenomeBuild
from core.genotypes.calls import GenotypeField
from core.genotypes.directory_cache import DirectoryCache
from core.genotypes.formats import content_uris, has_reference_blocks, stated_sexes
from core.genotypes.source import Cohort, GenotypeShard
from core.reference_fasta import ReferenceFasta, open_reference_fasta
from core.samples import read_sample_sheet
from core.scoring.frequencies import Frequencies, read_frequencies
from core.scoring.liftover import Chain, lift_over, open_chain
from core.scoring.policy import Absent, Compat, MatchBy, Missing, ScoringPolicy, policy_for
from core.scoring.scoring_file import ScoringFile, read_scoring_files
from core.scoring.shared_columns import SharedColumns
from core.storage.byte_ranges import S3Access
from core.storage.digest_cache import DigestCache, sha256_of_all
from jobs.partials import Checkpoint

TABLES = ("frequencies", "samples", "chain", "reference_fasta", "callable_bed")
"""Fields of CohortScoring: what may be read beside genotypes and scoring files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortScoring:
    """One run, as the command line has it. `overrides` are single policy fields as text; without
    `shard_bytes`, the shards' size follows from the input; without `block_directories`, none is
    kept or used, and every file is hashed anew; with `checkpoint`, what is finished outlives the
    machine."""

    genotypes: tuple[str, ...]
    scoring_files: tuple[Path, ...]
    output: Path
    shard_bytes: int | None = None
    build: GenomeBuild | None = None
    compat: Compat = Compat.DEFAULT
    overrides: Mapping[str, str] = field(default_factory=dict)
    frequencies: Path | None = None
    samples: Path | None = None
    chain: Path | None = None
    reference_fasta: Path | None = None
    callable_bed: Path | None = None
    assume_reference: bool = False
    genotype_field: GenotypeField = GenotypeField.AUTO
    reuse: bool = True
    s3: S3Access | None = None
    block_directories: DirectoryCache | None = None
    checkpoint: Checkpoint | None = None

    @property
    def tables(self) -> dict[str, Path]:
        """What is read beside genotypes and scoring files, by the name of its field."""
        given = {name: getattr(self, name) for name in TABLES}
        return {name: path for name, path in given.items() if path is not None}


@dataclass(frozen=True, slots=True)
class Inputs:
    """`refused` are the scoring files that failed alone, by path; `build_evidence` says on
    which build the positions are, None where nobody does; `sha256` holds hex digests by URI or
    path."""

    cohort: Cohort[GenotypeShard]
    policy: ScoringPolicy
    build_evidence: BuildEvidence | None
    files: tuple[ScoringFile, ...]
    refused: Mapping[str, UserError]
    frequencies: Frequencies | None
    reference_fasta: ReferenceFasta | None
    callable_regions: CallableRegions | None
    sex_sheet: Mapping[str, int] | None
    sha256: Mapping[str, str]

    @property
    def build(self) -> GenomeBuild | None:
        return self.build_evidence.build if self.build_evidence is not None else None


def open_inputs(
    request: CohortScoring, cohort: Cohort[GenotypeShard], stated: BuildEvidence | None
) -> Inputs:
    """Open and check everything that a run reads beside the genotypes, which are open, and whose
    build `stated` tells.

    Raises GenomeBuildError, FrequencyFileError, SampleSheetError, PolicyError; the first file's
    error where no scoring file is usable.
    """
    known = _genotype_build(request, cohort, stated)
    with _digests(request) as digests:
        chain = open_chain(request.chain) if request.chain is not None else None
        files, refused = usable_scoring_files(request.scoring_files, known, chain)
    frequencies = read_frequencies(request.frequencies) if request.frequencies else None
    evidence = known or _evidence_of_scores(files)
    inputs = Inputs(
        cohort=cohort,
        policy=policy_for(
            request.compat,
            n_samples=len(cohort.samples),
            has_frequencies=frequencies is not None,
            overrides=request.overrides,
        ),
        build_evidence=evidence,
        files=files,
        refused=refused,
        frequencies=frequencies,
        reference_fasta=_reference_fasta(request, evidence),
        callable_regions=read_callable_regions(request.callable_bed)
        if request.callable_bed
        else None,
        sex_sheet=read_sample_sheet(request.samples) if request.samples else stated_sexes(cohort),
        sha256=digests | {file.source: file.sha256 for file in files},
    )
    _require_evidence(request, inputs)
    return inputs


def _require_evidence(request: CohortScoring, inputs: Inputs) -> None:
    """Whoever counts absent sites says why, and has what it takes. Raises PolicyError."""
    absent = inputs.policy.absent
    is_given = request.assume_reference or request.callable_bed is not None
    is_by_rsid = inputs.policy.match_by is MatchBy.RSID
    checks = {
        Absent.UNMATCHED: (),
        Absent.REFERENCE: _needs_of_reference(request, inputs),
        Absent.MISSING: _needs_of_missing(inputs),
    }
    for is_wrong, what, fix in (
        (
            is_given and absent is not Absent.REFERENCE,
            "callable regions, or the statement that absent sites are reference, change "
            f"nothing under the policy absent={absent}.",
            "Add --policy absent=reference, or leave them out.",
        ),
        (
            is_by_rsid and absent is not Absent.UNMATCHED,
            f"absent={absent} needs positions, and rows are matched by rsID.",
            "Leave out match_by=rsid.",
        ),
        *checks[absent],
    ):
        if is_wrong:
            raise PolicyError(what, fix=fix)


_Need = tuple[bool, str, str]
"""Whether it is not met, what is wrong, the fix."""


def _needs_of_reference(request: CohortScoring, inputs: Inputs) -> tuple[_Need, ...]:
    is_given = request.assume_reference or request.callable_bed is not None
    is_gvcf = has_reference_blocks(inputs.cohort)
    names_ref = inputs.frequencies is not None and inputs.frequencies.names_ref
    return (
        (
            is_gvcf and request.assume_reference,
            "a gVCF says itself where it is reference; what it leaves out was not called.",
            "Leave out --assume-reference-at-absent-sites.",
        ),
        (
            not is_given and not is_gvcf,
            "nothing says that absent sites are reference and not just unseen.",
            "Give --callable-bed, or state it with --assume-reference-at-absent-sites.",
        ),
        (
            inputs.reference_fasta is None and not names_ref,
            "nothing says which allele is REF at absent sites.",
            "Give --reference-fasta, or --frequencies with a REF column.",
        ),
    )


def _needs_of_missing(inputs: Inputs) -> tuple[_Need, ...]:
    missing = inputs.policy.missing
    return (
        (
            missing not in (Missing.MEAN_EXTERNAL, Missing.ZERO),
            f"missing={missing} has no number for sites that nobody was called at.",
            "Add --missing mean_external (with --frequencies, or a frequency column in the scoring "
            "file), or --missing zero.",
        ),
    )


def _reference_fasta(request: CohortScoring, build: BuildEvidence | None) -> ReferenceFasta | None:
    if request.reference_fasta is None:
        return None
    fasta = open_reference_fasta(str(request.reference_fasta))
    if build is not None and fasta.build is not None and fasta.build is not build.build:
        raise GenomeBuildError(
            f"the reference FASTA is {fasta.build}, the genotypes are on {build}.",
            where=Where(str(request.reference_fasta)),
            fix=f"Give a FASTA of {build.build}.",
        )
    return fasta


def _genotype_build(
    request: CohortScoring, cohort: Cohort[GenotypeShard], stated: BuildEvidence | None
) -> BuildEvidence | None:
    if request.build is None:
        return stated
    if stated is not None and stated.build is not request.build:
        raise GenomeBuildError(
            f"--build says {request.build}, the genotypes are on {stated}.",
            where=Where(cohort.files[0].uri),
            fix="Leave --build out, or give the build that the positions are on.",
        )
    return BuildEvidence(request.build, BuildSource.OPTION, "stated on the command line")


def usable_scoring_files(
    paths: Sequence[Path], build: BuildEvidence | None, chain: Chain | None = None
) -> tuple[tuple[ScoringFile, ...], dict[str, UserError]]:
    """The usable files, and the error of each file that is not; files of another build than the
    genotypes' are lifted over where there is a chain."""
    files: dict[str, ScoringFile] = {}
    refused: dict[str, UserError] = {}
    shared = SharedColumns()
    with ThreadPoolExecutor(max_workers=len(os.sched_getaffinity(0))) as threads:
        read = threads.map(partial(_scores, build=build, chain=chain), paths)
        for path, scores in zip(paths, read, strict=True):
            if isinstance(scores, UserError):
                refused[str(path)] = scores
                continue
            for file in scores:
                _require_new_accession(file, files)
                files[file.accession] = replace(file, rows=shared.of(file.rows))
    if not files:
        raise next(iter(refused.values()))
    if build is None:
        _require_one_build(files.values())
    return tuple(files.values()), refused


def _scores(
    path: Path, build: BuildEvidence | None, chain: Chain | None
) -> tuple[ScoringFile, ...] | UserError:
    """The scores of a file, or why it cannot be used."""
    try:
        files = read_scoring_files(path)
        return tuple(_on_build(file, build, chain) for file in files)
    except (ScoringFileError, GenomeBuildError) as error:
        return error


def _on_build(file: ScoringFile, build: BuildEvidence | None, chain: Chain | None) -> ScoringFile:
    """The file on the build of the genotypes, where both are known."""
    if build is None or file.build is None or file.build is build.build:
        return file
    if chain is None:
        raise GenomeBuildError(
            f"the header of the scoring file says {file.build}, the genotypes are on {build}.",
            where=Where(file.source),
            fix=f"Use the score's {build.build} version (harmonised files exist for both builds), "
            f"or give --chain with a chain file that leads from {file.build} to {build.build}.",
        )
    return lift_over(file, chain)


def _require_new_accession(file: ScoringFile, files: Mapping[str, ScoringFile]) -> None:
    if file.accession in files:
        raise ScoringFileError(
            f"accession {file.accession} is also that of {files[file.accession].source}.",
            where=Where(file.source),
            fix="Give each file its own pgs_id or, where it has no header, its own name.",
        )


def _require_one_build(files: Collection[ScoringFile]) -> None:
    """Genotypes of unknown build take the scoring files' word, which must then be one word."""
    builds = {file.build: file.source for file in files if file.build is not None}
    if len(builds) > 1:
        named = ", ".join(f"{source} on {build}" for build, source in builds.items())
        raise GenomeBuildError(
            f"the genotypes do not say their build and the scoring files differ: {named}.",
            fix="Give --build.",
        )


def _evidence_of_scores(files: Sequence[ScoringFile]) -> BuildEvidence | None:
    known = ((file.build, f"{file.accession} is on it") for file in files)
    return next(
        (BuildEvidence(build, BuildSource.SCORING_FILES, words) for build, words in known if build),
        None,
    )


@contextmanager
def _digests(request: CohortScoring) -> Iterator[dict[str, str]]:
    """Digests by URI or path of what is not a scoring file, complete when the context is left.

    Hashing releases the GIL, so several files are hashed side by side, and beside other work.
    """
    directories = request.block_directories
    cache = DigestCache(directories.folder) if directories is not None else None
    contents = [(uri, content_uris(uri, s3=request.s3)) for uri in request.genotypes]
    contents += [(table, (table,)) for table in map(str, request.tables.values())]
    digests: dict[str, str] = {}
    with ThreadPoolExecutor(max_workers=4) as threads:
        digest = partial(sha256_of_all, s3=request.s3, cache=cache)
        hashing = threads.map(digest, (uris for _, uris in contents))
        yield digests
        digests |= zip((uri for uri, _ in contents), hashing, strict=True)
