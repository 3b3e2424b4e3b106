"""The page of a report: one file of HTML that asks nothing of a network and runs no script.

Everything is escaped by the template. Each number of the report stands in a `<data value="…">`
element in full, whatever rounding is shown.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import jinja2

from core.scoring.report.distribution import Histogram
from core.scoring.report.plots import (
    MAX_BARS,
    MAX_PLOTTED_SCORES,
    Panel,
    histograms_plot,
    rows_by_status,
)
from core.scoring.report.schema import CONTENT_POLICY, Report, ScoreReport


def page_of(report: Report) -> str:
    """report.html"""
    facts = list(_facts_in(report["genotypes"] or {}))
    return _template().render(
        report=report,
        content_policy=CONTENT_POLICY,
        genotype_numbers=[
            fact for fact in facts if fact.histogram is None and fact.label != _NOBODY
        ],
        quality_panels=[
            Panel(fact.histogram, fact.label, fact.counted) for fact in facts if fact.histogram
        ],
    )


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"shown": _shown, "percent": _percent}
    environment.globals |= {
        "histograms_plot": histograms_plot,
        "score_panels": _score_panels,
        "rows_by_status": rows_by_status,
        "max_bars": MAX_BARS,
        "max_plotted": MAX_PLOTTED_SCORES,
    }
    return environment.get_template("page.html.jinja")


def _shown(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:.6g}"


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _score_panels(score: ScoreReport) -> list[Panel]:
    """Of what has a histogram."""
    spread = (("sum", score["sums"]), ("missing calls", score["missing_calls"]))
    return [
        Panel(histogram, values, "samples")
        for values, distribution in spread
        if distribution is not None and (histogram := distribution["histogram"]) is not None
    ]


class GenotypeFact(NamedTuple):
    """One fact about the genotype file, under the names that lead to it; of a histogram, what it
    counts."""

    label: str
    value: str | float | None
    histogram: Histogram | None = None
    counted: str = ""


_HISTOGRAMS: Mapping[tuple[str, ...], tuple[str, str]] = {
    ("quality", "samples", "call_rate"): ("call rate of samples", "samples"),
    ("quality", "samples", "het_hom_ratio"): ("het / hom alternative SNVs", "samples"),
    ("quality", "samples", "heterozygosity_f"): ("F (too few heterozygotes: > 0)", "samples"),
    ("quality", "variants", "call_rate"): ("call rate of records", "records"),
    ("quality", "variants", "allele_frequency"): ("frequency of ALT", "ALT alleles"),
    ("quality", "variants", "hwe_p"): ("p of Hardy-Weinberg equilibrium", "records"),
    ("quality", "variants", "r2"): ("r² of imputed dosages", "ALT alleles"),
}
"""What the values are, and what is counted."""


_LABELS = {
    "n_variants": "variant records",
    "n_multiallelic": "records with several alternative alleles",
    "ti_tv": "transitions / transversions",
    "het_hom_ratio": "heterozygous / homozygous alternative",
    "quality": "",
}
_NOBODY = "person"
"""The label of `person` where that is null: of a cohort."""


def _facts_in(facts: Mapping[str, Any], of: tuple[str, ...] = ()) -> Iterator[GenotypeFact]:
    """The leaves of a JSON object, but no lists other than those of a histogram or of quantiles."""
    for name, value in facts.items():
        path = (*of, name)
        label = ", ".join(filter(None, (_LABELS.get(n, n.replace("_", " ")) for n in path)))
        if not isinstance(value, Mapping):
            if not isinstance(value, list):
                yield GenotypeFact(label, value)
        elif value.keys() >= {"edges", "counts"}:
            values, counted = _HISTOGRAMS.get(path, (label, "count"))
            histogram: Histogram = {"edges": value["edges"], "counts": value["counts"]}
            yield GenotypeFact(values, None, histogram, counted)
            if "n_undefined" in value:
                yield GenotypeFact(f"{values}, undefined", value["n_undefined"])
        elif value.keys() >= {"shares", "values"}:
            for share, quantile in zip(value["shares"], value["values"] or [], strict=False):
                yield GenotypeFact(f"{label}, quantile {share:g}", quantile)
        else:
            yield from _facts_in(value, path)
