"""report.json and report.html, written beside the results that they tell of."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.genotypes.reference_calls import ReferenceCalls
from core.scoring.report.facts import report_of
from core.scoring.report.page import page_of
from core.scoring.report.quality import GenotypeQuality
from core.scoring.results import REPORT_JSON, REPORT_PAGE, write_text


def write_report(folder: Path, looked: ReferenceCalls | None, quality: GenotypeQuality) -> None:
    """Of the complete results in `folder`; `looked` is what the genotypes were looked at for,
    `quality` is theirs. Neither file is ever half-written."""
    report: Any = _sayable(report_of(folder, looked, quality))
    write_text(folder / REPORT_JSON, json.dumps(report, indent=2, allow_nan=False) + "\n")
    write_text(folder / REPORT_PAGE, page_of(report))


def _sayable(facts: Any) -> Any:
    """The same JSON with null for what is no finite number: weights near the limits of a float
    overflow where they are added up."""
    if isinstance(facts, Mapping):
        return {name: _sayable(fact) for name, fact in facts.items()}
    if isinstance(facts, list | tuple):
        return [_sayable(fact) for fact in facts]
    return None if isinstance(facts, float) and not math.isfinite(facts) else facts
