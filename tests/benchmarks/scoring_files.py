"""Scores over a cohort's variants, in the notation of each program: one file with a column per
score for every program, and one file per score for the service.

A row's weights are drawn from its score's number, so that 10 scores are the first 10 of 100.
"""

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tests.benchmarks.cohorts import CONTIG, Cohort, Sites

_REF_EFFECT_SHARE = 0.2
_WEIGHT_SD = 0.05
_MILLIONTHS = 1_000_000
_LAYOUT = "one by one and together"
"""Of the files; those of another one, from an earlier version, are made anew."""

Text = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class ScoreSet:
    """`n_scores` scores, all over the same `n_variants` (None: all) records with one ALT."""

    name: str
    n_scores: int = 1
    n_variants: int | None = None
    seed: int = 7

    def accession(self, number: int) -> str:
        return f"BENCH{number + 1:06d}"


@dataclass(frozen=True, slots=True)
class Scores:
    """A score set for one cohort, on disk: `ours` one by one, and all of them `together` in a file.
    `weight_norm` is the largest root of Σ weight²."""

    set: ScoreSet
    ours: tuple[Path, ...]
    together: Path
    plink: Path
    gnomon: Path
    n_variants: int
    weight_norm: float


def prepare_scores(cohort: Cohort, score_set: ScoreSet, folder: Path) -> Scores:
    """The files of `score_set` under `folder`, made if they are not there yet."""
    home = folder / "scores" / cohort.folder.name / f"{score_set.name}-{score_set.seed}"
    facts = f"{asdict(score_set)}, {_LAYOUT}\n"
    sites = cohort.sites()
    rows = _chosen_rows(score_set, sites)
    names = [home / "ours" / f"{score_set.accession(n)}.txt" for n in range(score_set.n_scores)]
    norm = _WEIGHT_SD * len(rows) ** 0.5
    together, plink, gnomon = (home / f"{name}.tsv" for name in ("together", "plink", "gnomon"))
    scores = Scores(score_set, tuple(names), together, plink, gnomon, len(rows), norm)
    complete = home / "complete"
    if not complete.exists() or complete.read_text() != facts:
        shutil.rmtree(home, ignore_errors=True)
        (home / "ours").mkdir(parents=True)
        _write(scores, sites, rows)
        complete.write_text(facts)
    return scores


def _chosen_rows(score_set: ScoreSet, sites: Sites) -> npt.NDArray[np.int64]:
    rows = np.flatnonzero(sites.alt2 == "")
    if score_set.n_variants is None or score_set.n_variants >= len(rows):
        return rows
    rng = np.random.default_rng([score_set.seed, 0])
    return np.sort(rng.choice(rows, score_set.n_variants, replace=False))


def _write(scores: Scores, sites: Sites, rows: npt.NDArray[np.int64]) -> None:
    rng = np.random.default_rng([scores.set.seed, 1])
    is_ref = rng.random(len(rows)) < _REF_EFFECT_SHARE
    ref, alt = _letters(sites.ref[rows]), _letters(sites.alt[rows])
    alleles = np.where(is_ref, ref, alt), np.where(is_ref, alt, ref)
    names = _columns("rs", _digits(sites.id_number[rows], 9))
    places = _digits(sites.position[rows], 8)
    weights = [_weights(scores.set, number, len(rows)) for number in range(scores.set.n_scores)]
    start = _columns(names, f"\t{CONTIG}\t", places, *_tabbed(alleles))
    _write_ours(scores, weights, start)
    accessions = [scores.set.accession(number) for number in range(scores.set.n_scores)]
    header = "\t".join(accessions)
    columns = "\t".join(f"effect_weight_{accession}" for accession in accessions)
    _write_table(
        scores.together,
        "#genome_build=GRCh37\n"
        f"rsID\tchr_name\tchr_position\teffect_allele\tother_allele\t{columns}\n",
        start,
        weights,
    )
    _write_table(
        scores.plink, f"ID\teffect_allele\t{header}\n", _columns(names, "\t", alleles[0]), weights
    )
    _write_table(
        scores.gnomon,
        f"variant_id\teffect_allele\tother_allele\t{header}\n",
        _columns(f"{CONTIG}:", places, *_tabbed(alleles)),
        weights,
    )


def _weights(score_set: ScoreSet, number: int, n: int) -> Text:
    """(n, 9) of sign, 0, dot and six decimals."""
    rng = np.random.default_rng([score_set.seed, 2, number])
    drawn = np.rint(rng.normal(0, _WEIGHT_SD * _MILLIONTHS, n)).astype(np.int64)
    sign = np.where(drawn < 0, ord("-"), ord("+")).astype(np.uint8)
    return _columns(sign, "0.", _digits(np.abs(drawn), 6))


def _write_ours(scores: Scores, weights: list[Text], start: Text) -> None:
    body = _columns(start, "\t", weights[0], "\n")
    for number, path in enumerate(scores.ours):
        body[:, -10:-1] = weights[number]
        header = (
            "###PGS CATALOG SCORING FILE\n#format_version=2.0\n"
            f"#pgs_id={scores.set.accession(number)}\n#genome_build=GRCh37\n"
            "rsID\tchr_name\tchr_position\teffect_allele\tother_allele\teffect_weight\n"
        )
        path.write_bytes(header.encode() + body.tobytes())


def _write_table(path: Path, header: str, start: Text, weights: list[Text]) -> None:
    tabbed = (part for weight in weights for part in ("\t", weight))
    path.write_bytes(header.encode() + _columns(start, *tabbed, "\n").tobytes())


def _tabbed(columns: tuple[Text, ...]) -> list[str | Text]:
    return [part for column in columns for part in ("\t", column)]


def _columns(*parts: str | Text) -> Text:
    """Rows of characters, side by side; a str is the same in each row."""
    n = next(len(part) for part in parts if not isinstance(part, str))
    return np.concatenate([_column(part, n) for part in parts], axis=1)


def _column(part: str | Text, n: int) -> Text:
    if isinstance(part, str):
        letters = np.frombuffer(part.encode(), np.uint8)
        return np.broadcast_to(letters, (n, len(letters)))
    return part.reshape(n, -1)


def _letters(bases: npt.NDArray[np.str_]) -> Text:
    return np.frombuffer(bases.astype("S1").tobytes(), np.uint8)


def _digits(numbers: npt.NDArray[np.int64], n_digits: int) -> Text:
    powers = 10 ** np.arange(n_digits)[::-1]
    return (numbers[:, None] // powers % 10 + ord("0")).astype(np.uint8)
