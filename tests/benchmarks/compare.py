"""`make bench`: measure every goal beside the peers, on generated cohorts, and write the results.

The sums of two programs are compared before their times are believed; a difference ends the run.
Programs take turns. A new goal is a row in rows.py, a new peer a program in programs.py; cohorts
are kept under .bench/ for the next run.
"""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from tests.benchmarks.chart import scaling_svg
from tests.benchmarks.measure import CommandFailedError
from tests.benchmarks.race import Bench, refused, say
from tests.benchmarks.report import Report, as_json, as_markdown
from tests.benchmarks.results import Found, NotAvailableError
from tests.benchmarks.rows import NOT_QUICK, all_rows
from tests.benchmarks.scaling_rows import scaling_rows, worker_points
from tests.benchmarks.shapes import FULL, QUICK
from tests.benchmarks.waiting import Row

SCRATCH = Path(".bench")
RESULTS = Path("tests/benchmarks")


def measure(
    rows: Sequence[Row], bench: Bench, left_out: Mapping[str, str] = MappingProxyType({})
) -> list[Found]:
    """Every row, or why it has no numbers. Raises DisagreementError where sums differ.

    `left_out` maps rows that are not to run to the reason, which the table gives.
    """
    return [
        refused(row.row, row.what, row.goal, left_out[row.row])
        if row.row in left_out
        else _measured(row, bench)
        for row in rows
    ]


def _measured(row: Row, bench: Bench) -> Found:
    started = time.perf_counter()
    try:
        found = row.measure(bench)
    except NotAvailableError as why:
        return refused(row.row, row.what, row.goal, str(why))
    except CommandFailedError as error:
        return refused(row.row, row.what, row.goal, f"it failed: {error.in_one_line}")
    except (OSError, RuntimeError, AssertionError, TimeoutError) as error:
        return refused(row.row, row.what, row.goal, f"it failed: {_last_line(error)}")
    say(f"{row.row}: done after {time.perf_counter() - started:.0f} s")
    return replace(found, facts={**found.facts, "seconds": time.perf_counter() - started})


def _last_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[-1]


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.compare",
        description="Measure the speed goals beside plink2, gnomon, bcftools and cyvcf2.",
        epilog="example: make bench BENCH='--row dense --row minimac --rounds 3'",
    )
    names = [row.row for row in all_rows(FULL, SCRATCH)]
    add = parser.add_argument
    add("--quick", action="store_true", help="small cohorts, three rounds, nothing written")
    add("--rounds", type=int, help="timed runs of each program (5; 3 with --quick)")
    add("--row", action="append", choices=[*names, "scaling"], help="only this row", metavar="ROW")
    add("--skip", action="append", choices=names, default=[], help="not this row", metavar="ROW")
    add("--list", action="store_true", help="the names of the rows, and nothing else")
    add("--output", choices=["text", "json"], default="text", help="how to print the results")
    add("--results", type=Path, help="folder for RESULTS.md, results.json and scaling.svg")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Returns 0 when all was measured; a goal that is not met is a finding, not a failure."""
    options = _arguments(words)
    shapes = QUICK if options.quick else FULL
    rows = all_rows(shapes, SCRATCH / "peers")
    if options.list:
        sys.stdout.writelines(f"{row.row:16} {row.what}: {row.goal}\n" for row in rows)
        return 0
    wanted = options.row or [*(row.row for row in rows), *([] if options.quick else ["scaling"])]
    bench = Bench(SCRATCH, options.rounds or (3 if options.quick else 5))
    started = time.perf_counter()
    left_out = dict.fromkeys(options.skip, "left out of this run")
    if options.quick and not options.row:
        left_out |= dict.fromkeys(NOT_QUICK, "left to `make bench`")
    found = measure([row for row in rows if row.row in wanted], bench, left_out)
    scaling = measure(scaling_rows(shapes), bench) if "scaling" in wanted else []
    scaling += worker_points(found)
    report = Report(
        found, scaling, bench.rounds, time.perf_counter() - started, is_quick=options.quick
    )
    folder = options.results or (None if options.quick or options.row else RESULTS)
    if folder is not None:
        _write(report, folder)
    sys.stdout.write(as_json(report) if options.output == "json" else as_markdown(report))
    return 0


def _write(report: Report, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "RESULTS.md").write_text(as_markdown(report))
    (folder / "results.json").write_text(as_json(report))
    if report.scaling:
        (folder / "scaling.svg").write_text(scaling_svg(report.scaling))


if __name__ == "__main__":
    sys.exit(main())
