"""What summary.json says of a cohort scoring: what was read, by which rules, and what matched."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from typing import Any

import pyarrow as pa

from core.build_evidence import build_facts
from core.genotypes.array_text import ArrayTextFile
from core.genotypes.source import GenotypeFile
from core.scoring.coverage import Coverage
from core.scoring.policy import Missing
from core.scoring.reference_bases import reference_differences
from core.scoring.rows import ScoreRows
from core.scoring.scores import score_status
from jobs.run_shards import Executor
from jobs.scoring_inputs import TABLES, CohortScoring, Inputs


def summary_of(
    request: CohortScoring, inputs: Inputs, coverage: Sequence[Coverage], executor: Executor
) -> dict[str, object]:
    return {
        "research_use_only": True,
        "versions": _versions(),
        "genotypes": [_genotype_facts(file, inputs) for file in inputs.cohort.files],
        **{name: _table(name, request, inputs) for name in TABLES},
        "assume_reference": request.assume_reference,
        "n_samples": len(inputs.cohort.samples),
        **build_facts(inputs.build_evidence),
        "genotype_field": request.genotype_field,
        "compat": request.compat,
        "policy": inputs.policy.as_dict(),
        "frequency_source": _frequency_source(inputs),
        "executor": executor,
        "scores": _score_facts(inputs, coverage),
        "refused_scoring_files": {path: error.as_dict() for path, error in inputs.refused.items()},
    }


def reference_facts(
    request: CohortScoring, inputs: Inputs, rows: ScoreRows, matches: pa.Table
) -> dict[str, object] | None:
    """Who said which allele is REF where the genotypes do not, and whether it is what they say."""
    if not rows.patterns.ref_base.any():
        return None
    if any(isinstance(file, ArrayTextFile) for file in inputs.cohort.files):
        matches = matches.slice(0, 0)  # an array's ref is the person's own allele
    n_checked, n_differ = reference_differences(rows, matches)
    return {
        "source": str(request.reference_fasta or request.frequencies),
        "n_rows_checked": n_checked,
        "n_rows_with_another_ref": n_differ,
    }


def _genotype_facts(file: GenotypeFile[Any], inputs: Inputs) -> dict[str, object]:
    skipped = {"skipped": dict(file.skipped)} if isinstance(file, ArrayTextFile) else {}
    return {**_named(file.uri, inputs), **skipped}


def _table(name: str, request: CohortScoring, inputs: Inputs) -> dict[str, str] | None:
    path = request.tables.get(name)
    return _named(str(path), inputs) if path is not None else None


def _named(uri: str, inputs: Inputs) -> dict[str, str]:
    return {"uri": uri, "sha256": inputs.sha256[uri]}


def _frequency_source(inputs: Inputs) -> str | None:
    """Where the frequencies come from that missing calls are imputed with."""
    if inputs.policy.missing is Missing.MEAN_COHORT:
        return "this cohort"
    if inputs.policy.missing is not Missing.MEAN_EXTERNAL:
        return None
    column = "scoring file column allelefrequency_effect"
    return column if inputs.frequencies is None else f"{inputs.frequencies.source}, else {column}"


def _score_facts(inputs: Inputs, coverage: Sequence[Coverage]) -> dict[str, object]:
    return {
        file.accession: {
            "status": score_status(covered, inputs.policy),
            "scoring_file": {"uri": file.source, "sha256": file.sha256},
            "build": file.build,
            "liftover": asdict(file.lifted) if file.lifted is not None else None,
            "n_rows": covered.n_rows,
            "n_matched": covered.n_matched,
            "n_excluded": covered.n_excluded,
            "n_unmatched": covered.n_unmatched,
            "n_from_reference": covered.n_from_reference,
            "n_assumed_reference": covered.n_assumed,
            "n_imputed_absent": covered.n_imputed,
            "coverage_with_assumed": covered.count_with_assumed,
            "coverage": covered.count,
            "weight_coverage": covered.weight,
            "reasons": dict(covered.reasons),
            "metadata": dict(file.metadata),
        }
        for file, covered in zip(inputs.files, coverage, strict=True)
    }


@cache
def _versions() -> Mapping[str, str]:
    packages = ("curagenie", "numpy", "numba", "pyarrow", "ray")
    return {"python": platform.python_version()} | {name: version(name) for name in packages}


def speed_facts(n_records: int, n_samples: int, seconds: float) -> dict[str, object]:
    return {
        "n_records": n_records,
        "seconds": round(seconds, 3),
        "genotypes_per_second": round(n_records * n_samples / seconds),
    }
