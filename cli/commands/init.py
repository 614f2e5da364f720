"""`duka init`: from an empty folder to an ISP that can be configured."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated

import typer
from cryptography.fernet import Fernet

from cli import console
from cli.addresses import addresses
from cli.console import ask, plain
from cli.failures import Failed
from cli.shop import OPERATOR, TenantOption
from core import migrations, tenants
from core.app import App, open_app
from core.config import ConfigError, Secrets, config_path
from core.db import WrongKey

ZONES = {"KE": "Africa/Nairobi", "TZ": "Africa/Dar_es_Salaam", "UG": "Africa/Kampala", "RW": "Africa/Kigali"}
CURRENCIES = {"KE": "KES", "TZ": "TZS", "UG": "UGX", "RW": "RWF"}


def init(
    slug: Annotated[str | None, typer.Option(help="Short name, a-z, digits and dashes; stands in addresses.")] = None,
    name: Annotated[str | None, typer.Option(help="How customers know the ISP.")] = None,
    country: Annotated[str | None, typer.Option(help="Two letters: KE.")] = None,
    currency: Annotated[str | None, typer.Option(help="Three letters: KES.")] = None,
    timezone: Annotated[str | None, typer.Option(help="Where its days end: Africa/Nairobi.")] = None,
    language: Annotated[str | None, typer.Option(help="What unknown customers are spoken to in: en, sw.")] = None,
    owner: Annotated[str | None, typer.Option(help="How the owner is called in the audit.")] = None,
    tenant: TenantOption = None,
) -> None:
    """Make the key, the tables and the first ISP; asks for what is not given. Harmless to repeat.

    With another --slug it opens a further ISP in the same installation.
    """
    key_file = make_key()
    app = open_app()
    try:
        with console.out.status("migrating …"):
            migrations.upgrade(app.engine)
        everyone = _everyone(app, key_file)
        wanted = slug or tenant
        known = next((one for one in everyone if wanted in (None, one.slug)), None)
        if known is None:
            known = _open(
                app, slug=wanted, name=name, country=country, currency=currency, timezone=timezone, language=language,
                owner=owner,
            )  # fmt: skip
            console.good(f"{plain(known.name)} is open, slug [bold]{known.slug}[/]")
        else:
            console.good(f"{plain(known.name)} ({known.slug}) is open already; nothing was changed")
        _show(app, known)
    finally:
        app.close()


def make_key() -> Path | None:
    """Write the key that seals secrets in the database, readable by this user only; None when there is one."""
    where = configured_key()
    kind, _, name = where.partition(":")
    path = Path(name)
    if kind != "file" or path.exists():
        return None
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123 (a mode is given)
        file.write(Fernet.generate_key() + b"\n")
    console.good(f"made {path}: [bold]keep a copy elsewhere[/], without it no stored password can be read again")
    return path


def configured_key() -> str:
    """Where the key is said to be, as `file:PATH` or `env:NAME`; readable before the key itself is."""
    return os.environ.get("DUKA_SECRETS__KEY") or _key_in_file() or str(Secrets.model_fields["key"].default)


def _key_in_file() -> str | None:
    path = config_path()
    if not path.is_file():
        return None
    try:
        key = tomllib.loads(path.read_text(encoding="utf-8")).get("secrets", {}).get("key")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, AttributeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    return key if isinstance(key, str) else None


def _everyone(app: App, key_file: Path | None) -> list[tenants.Tenant]:
    """All ISPs so far. A key that was just made cannot be the one an existing database was sealed with: then it goes again."""
    try:
        with app.look(None, OPERATOR) as uow:
            return tenants.everyone(uow)
    except WrongKey as error:
        if key_file is None:
            raise
        key_file.unlink()
        raise Failed(f"this database was sealed with a key that is gone: put {key_file} back from your copy") from error


def _open(
    app: App, *, slug: str | None, name: str | None, country: str | None, currency: str | None, timezone: str | None,
    language: str | None, owner: str | None,
) -> tenants.Tenant:  # fmt: skip
    slug = ask(slug, "--slug", "Short name of the ISP (a-z, digits, dashes)")
    name = ask(name, "--name", "Name that customers see")
    country = ask(country, "--country", "Country (two letters)", "KE").upper()
    currency = ask(currency, "--currency", "Currency (three letters)", CURRENCIES.get(country)).upper()
    timezone = ask(timezone, "--timezone", "Time zone", ZONES.get(country))
    language = ask(language, "--language", "Language of new customers", "en")
    owner = ask(owner, "--owner", "What to call the owner", "owner")
    with app.work(None, OPERATOR) as uow:
        tenant = tenants.open_tenant(
            uow, slug=slug, name=name, country=country, currency=currency, language=language, timezone=timezone
        )
    with app.work(tenant.id, OPERATOR) as uow:
        tenants.invite_staff(uow, owner, "owner")
    return tenant


def _show(app: App, tenant: tenants.Tenant) -> None:
    with app.work(tenant.id, OPERATOR) as uow:
        found = addresses(uow, app.settings)
        settings = tenants.settings_of(uow)
    console.say("\nRegister these addresses with the companies. They are secret: who has one can speak in its name.\n")
    console.table(("company", "what", "address"), [tuple(map(plain, row)) for row in found.rows()])
    option = f" --tenant {tenant.slug}"
    steps = [
        (settings.africastalking is None, f"duka settings africastalking{option}", "your account for USSD and SMS"),
        (settings.daraja is None, f"duka settings daraja{option}", "your Paybill or till"),
        (True, f"duka package add 3H '3 hours' 20 --time 3h{option}", "what you sell"),
        (True, f"duka router add NAME --host ADDRESS{option}", "your first router"),
        (True, "duka up", "start everything"),
        (True, "duka doctor", "is all well?"),
    ]
    console.say("\nNext:")
    console.table(("", ""), [(f"  {command}", why) for wanted, command, why in steps if wanted])
