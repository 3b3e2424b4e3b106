"""Histograms that add up: fixed edges, counts, and how many values there were none of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Histogram:
    """`counts[i]` values v have edges[i] <= v < edges[i + 1]; the last bin has its upper edge, too.
    Values beyond the edges are in the outermost bins. `n_undefined` were NaN."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    n_undefined: int = 0

    @classmethod
    def of(cls, edges: Sequence[float], values: npt.NDArray[np.float64]) -> "Histogram":
        """Ready for JSON; `edges` ascend."""
        known = values[~np.isnan(values)]
        bins = np.searchsorted(edges, known, side="right") - 1
        counts = np.bincount(np.clip(bins, 0, len(edges) - 2), minlength=len(edges) - 1)
        return cls(tuple(edges), tuple(counts.tolist()), len(values) - len(known))

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> "Histogram":
        """The inverse of dataclasses.asdict, from JSON."""
        return cls(tuple(facts["edges"]), tuple(facts["counts"]), facts["n_undefined"])

    def __add__(self, other: "Histogram") -> "Histogram":
        if self.edges != other.edges:
            raise ValueError("histograms with other edges do not add up")
        counts = zip(self.counts, other.counts, strict=True)
        return Histogram(
            self.edges, tuple(a + b for a, b in counts), self.n_undefined + other.n_undefined
        )
