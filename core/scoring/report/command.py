"""The command line that asks for the same run again."""

import shlex
from collections.abc import Mapping
from typing import Any

from core.scoring.policy import Compat, policy_for

TABLES = ("frequencies", "samples", "chain", "reference_fasta", "callable_bed")
"""What a run may read beside genotypes and scoring files, as its summary has it."""


def command_line(summary: Mapping[str, Any]) -> str:
    """Of the run that `summary` tells of; file names are those that its user knows."""
    words = ["python", "-m", "jobs.score_cohort"]
    words += ["--genotypes", *(_file(entry["uri"]) for entry in summary["genotypes"])]
    words += ["--scoring-file", *map(_file, _scoring_files(summary)), "--output", "results"]
    if summary["build_source"] == "--build":
        words += ["--build", summary["build"]]
    if summary["compat"] != Compat.DEFAULT:
        words += ["--compat", summary["compat"]]
    if summary["genotype_field"] != "auto":
        words += ["--genotype-field", summary["genotype_field"]]
    for name in TABLES:
        if summary.get(name) is not None:
            words += [f"--{name.replace('_', '-')}", _file(summary[name]["uri"])]
    if summary.get("assume_reference"):
        words.append("--assume-reference-at-absent-sites")
    for name, value in chosen_fields(summary).items():
        words += ["--policy", f"{name}={value}"]
    return shlex.join(words)


def chosen_fields(summary: Mapping[str, Any]) -> dict[str, str | float]:
    """The policy fields that differ from what the preset gives for these samples."""
    preset = preset_fields(summary)
    return {name: value for name, value in summary["policy"].items() if preset.get(name) != value}


def preset_fields(summary: Mapping[str, Any]) -> dict[str, str | float]:
    """The policy of the preset, as it is for these samples."""
    policy = policy_for(
        Compat(summary["compat"]),
        n_samples=summary["n_samples"],
        has_frequencies=summary["frequencies"] is not None,
    )
    return policy.as_dict()


def _scoring_files(summary: Mapping[str, Any]) -> list[str]:
    """Each once: a file may hold several scores."""
    used = [facts["scoring_file"]["uri"] for facts in summary["scores"].values()]
    return list(dict.fromkeys([*used, *summary["refused_scoring_files"]]))


def _file(name: str) -> str:
    """No name is taken for an option."""
    return f"./{name}" if name.startswith("-") else name
