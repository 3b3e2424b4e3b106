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
from core.scoring.report.plots import MAX_PLOTTED_SCORES, histogram_plot, rows_by_status
from core.scoring.report.schema import CONTENT_POLICY, Report


def page_of(report: Report) -> str:
    """report.html"""
    facts = list(_facts_in(report["genotypes"] or {}))
    return _template().render(
        report=report,
        content_policy=CONTENT_POLICY,
        genotype_numbers=[fact for fact in facts if fact.histogram is None],
        genotype_histograms=[fact for fact in facts if fact.histogram is not None],
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
        "histogram_plot": histogram_plot,
        "rows_by_status": rows_by_status,
        "max_plotted": MAX_PLOTTED_SCORES,
    }
    return environment.get_template("page.html.jinja")


def _shown(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:.6g}"


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


class GenotypeFact(NamedTuple):
    """One fact about the genotype file, under the names that lead to it."""

    label: str
    value: str | float | None
    histogram: Histogram | None


_LABELS = {
    "n_variants": "variant records",
    "n_multiallelic": "records with several alternative alleles",
    "ti_tv": "transitions / transversions",
    "het_hom_ratio": "heterozygous / homozygous alternative",
    "quality": "",
}


def _facts_in(facts: Mapping[str, Any], of: tuple[str, ...] = ()) -> Iterator[GenotypeFact]:
    """The leaves of a JSON object, but no lists other than those of a histogram or of quantiles."""
    for name, value in facts.items():
        path = (*of, _LABELS.get(name, name.replace("_", " ")))
        label = ", ".join(filter(None, path))
        if not isinstance(value, Mapping):
            if not isinstance(value, list):
                yield GenotypeFact(label, value, None)
        elif value.keys() >= {"edges", "counts"}:
            yield GenotypeFact(label, None, {"edges": value["edges"], "counts": value["counts"]})
            if "n_undefined" in value:
                yield GenotypeFact(f"{label}, undefined", value["n_undefined"], None)
        elif value.keys() >= {"shares", "values"}:
            for share, quantile in zip(value["shares"], value["values"] or [], strict=False):
                yield GenotypeFact(f"{label}, quantile {share:g}", quantile, None)
        else:
            yield from _facts_in(value, path)
