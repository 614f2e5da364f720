"""One line of the result, and the table of all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

TABLE_WIDTH = 160


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured, what it was measured against, and what we want. Texts carry their units; `met` None: only told."""

    name: str
    ours: str
    yardstick: str = ""
    ratio: str = ""
    wanted: str = ""
    met: bool | None = None


def show(console: Console, title: str, figures: Sequence[Figure]) -> None:
    """Print figures as a table."""
    table = Table(title=title, title_justify="left", width=min(console.width, TABLE_WIDTH))
    for heading in ("figure", "ours", "yardstick", "ratio", "wanted", "met"):
        table.add_column(heading, overflow="fold")
    for figure in figures:
        met = "" if figure.met is None else "[green]yes[/]" if figure.met else "[red]no[/]"
        table.add_row(figure.name, figure.ours, figure.yardstick, figure.ratio, figure.wanted, met)
    console.print(table)


def save(path: Path, machine: dict[str, object], figures: Sequence[Figure]) -> None:
    """Write figures as JSON, for whoever compares runs."""
    path.write_text(
        json.dumps({"machine": machine, "figures": [asdict(figure) for figure in figures]}, indent=1) + "\n"
    )
