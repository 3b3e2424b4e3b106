"""The section of RESULTS.md that a chaos run writes; the other sections stay."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

TITLE = "## Chaos"


def write_summary(path: Path, found: dict[str, Any]) -> None:
    replace_section(path, TITLE, _lines(found))


def replace_section(path: Path, title: str, lines: list[str]) -> None:
    """Puts `lines` below `title`, to the next title of its rank or the end."""
    text = path.read_text() if path.exists() else "# What faults cost\n"
    section = "\n".join([title, "", *lines, ""])
    pattern = re.compile(rf"^{re.escape(title)}$.*?(?=^## |\Z)", re.DOTALL | re.MULTILINE)
    if pattern.search(text):
        text = pattern.sub(lambda _: section + "\n", text)
    else:
        text = f"{text.rstrip()}\n\n{section}"
    path.write_text(text.rstrip() + "\n")


def _lines(found: dict[str, Any]) -> list[str]:
    when = datetime.now(UTC).strftime("%Y-%m-%d")
    return [
        f"`make chaos SEED={found['seed']} MINUTES={found['minutes']:g}`, {when}, 2 shared cores: "
        f"{sum(found['faults'].values())} faults, **{len(found['violations'])} promises broken**.",
        "",
        "| what | how much |",
        "|---|---|",
        f"| jobs accepted | {found['jobs']} |",
        f"| walks | {_counted(found['walks'])} |",
        f"| answers of the API | {_counted(found['answers'])} |",
        f"| seconds to an answer | {_measured(found['api_seconds'])} |",
        f"| WebSocket clients, reconnects | {found['clients']}, {found['reconnects']} |",
        f"| events received | {found['events_received']} |",
        f"| seconds from an event's commit to the client, replays left out | "
        f"{_measured(found['event_seconds'])} |",
        "",
        "| fault | times |",
        "|---|---|",
        *(f"| {name} | {n} |" for name, n in sorted(found["faults"].items())),
        *(
            ["", *(f"- BROKEN: {said}" for said in found["violations"])]
            if found["violations"]
            else []
        ),
    ]


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {n}" for name, n in sorted(counts.items(), key=lambda c: -c[1]))


def _measured(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in values.items())
