"""`duka doctor`: what is wrong, and what to do about it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import typer
from sqlalchemy.exc import DBAPIError

from cli import checks, console
from cli.checks import Finding, Level, bad
from cli.commands.init import configured_key
from cli.console import plain
from cli.failures import explain
from cli.shop import OPERATOR, TenantOption, choose
from core import migrations, tenants
from core.app import App, open_app
from core.config import ConfigError, config_path, load

MARKS = {Level.OK: "[green]✓[/]", Level.WARN: "[yellow]![/]", Level.BAD: "[red]✗[/]"}


def doctor(tenant: TenantOption = None) -> None:
    """Look at everything: configuration, database, Redis, work, sweeps, and each ISP's accounts and routers.

    Ends with status 1 when something is bad. Nothing is changed.
    """
    findings: list[tuple[str, Finding]] = []
    with console.out.status("looking …"):
        for where, finding in examine(tenant):
            findings.append((where, finding))
    console.table(
        ("", "where", "what", "found"),
        [(MARKS[each.level], plain(where), plain(each.what), plain(each.found)) for where, each in findings],
    )
    for where, each in findings:
        if each.advice:
            console.say(f"{MARKS[each.level]} {plain(where)}, {plain(each.what)}: {plain(each.advice)}")
    if any(each.level is Level.BAD for _, each in findings):
        raise typer.Exit(1)


def examine(slug: str | None) -> Iterator[tuple[str, Finding]]:
    """Where it was found, and what."""
    here = "installation"
    try:
        settings = load()
        app = open_app(settings)
    except ConfigError as error:
        yield here, bad("configuration", str(error), "correct it; `duka init` makes a missing key")
        return
    source = str(config_path()) if config_path().is_file() else "built-in defaults"
    yield here, checks.ok("configuration", f"{source}{_overrides()}")
    try:
        for finding in checks.key(configured_key()):
            yield here, finding
        for check in checks.INSTALLATION:
            for finding in _careful(check, app):
                yield here, finding
                if check in checks.FIRST and finding.level is Level.BAD:
                    return
        for one in _tenants(app, slug):
            for finding in _careful(lambda app, one=one: checks.isp(app, one), app):  # type: ignore[misc]
                yield one.slug, finding
    finally:
        app.close()


def _careful(check: checks.Check, app: App) -> Iterator[Finding]:
    """A database that is away is a finding, not the end of the examination."""
    try:
        yield from check(app)
    except DBAPIError as error:
        yield bad("database", explain(error), "start it, or correct database.url")


def _tenants(app: App, slug: str | None) -> list[tenants.Tenant]:
    try:
        if migrations.current(app.engine) != migrations.head():
            return []
        with app.look(None, OPERATOR) as uow:
            everyone = tenants.everyone(uow)
    except DBAPIError:
        return []
    return [choose(everyone, slug)] if slug or not everyone else everyone


def _overrides() -> str:
    names = sorted(name for name in os.environ if name.startswith("DUKA_") and "__" in name)
    return f", overridden by {', '.join(names)}" if names else ""
