"""How far a command is, for whoever watches it in a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

OnProgress = Callable[[int, int], None]


@contextmanager
def progress_bar(what: str) -> Iterator[OnProgress]:
    """`what` is a word before the bar; there is none where standard error is no terminal."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich import progress as bar  # noqa: PLC0415 - a batch job need not load it
    from rich.console import Console  # noqa: PLC0415

    columns = (bar.TextColumn(what), bar.BarColumn(), bar.MofNCompleteColumn())
    with bar.Progress(
        *columns, bar.TimeRemainingColumn(), console=Console(stderr=True)
    ) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
