"""The command line `curagenie`: up, down, demo, scores. It only parses, calls and prints.

Exit codes: 0 done, 1 failed on our side, 2 wrong usage, data or settings, 130 interrupted.
"""

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from pydantic_core import to_jsonable_python
from rich.console import Console

from core.errors import CuraGenieError, InfrastructureError, UserError
from core.genome_build import GenomeBuild
from core.settings import load_settings
from serve.pid_file import held_pid_file, running_pid

app = typer.Typer(
    name="curagenie",
    help="CuraGenie: genotypes in, polygenic scores out, every step streamed.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

scores = typer.Typer(help="Scoring files: search the PGS Catalog, install, show.")
app.add_typer(scores, name="scores", no_args_is_help=True)

_PID_FILE = "curagenie.pid"
_STOP_SECONDS = 60.0
_INTERRUPTED = 130


class Output(StrEnum):
    TEXT = "text"
    JSON = "json"


OutputOption = Annotated[Output, typer.Option("--output", help="How to print the result.")]
DataDirOption = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Database, files and logs. [default: .curagenie]"),
]


@app.command(epilog="Example: curagenie up --port 8080")
def up(
    host: Annotated[str | None, typer.Option(help="Loopback only: there is no login.")] = None,
    port: Annotated[int | None, typer.Option(help="[default: 8000]")] = None,
    data_dir: DataDirOption = None,
    dashboard: Annotated[
        bool, typer.Option("--dashboard", help="Start the Ray dashboard too, on loopback.")
    ] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Start the embedded stack and stay in the foreground; Ctrl-C or `curagenie down` stops it."""
    console = Console(stderr=output is Output.JSON)
    with _reported(output):
        settings = load_settings(**_given(host=host, port=port, data_dir=data_dir))
        # It imports nothing of Ray until the environment for it stands.
        with held_pid_file(settings.data_dir / _PID_FILE), _stopped_by_signals(exit_code=0):
            from serve.stack import running_stack  # noqa: PLC0415 - `--help` answers at once

            console.print("Starting Ray and Serve …", style="dim")
            with running_stack(settings, dashboard=dashboard) as stack:
                _announce(console, output, stack.url, stack.dashboard_url)
                signal.pause()


def _announce(console: Console, output: Output, url: str, dashboard_url: str | None) -> None:
    if output is Output.JSON:
        _print_json(
            {"status": "up", "url": url, "dashboard_url": dashboard_url, "pid": os.getpid()}
        )
        return
    console.print(f"CuraGenie is up at {url}  (documents: {url}/docs)", soft_wrap=True)
    if dashboard_url is not None:
        console.print(f"Ray dashboard: {dashboard_url}")
    console.print("Stop it with Ctrl-C, or `curagenie down`.", style="dim")


@app.command(epilog="Example: curagenie down")
def down(data_dir: DataDirOption = None, output: OutputOption = Output.TEXT) -> None:
    """Stop the stack that `curagenie up` started on this data directory, and wait for its end."""
    with _reported(output):
        settings = load_settings(**_given(data_dir=data_dir))
        pid_file = settings.data_dir / _PID_FILE
        pid = running_pid(pid_file)
        if pid is None:
            _print_status(output, "not_running", "CuraGenie is not running here.")
            return
        os.kill(pid, signal.SIGTERM)
        _wait_for_the_end(pid_file, pid)
        _print_status(output, "stopped", f"CuraGenie has stopped (pid {pid}).")


def _wait_for_the_end(pid_file: Path, pid: int) -> None:
    ends = time.monotonic() + _STOP_SECONDS
    while running_pid(pid_file) is not None:
        if time.monotonic() > ends:
            raise InfrastructureError(
                f"process {pid} did not stop within {_STOP_SECONDS:.0f} s.",
                fix=f"See what it waits for, or end it with `kill -9 {pid}`.",
            )
        time.sleep(0.1)


@app.command(epilog="Example: curagenie demo --samples 50 --variants 2000")
def demo(
    samples: Annotated[int, typer.Option(min=1, max=5000, help="People in the cohort.")] = 100,
    variants: Annotated[int, typer.Option(min=100, max=200_000, help="VCF records.")] = 5000,
    write_files: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Only write the cohort and scoring file there."),
    ] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Score a made-up cohort from upload to match report, on a stack of its own that ends with it.

    Everything is in a temporary folder: your own data and settings are not touched.
    """
    with _reported(output), _stopped_by_signals(exit_code=_INTERRUPTED):
        from serve.demo import run_demo, write_demo_files  # noqa: PLC0415 - `--help` is quick

        console = Console(stderr=output is Output.JSON, highlight=False)
        if write_files is not None:
            files = write_demo_files(write_files, n_samples=samples, n_variants=variants)
            text = f"Wrote {files.vcf} and {files.scoring_file}."
            _print_status(output, "written", text)
            return
        result = run_demo(console, n_samples=samples, n_variants=variants)
        if output is Output.JSON:
            _print_json(result)


@scores.command("search", epilog="Example: curagenie scores search 'breast cancer'")
def search_scores(
    trait: Annotated[str, typer.Argument(help="A part of a trait's name, or EFO_0000305.")],
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many to show.")] = 25,
    output: OutputOption = Output.TEXT,
) -> None:
    """List the PGS Catalog's scores of a trait."""
    with _reported(output):
        from core.scoring.catalog import PgsCatalog  # noqa: PLC0415 - `--help` is quick

        found = PgsCatalog(load_settings().pgs_catalog_url).search(trait, start=0, size=limit)
        if output is Output.JSON:
            _print_json(to_jsonable_python(found))
            return
        console = Console(highlight=False, soft_wrap=True)
        for score in found.scores:
            n = score.variants_number if score.variants_number is not None else "?"
            about = f"{score.name}  {score.trait_reported}  ({n} variants)"
            console.print(f"{score.accession}  {about}", markup=False)
        console.print(f"{len(found.scores)} of {found.n_found} scores", style="dim")


@scores.command("install", epilog="Example: curagenie scores install PGS000001 --build GRCh38")
def install_score(
    accession: Annotated[str, typer.Argument(help="Of the PGS Catalog, such as PGS000001.")],
    build: Annotated[GenomeBuild, typer.Option(help="The build of your genotypes.")],
    data_dir: DataDirOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Fetch a harmonised scoring file from the PGS Catalog, check it, and install it."""
    with _reported(output):
        from core.scoring.catalog import PgsCatalog  # noqa: PLC0415 - `--help` is quick
        from core.scoring.catalog_download import download_scoring_file  # noqa: PLC0415
        from core.scoring.library import ScoringFileLibrary  # noqa: PLC0415

        settings = load_settings(**_given(data_dir=data_dir))
        done = download_scoring_file(
            accession,
            build,
            catalog=PgsCatalog(settings.pgs_catalog_url),
            library=ScoringFileLibrary(settings.scoring_files_dir),
        )
        status = "installed" if done.is_new else "already_installed"
        path = settings.scoring_files_dir / done.file.name
        if output is Output.JSON:
            _print_json({"status": status, "file": to_jsonable_python(done.file)})
            return
        Console(highlight=False, soft_wrap=True).print(
            f"{path} is {status.replace('_', ' ')}. Licence: {done.file.licence}", markup=False
        )


@scores.command("install-file", epilog="Example: curagenie scores install-file my_scores.txt.gz")
def install_scoring_file(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Plain or gzip.")],
    data_dir: DataDirOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Check a scoring file and install its score; of several scores each, all of them or none."""
    with _reported(output):
        from core.scoring.installed_file import Origin, OriginKind  # noqa: PLC0415
        from core.scoring.library import ScoringFileLibrary  # noqa: PLC0415 - `--help` is quick

        settings = load_settings(**_given(data_dir=data_dir))
        library = ScoringFileLibrary(settings.scoring_files_dir)
        origin = Origin(OriginKind.UPLOAD, file.name, datetime.now(UTC))
        with library.incoming() as path:
            shutil.copyfile(file, path)
            installed = library.install_scores(path, name=file.name, origin=origin)
        rows = [
            {
                "accession": score.accession,
                "status": "installed" if score.is_new else "already_installed",
                "file": to_jsonable_python(score.file),
            }
            for score in installed
        ]
        if output is Output.JSON:
            _print_json({"scores": rows})
            return
        console = Console(highlight=False, soft_wrap=True)
        for row in rows:
            console.print(f"{row['accession']}  {row['status'].replace('_', ' ')}", markup=False)


@scores.command("show", epilog="Example: curagenie scores show PGS000001 --output json")
def show_score(
    accession: Annotated[str, typer.Argument(help="Of an installed scoring file.")],
    data_dir: DataDirOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show what is known of an installed score: build, rows, licence, citation, origin."""
    with _reported(output):
        from core.scoring.library import ScoringFileLibrary  # noqa: PLC0415 - `--help` is quick

        settings = load_settings(**_given(data_dir=data_dir))
        entry = ScoringFileLibrary(settings.scoring_files_dir).entry(accession)
        if output is Output.JSON:
            _print_json(to_jsonable_python(entry))
            return
        console = Console(highlight=False, soft_wrap=True)
        for file in entry.files:
            rows = f"{file.contents.n_rows} rows" if file.contents is not None else file.problem
            facts = (
                file.name,
                f"build {file.build or 'not said'}",
                rows,
                file.licence,
                file.citation,
            )
            console.print("\n  ".join(str(fact) for fact in facts if fact), markup=False)


def _given(**options: Any) -> dict[str, Any]:
    """The options that were given; the others are left to the environment."""
    return {name: value for name, value in options.items() if value is not None}


@contextmanager
def _stopped_by_signals(*, exit_code: int) -> Generator[None]:
    """SIGTERM and SIGINT end the block once, and cannot interrupt its cleaning up."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, _interrupt)
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as error:
        # SystemExit: Ray's own handler, in the seconds in which Ray starts.
        raise typer.Exit(exit_code) from error
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(_number: int, _frame: object) -> NoReturn:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


@contextmanager
def _reported(output: Output) -> Generator[None]:
    """An error ends the command with one clear message and an exit code that means something."""
    try:
        yield
    except typer.Exit:
        raise
    except CuraGenieError as error:
        # The machine's own words, which the message keeps from those who ask over HTTP.
        cause = f" ({error.__cause__})" if isinstance(error, InfrastructureError) else ""
        _print_error(output, error.as_dict(), f"{error}{cause}")
        raise typer.Exit(2 if isinstance(error, UserError) else 1) from error
    except (RuntimeError, OSError) as error:
        # What Ray and the machine say; the traceback is for those who ask for it.
        if os.environ.get("DEBUG", "").lower() in {"1", "true"}:
            raise
        text = f"{type(error).__name__}: {error} (DEBUG=true shows where.)"
        _print_error(output, {"code": "internal_error", "what": text}, text)
        raise typer.Exit(1) from error


def _print_error(output: Output, facts: dict[str, object], text: str) -> None:
    if output is Output.JSON:
        _print_json({"status": "error", "problem": facts})
    else:
        Console(stderr=True).print(f"[bold red]error:[/] {text}", highlight=False)


def _print_status(output: Output, status: str, text: str) -> None:
    if output is Output.JSON:
        _print_json({"status": status})
    else:
        Console().print(text, highlight=False)


def _print_json(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    app()
