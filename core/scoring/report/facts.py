"""The facts of a report, gathered from a folder of complete results."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.genotypes.reference_calls import ReferenceCalls
from core.scoring.policy import ScoringPolicy
from core.scoring.report import words
from core.scoring.report.command import TABLES, chosen_fields, command_line
from core.scoring.report.quality import GenotypeQuality
from core.scoring.report.schema import (
    NOTICE,
    SCHEMA,
    InputFile,
    MissingCalls,
    PolicyField,
    Refusal,
    Report,
    Run,
)
from core.scoring.report.score_facts import COUNTED, LISTED, lists_samples, score_report
from core.scoring.report.tables import count_fates, lines_of_scores
from core.scoring.results import MATCHES, SCORES, SUMMARY


def report_of(folder: Path, looked: ReferenceCalls | None, quality: GenotypeQuality) -> Report:
    """Of the results in `folder`; `looked` and `quality` are about the genotypes.

    Held at once are some row groups of each table, and the lines of one score.
    """
    summary: dict[str, Any] = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
    fates = count_fates(folder / MATCHES)
    columns = LISTED if lists_samples(summary) else COUNTED
    lines = lines_of_scores(folder / SCORES, columns, summary["n_samples"])
    return {
        "schema": SCHEMA,
        "notice": NOTICE,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "run": _run(summary),
        "scores": [
            score_report(name, summary, fates[name], table, looked) for name, table in lines
        ],
        "refused_scoring_files": _refusals(summary["refused_scoring_files"]),
        "missing_calls": _missing_calls(summary),
        "policy": _policy(summary),
        "inputs": list(_inputs(summary)),
        "genotypes": quality.facts,
        "quality_samples": quality.samples,
        "quality_missing": quality.missing,
    }


def _run(summary: Mapping[str, Any]) -> Run:
    return {
        "n_samples": summary["n_samples"],
        "n_records": summary["n_records"],
        "build": summary["build"],
        "build_source": summary["build_source"],
        "build_evidence": summary["build_evidence"],
        "genotype_field": summary["genotype_field"],
        "compat": summary["compat"],
        "executor": summary["executor"],
        "seconds": summary["seconds"],
        "command": command_line(summary),
        "versions": summary["versions"],
    }


def _refusals(refused: Mapping[str, Mapping[str, Any]]) -> list[Refusal]:
    return [
        {
            "file": file,
            "code": error["code"],
            "what": error["what"],
            "line": error.get("line"),
            "field": error.get("field"),
            "fix": error.get("fix"),
        }
        for file, error in refused.items()
    ]


def _missing_calls(summary: Mapping[str, Any]) -> MissingCalls:
    policy = summary["policy"]["missing"]
    return {
        "policy": policy,
        "frequency_source": summary["frequency_source"],
        "meaning": words.MISSING_SENTENCES[policy],
    }


def _policy(summary: Mapping[str, Any]) -> list[PolicyField]:
    """Every field, as it was for this run."""
    defaults, chosen = ScoringPolicy().as_dict(), chosen_fields(summary)
    fields: list[PolicyField] = []
    for name, value in summary["policy"].items():
        preset = "default" if value == defaults[name] else summary["compat"]
        fields.append(
            {
                "field": name,
                "value": value,
                "default": defaults[name],
                "origin": "chosen" if name in chosen else preset,
                "meaning": words.POLICY_SENTENCES.get(name, ""),
            }
        )
    return fields


def _inputs(summary: Mapping[str, Any]) -> Iterator[InputFile]:
    for entry in summary["genotypes"]:
        yield {"role": "genotypes", "name": entry["uri"], "sha256": entry["sha256"]}
    files = [facts["scoring_file"] for facts in summary["scores"].values()]
    for name, sha256 in {file["uri"]: file["sha256"] for file in files}.items():
        yield {"role": "scoring file", "name": name, "sha256": sha256}
    for name in TABLES:
        table = summary.get(name)
        if table is not None:
            role = name.replace("_", " ")
            yield {"role": role, "name": table["uri"], "sha256": table["sha256"]}
