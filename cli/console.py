"""What people see: tables, questions, progress; errors on the error stream, so that output can be piped."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.failures import Failed

PIPED_WIDTH = 160
"""How wide tables may be where there is no terminal to measure."""

out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else PIPED_WIDTH)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str = "") -> None:
    """A line of our own words; what came from elsewhere goes through `plain` first."""
    out.print(text)


def plain(text: object) -> str:
    """Something that is not ours to interpret: no markup, one line."""
    return escape(" ".join(str(text).split()))


def good(text: str) -> None:
    out.print(f"[green]✓[/] {text}")


def hint(text: str) -> None:
    out.print(f"[dim]{text}[/]")


def complain(text: str) -> None:
    err.print(f"[red]✗[/] {plain(text)}")


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Rows under headings. Cells may hold markup made here; wrap foreign text in `plain`."""
    made = Table(*headings, box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for row in rows:
        made.add_row(*(str(cell) for cell in row))
    out.print(made)


def interactive() -> bool:
    """Is there a person to ask?"""
    return sys.stdin.isatty() and sys.stdout.isatty()


def ask(value: str | None, option: str, question: str, default: str | None = None) -> str:
    """What was given as an option, else the person's answer, else the default. `Failed` names the option without anybody to ask."""
    if value is not None:
        return value
    if interactive():
        return str(typer.prompt(question, default=default))
    if default is not None:
        return default
    raise Failed(f"{option} is missing, and there is nobody to ask")


def ask_secret(environment: str, question: str, *, from_stdin: bool = False, optional: bool = False) -> str | None:
    """A secret from the environment, from the next line of standard input, or typed unseen. Never from the command line."""
    if value := os.environ.get(environment):
        return value
    if from_stdin:
        line = sys.stdin.readline().rstrip("\r\n")
        if not line and not optional:
            raise Failed(f"standard input ended before {question.lower()} came")
        return line or None
    if interactive():
        typed = str(typer.prompt(question, hide_input=True, default="" if optional else None, show_default=False))
        return typed or None
    if optional:
        return None
    raise Failed(f"{question} is missing: set {environment}, or use --secrets-from-stdin")
