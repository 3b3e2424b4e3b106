"""The facts about one score: where it comes from, what became of its rows, how its sums lie."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.genotypes.reference_calls import ReferenceCalls
from core.scoring.coverage import MANY_ABSENT
from core.scoring.matching import Reason, Status
from core.scoring.report import words
from core.scoring.report.distribution import Distribution, distribution_of
from core.scoring.report.schema import (
    AbsentSites,
    Fate,
    SampleLine,
    ScoreReport,
    ScoreSource,
    StatusCount,
    SumRange,
)
from core.scoring.report.tables import FateCount
from core.scoring.scores import ScoreStatus

MAX_LISTED_SAMPLES = 100
MAX_LISTED_LINES = 5_000
"""Samples times scores."""

COUNTED = ("score_sum", "n_missing", "status")
LISTED = tuple(SampleLine.__annotations__)

_MIN_RECORDS = 100
_VARIANTS_ONLY = 0.01
"""Of at least that many records, at most this share has no ALT in a file that lists variants only;
where reference calls are listed, most records of one person have none."""

_DOI = re.compile(r"\b10\.\d{4,9}/[^\s\"<>]+")
_CATALOG_ACCESSION = re.compile(r"PGS\d{6}")
_Outcome = tuple[str, str | None]
"""Status and reason."""

_STATUS_ORDER = tuple(Status)
_SUMMED = pa.array([ScoreStatus.OK, ScoreStatus.BELOW_MIN_OVERLAP], pa.string())


def lists_samples(summary: Mapping[str, Any]) -> bool:
    n_samples = summary["n_samples"]
    n_lines = n_samples * len(summary["scores"])
    return n_samples <= MAX_LISTED_SAMPLES and n_lines <= MAX_LISTED_LINES


def score_report(
    accession: str,
    summary: Mapping[str, Any],
    counts: Sequence[FateCount],
    lines: pa.Table,
    looked: ReferenceCalls | None,
) -> ScoreReport:
    """`counts` of its rows; `lines` of all samples, with the columns of SampleLine where
    `lists_samples`, else COUNTED."""
    facts = summary["scores"][accession]
    return {
        "accession": accession,
        **_source(accession, facts["metadata"]),
        "build": facts["build"],
        "status": facts["status"],
        "status_label": words.STATUS_LABELS[facts["status"]],
        "status_meaning": words.STATUS_SENTENCES[facts["status"]],
        "n_rows": facts["n_rows"],
        "n_matched": facts["n_matched"],
        "n_excluded": facts["n_excluded"],
        "n_unmatched": facts["n_unmatched"],
        "n_flipped": sum(count.n_rows for count in counts if _is_flipped(count)),
        "n_from_reference": facts["n_from_reference"],
        "n_from_blocks": sum(count.n_rows for count in counts if _is_from_block(count)),
        "n_assumed_reference": facts["n_assumed_reference"],
        "n_imputed_absent": facts["n_imputed_absent"],
        "coverage": facts["coverage"],
        "weight_coverage": facts["weight_coverage"],
        "fates": _fates(counts),
        "absent_sites": _absent_sites(counts, looked, n_samples=len(lines)),
        "samples_by_status": _samples_by_status(lines),
        "sums": _sums(lines),
        "missing_calls": _missing(lines, n_matched=facts["n_matched"]),
        "samples": lines.to_pylist() if lists_samples(summary) else None,
    }


def _source(accession: str, metadata: Mapping[str, str]) -> ScoreSource:
    citation = metadata.get("citation") or None
    doi = _DOI.search(citation or "")
    is_catalog = _CATALOG_ACCESSION.fullmatch(accession) is not None
    return {
        "name": metadata.get("pgs_name") or None,
        "trait": metadata.get("trait_reported") or metadata.get("trait_mapped") or None,
        "citation": citation,
        "citation_url": f"https://doi.org/{quote(doi[0].rstrip('.,;)'))}" if doi else None,
        "catalog_url": f"https://www.pgscatalog.org/score/{accession}/" if is_catalog else None,
        "licence": metadata.get("license") or None,
        "weight_type": metadata.get("weight_type") or None,
    }


def _is_flipped(count: FateCount) -> bool:
    is_flip = count.match_type is not None and count.match_type.endswith("_flip")
    return is_flip and count.status == Status.MATCHED


def _is_from_block(count: FateCount) -> bool:
    is_block = count.match_type is not None and count.match_type.startswith("ref_block")
    return is_block and count.status == Status.MATCHED


def _fates(counts: Sequence[FateCount]) -> list[Fate]:
    """Matched first, then excluded, then unmatched; the most frequent first."""
    n_rows, weight = defaultdict[_Outcome, int](int), defaultdict[_Outcome, float](float)
    for count in counts:
        n_rows[count.status, count.reason] += count.n_rows
        weight[count.status, count.reason] += count.weight
    all_rows, all_weight = sum(n_rows.values()), sum(weight.values())
    return [
        {
            "status": status,
            "reason": reason,
            "n_rows": n,
            "share": n / all_rows,
            "weight_share": weight[status, reason] / all_weight if all_weight > 0 else 0.0,
            "meaning": words.MATCHED_SENTENCE if reason is None else _meaning(reason),
        }
        for (status, reason), n in sorted(n_rows.items(), key=_order_of_fates)
    ]


def _meaning(reason: str) -> str:
    return words.REASON_SENTENCES.get(reason, "")


def _order_of_fates(item: tuple[_Outcome, int]) -> tuple[int, int, str]:
    (status, reason), n = item
    return _STATUS_ORDER.index(Status(status)), -n, reason or ""


def _absent_sites(
    counts: Sequence[FateCount], looked: ReferenceCalls | None, *, n_samples: int
) -> AbsentSites | None:
    """None where few rows of the score are absent from the genotypes."""
    absent = [count for count in counts if count.reason == Reason.ABSENT_LOCUS]
    n_rows = sum(count.n_rows for count in absent)
    share = n_rows / sum(count.n_rows for count in counts)
    if share < MANY_ABSENT:
        return None
    kind = _kind_of_file(looked)
    return {
        "n_rows": n_rows,
        "share": share,
        "kind": kind,
        "n_records_looked_at": looked.n_records if looked else None,
        "n_records_without_alt": looked.n_without_alt if looked else None,
        "could_add": _could_add(absent),
        "meaning": words.ABSENT_SENTENCES[kind].format(
            who="the person carries" if n_samples == 1 else "everybody carries"
        ),
    }


def _kind_of_file(looked: ReferenceCalls | None) -> str:
    if looked is None:
        return words.NOT_LOOKED
    if looked.n_records < _MIN_RECORDS:
        return words.BELOW_EVIDENCE
    is_variants_only = looked.n_without_alt <= _VARIANTS_ONLY * looked.n_records
    return words.VARIANTS_ONLY if is_variants_only else words.LISTS_REFERENCE


def _could_add(absent: Sequence[FateCount]) -> SumRange | None:
    if any(count.n_without_weight for count in absent):
        return None
    return {
        "lowest": sum(count.lowest for count in absent),
        "highest": sum(count.highest for count in absent),
    }


def _samples_by_status(lines: pa.Table) -> list[StatusCount]:
    counts = Counter[str]()
    for pair in pc.value_counts(lines.column("status")).to_pylist():
        counts[pair["values"]] += pair["counts"]
    return [
        {
            "status": status,
            "label": words.STATUS_LABELS[status],
            "n_samples": n,
            "meaning": words.STATUS_SENTENCES[status],
        }
        for status, n in counts.most_common()
    ]


def _sums(lines: pa.Table) -> Distribution | None:
    """Of the samples whose sum is one: not those of the empty sum."""
    if len(lines) == 1:
        return None
    summed = pc.is_in(lines.column("status"), value_set=_SUMMED)
    return distribution_of(_numbers(lines.column("score_sum").filter(summed)))


def _missing(lines: pa.Table, *, n_matched: int) -> Distribution | None:
    if len(lines) == 1 or n_matched == 0:
        return None
    return distribution_of(_numbers(lines.column("n_missing")))


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    return column.combine_chunks().to_numpy(zero_copy_only=False)
