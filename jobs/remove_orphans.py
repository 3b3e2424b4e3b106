"""Remove stored objects that nobody needs: `python -m jobs.remove_orphans --dry-run`."""

import json
import re
import sys
from datetime import timedelta
from enum import StrEnum
from typing import Annotated

import typer

from core.errors import CuraGenieError, UserError
from core.records.session import open_database
from core.settings import load_settings
from core.storage.objects import open_objects
from jobs.janitor import Orphans, find_orphans, remove

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_AGE = re.compile(r"(\d{1,6})([mhd])", flags=re.ASCII)


class Output(StrEnum):
    TEXT = "text"
    JSON = "json"


def _age(text: str) -> timedelta:
    found = _AGE.fullmatch(text)
    if found is None:
        raise typer.BadParameter("give a number and m, h or d, such as 24h")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def remove_orphans(
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only tell what would be removed.")
    ] = False,
    older_than: Annotated[
        timedelta,
        typer.Option(parser=_age, metavar="AGE", help="Keep what was written since: 90m, 24h, 7d."),
    ] = "24h",  # pyright: ignore[reportArgumentType] - the parser is asked about the default too
    output: Annotated[Output, typer.Option(help="What to write to standard output.")] = Output.TEXT,
) -> None:
    """Remove stored objects that no record names and no job will need.

    The service does this by itself every hour. Settings are read as the service reads them.

    Example: python -m jobs.remove_orphans --dry-run --older-than 7d --output json
    """
    settings = load_settings()
    objects = open_objects(settings.objects_location)
    database = open_database(settings.database_url)
    try:
        found = find_orphans(objects, database, older_than=older_than)
    finally:
        database.close()
    if not dry_run:
        remove(found, objects)
    sys.stdout.write(_told(found, output, dry_run=dry_run))


def _told(found: Orphans, output: Output, *, dry_run: bool) -> str:
    keys = [entry.key for entry in found.objects]
    if output is Output.JSON:
        facts = {
            "dry_run": dry_run,
            "objects": keys,
            "size_bytes": found.size_bytes,
            "unfinished": found.unfinished,
        }
        return json.dumps(facts, indent=2) + "\n"
    done = "would be removed" if dry_run else "removed"
    lines = [*keys, *(f"{name} (unfinished)" for name in found.unfinished)]
    return "".join(f"{line}\n" for line in lines) + (
        f"{len(lines)} {done}, {found.size_bytes} bytes\n"
    )


def main() -> int:
    """The command line. Returns 0 when done, 2 when the request is wrong, 1 when the machinery
    failed."""
    try:
        typer.run(remove_orphans)
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except CuraGenieError as error:
        sys.stderr.write(f"failed: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
