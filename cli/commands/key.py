"""`duka key`: the key that seals secrets in the database, and exchanging it."""

from __future__ import annotations

import os
from pathlib import Path

import typer
from cryptography.fernet import Fernet, InvalidToken

from cli import console
from cli.commands.init import configured_key
from cli.console import plain
from cli.failures import Failed
from cli.shop import OPERATOR, opened
from core import rotation
from core.app import METADATA, App
from core.rotation import Count

app = typer.Typer(no_args_is_help=True, help="The key that seals secrets: check, add, rotate, drop-old.")


@app.command("check")
def check() -> None:
    """Open every sealed value once. Status 1 when there are some that no key opens."""
    with opened() as application:
        found = _count(application)
    if found.lost:
        raise Failed(f"no key opens {_places(found.lost)}: put the older key behind the present one in secrets.key")
    console.good(f"{found.all} secrets open, {found.first} of them with the first key")
    if not found.proven:
        console.hint("`duka key rotate` seals the others with it too")


@app.command("add")
def add() -> None:
    """Make a new key and put it before the present one. From then on it seals; the old one still opens what it sealed."""
    path = _file()
    before = path.read_text(encoding="ascii").strip()
    _write(path, f"{Fernet.generate_key().decode()},{before}")
    console.good(f"a new key stands first in {plain(path)}: [bold]keep a copy elsewhere[/]")
    console.hint("next: restart every process of Duka, here and on other machines; then `duka key rotate`")


@app.command("rotate")
def rotate() -> None:
    """Seal everything with the first key, and prove that it opens with that key alone. All or nothing; harmless to repeat."""
    with opened() as application:
        keys = _keys(application)
        if len(keys) < 2:
            raise Failed("there is only one key, so there is nothing to exchange: first `duka key add`")
        with console.out.status("sealing anew …"), application.work(None, OPERATOR) as uow:
            try:
                changed = rotation.reseal(uow.connection, METADATA, keys)
            except InvalidToken as error:
                raise Failed(
                    "some secrets open with no key, so nothing was changed: `duka key check` names them"
                ) from error
        found = _count(application)
    if not found.proven:
        raise Failed(
            f"{found.all - found.first} secrets were sealed with the old key meanwhile: restart every process, then again"
        )
    console.good(f"{changed} secrets are sealed anew; all {found.all} open with the first key alone")
    console.hint("next: `duka key drop-old`")


@app.command("drop-old")
def drop_old() -> None:
    """Forget the older keys. Refused while anything needs them."""
    path = _file()
    with opened() as application:
        keys, found = _keys(application), _count(application)
    if not found.proven:
        raise Failed(f"{found.all - found.first} secrets still need an older key: first `duka key rotate`")
    _write(path, keys[0])
    console.good(f"{plain(path)} holds one key, which opens all {found.all} secrets")
    console.hint("backups of the database from before need the old one: keep it with them")


def _count(application: App) -> Count:
    with console.out.status("opening …"), application.look(None, OPERATOR) as uow:
        return rotation.count(uow.session.connection(), METADATA, _keys(application))


def _keys(application: App) -> list[str]:
    return [key.strip() for key in application.settings.secrets.key.split(",") if key.strip()]


def _file() -> Path:
    kind, _, name = configured_key().partition(":")
    if kind != "file":
        raise Failed(f"secrets.key is {kind}:{name}: change it there, `NEW,OLD`, then `duka key rotate`")
    return Path(name)


def _write(path: Path, text: str) -> None:
    """Whole or not at all, readable by this user only."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _places(lost: dict[str, int]) -> str:
    return ", ".join(f"{number} × {place}" for place, number in sorted(lost.items()))
