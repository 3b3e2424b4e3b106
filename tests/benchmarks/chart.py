"""The scaling curves as an SVG: wall seconds against size, both axes logarithmic, a panel per axis.

Drawn here, because a plotting library is a larger dependency than these lines.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from tests.benchmarks.results import Found

_WIDTH, _HEIGHT = 260, 220
_LEFT, _TOP, _BOTTOM, _GAP = 56, 36, 70, 34
_COLOURS = ("#0b6e4f", "#c8553d", "#3d5a80", "#8a6d3b")
_SIZE_OF_AXIS = {
    "by samples": "n_samples",
    "by variants": "n_variants",
    "by scores": "n_scores",
    "by workers": "n_workers",
}

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Scale:
    """From a value to pixels: whole decades from `low` to `high` (exponents) fill `pixels`."""

    low: int
    high: int
    start: float
    pixels: float

    @classmethod
    def over(cls, values: Sequence[float], start: float, pixels: float) -> "Scale":
        low, high = floor(log10(min(values))), ceil(log10(max(values)))
        return cls(low, max(high, low + 1), start, pixels)

    def at(self, value: float) -> float:
        return self.start + self.pixels * (log10(value) - self.low) / (self.high - self.low)

    @property
    def decades(self) -> list[float]:
        return [10.0**exponent for exponent in range(self.low, self.high + 1)]


def scaling_svg(rows: Sequence[Found]) -> str:
    """One panel per axis of `rows` that was measured, one line per program."""
    measured = [found for found in rows if found.timings]
    axes = list(dict.fromkeys(found.row for found in measured))
    seconds = [timing.wall_seconds for found in measured for timing in found.timings]
    programs = list(dict.fromkeys(t.program for found in measured for t in found.timings))
    width = _LEFT + len(axes) * (_WIDTH + _GAP)
    height = _TOP + _HEIGHT + _BOTTOM
    y = Scale.over(seconds or [1.0], _TOP + _HEIGHT, -_HEIGHT)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for number, axis in enumerate(axes):
        left = _LEFT + number * (_WIDTH + _GAP)
        lines += _panel([found for found in measured if found.row == axis], axis, left, y, programs)
    lines += _legend(programs, height)
    return "\n".join([*lines, "</svg>", ""])


def _panel(
    rows: Sequence[Found], axis: str, left: float, y: Scale, programs: Sequence[str]
) -> Iterator[str]:
    sizes = [found.facts[_SIZE_OF_AXIS[axis]] for found in rows]
    x = Scale.over(sizes, left, _WIDTH)
    yield _text(left + _WIDTH / 2, _TOP - 14, f"wall seconds {axis}", "middle")
    yield from _grid(x, y, left)
    for colour, program in zip(_COLOURS, programs, strict=False):
        points = sorted(
            (size, timing.wall_seconds)
            for size, found in zip(sizes, rows, strict=True)
            for timing in found.timings
            if timing.program == program
        )
        yield from _line([(x.at(size), y.at(wall)) for size, wall in points], colour)


def _grid(x: Scale, y: Scale, left: float) -> Iterator[str]:
    bottom = _TOP + _HEIGHT
    for value in x.decades:
        yield _rule(x.at(value), _TOP, x.at(value), bottom)
        yield _text(x.at(value), bottom + 16, f"{value:,.0f}", "middle")
    for value in y.decades:
        yield _rule(left, y.at(value), left + _WIDTH, y.at(value))
        yield _text(left - 6, y.at(value) + 4, f"{value:g}", "end")


def _line(points: Sequence[Point], colour: str) -> Iterator[str]:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
    for x, y in points:
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>'


def _legend(programs: Sequence[str], height: float) -> Iterator[str]:
    for number, (colour, program) in enumerate(zip(_COLOURS, programs, strict=False)):
        left = _LEFT + 170 * number
        yield f'<rect x="{left}" y="{height - 24}" width="12" height="12" fill="{colour}"/>'
        yield _text(left + 18, height - 14, program, "start")


def _rule(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#ddd"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'
