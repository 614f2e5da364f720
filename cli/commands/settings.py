"""`duka settings`: one ISP's accounts with the companies. Secrets never stand on the command line, where everybody sees them."""

from __future__ import annotations

from typing import Annotated, Protocol, TypeVar, runtime_checkable

import typer
from pydantic import BaseModel, ValidationError

from cli import console
from cli.addresses import addresses
from cli.console import ask, ask_secret, plain
from cli.failures import Failed, first_line
from cli.shop import Shop, TenantOption, shop
from core import network, tenants
from core.errors import GatewayFailure, GatewayRefused
from core.tenants import AfricasTalkingAccount, DarajaAccount, TenantSettings

app = typer.Typer(no_args_is_help=True, help="One ISP's accounts with the companies.")
Account = TypeVar("Account", bound=BaseModel)
FromStdin = Annotated[bool, typer.Option(help="Read the secrets from standard input, one per line.")]
Check = Annotated[bool, typer.Option(help="Ask the company whether the account is good.")]
BaseUrl = Annotated[str | None, typer.Option(help="Another address for the company: a stand-in.", hidden=True)]


@runtime_checkable
class TakesAddresses(Protocol):
    """A payment company that wants to be told over its API where payments made by hand are announced."""

    def register_urls(self, validation_url: str, confirmation_url: str) -> None: ...


@app.command("africastalking")
def africastalking(
    username: Annotated[str | None, typer.Option(help="The app's user name; `sandbox` for the sandbox.")] = None,
    service_code: Annotated[str | None, typer.Option(help="USSD code: *384*35711#.")] = None,
    short_code: Annotated[str | None, typer.Option(help="Number people text to.")] = None,
    sender_id: Annotated[
        str | None, typer.Option(help="Name that stands over our SMS; the short code without.")
    ] = None,
    base_url: BaseUrl = None,
    secrets_from_stdin: FromStdin = False,
    check: Check = True,
    tenant: TenantOption = None,
) -> None:
    """The account for USSD and SMS. What is not given stays as it is.

    The API key comes from DUKA_AFRICASTALKING_API_KEY, a prompt, or standard input.
    """
    with shop(tenant) as here:
        before = _settings(here).africastalking
        old = before.model_dump() if before else {}
        old_key = str(old["api_key"]) if before else None
        given = {"service_code": service_code, "short_code": short_code, "sender_id": sender_id, "base_url": base_url}
        account = _checked(
            AfricasTalkingAccount,
            old
            | {name: value for name, value in given.items() if value is not None}
            | {
                "username": username or ask(old.get("username"), "--username", "User name at Africa's Talking"),
                "api_key": _secret("DUKA_AFRICASTALKING_API_KEY", "API key", old_key, secrets_from_stdin),
            },
        )
        change(here, africastalking=account)
        console.good(f"Africa's Talking account {plain(account.username)} saved")
        if check:
            _check_sms(here)


@app.command("daraja")
def daraja(
    short_code: Annotated[str | None, typer.Option(help="Paybill; for a till, its store number.")] = None,
    till: Annotated[str | None, typer.Option(help="Till number that customers pay to.")] = None,
    environment: Annotated[str | None, typer.Option(help="sandbox or production.")] = None,
    base_url: BaseUrl = None,
    register: Annotated[bool, typer.Option(help="Tell Safaricom where payments made by hand are announced.")] = False,
    secrets_from_stdin: FromStdin = False,
    check: Check = True,
    tenant: TenantOption = None,
) -> None:
    """The M-Pesa account. What is not given stays as it is.

    Secrets come from DUKA_DARAJA_CONSUMER_KEY, DUKA_DARAJA_CONSUMER_SECRET and DUKA_DARAJA_PASSKEY, from prompts, or
    from standard input in this order.
    """
    with shop(tenant) as here:
        before = _settings(here).daraja
        old = before.model_dump() if before else {}
        given = {"till_number": till, "environment": environment, "base_url": base_url}
        secrets = {
            name: _secret(f"DUKA_DARAJA_{name.upper()}", words, str(old[name]) if before else None, secrets_from_stdin)
            for name, words in (
                ("consumer_key", "Consumer key"),
                ("consumer_secret", "Consumer secret"),
                ("passkey", "Passkey"),
            )
        }
        account = _checked(
            DarajaAccount,
            old
            | {name: value for name, value in given.items() if value is not None}
            | secrets
            | {"short_code": short_code or ask(old.get("short_code"), "--short-code", "Paybill or store number")},
        )
        change(here, daraja=account)
        console.good(f"M-Pesa account {plain(account.short_code)} ({account.environment}) saved")
        if check:
            _check_daraja(here)
        if register:
            register_urls(here)


@app.command("general")
def general(
    help_line: Annotated[str | None, typer.Option(help="Number that customers may call; '' for none.")] = None,
    interim_seconds: Annotated[int | None, typer.Option(help="How often routers report usage.")] = None,
    redirects: Annotated[
        bool | None,
        typer.Option("--redirects/--no-redirects", help="Over PPP and DHCP, lead who has not paid to where one can."),
    ] = None,
    garden: Annotated[
        str | None,
        typer.Option(
            help="Where phones may go unpaid, comma separated: host, *.host, address, with :port; '' for none."
        ),
    ] = None,
    dns: Annotated[
        str | None, typer.Option(help="Whom routers ask for names that have nobody; comma separated.")
    ] = None,
    ntp: Annotated[str | None, typer.Option(help="Where routers get the time; comma separated.")] = None,
    credit_after: Annotated[
        int | None, typer.Option(help="Give time back when a router was away for so many minutes; 0: never.")
    ] = None,
    grace_minutes: Annotated[
        int | None, typer.Option(help="Lend a device so many slow minutes to pay by card in, once a day; 0: never.")
    ] = None,
    grace_kbps: Annotated[int | None, typer.Option(help="How fast those are, in kbit/s.")] = None,
    grace_page: Annotated[
        bool | None, typer.Option("--grace-page/--no-grace-page", help="Phones may take them on the arrival page.")
    ] = None,
    backups_kept: Annotated[int | None, typer.Option(help="So many exports are kept of each router.")] = None,
    tenant: TenantOption = None,
) -> None:
    """What is neither account nor router."""
    lists = {"garden_extra": garden, "dns_servers": dns, "ntp_servers": ntp}
    given: dict[str, object] = {"help_line": help_line, "interim_seconds": interim_seconds, "redirects": redirects}
    given |= {name: None if text is None else _listed(text) for name, text in lists.items()}
    given |= {"backups_kept": backups_kept, "grace_kbps": grace_kbps, "grace_page": grace_page}
    changed = {name: value for name, value in given.items() if value is not None}
    off_at_none = {"credit_after_minutes": credit_after, "grace_minutes": grace_minutes}
    changed |= {name: value or None for name, value in off_at_none.items() if value is not None}
    with shop(tenant) as here:
        change(here, **changed)
    console.good(f"saved: {', '.join(changed) or 'nothing was given'}")


@app.command("show")
def show(
    urls: Annotated[bool, typer.Option(help="Show the secret addresses to register with the companies.")] = False,
    tenant: TenantOption = None,
) -> None:
    """What is set; secrets are only said to be there."""
    with shop(tenant) as here:
        rows = list(_rows("", _settings(here).model_dump()))
        if urls:
            with here.work() as uow:
                rows += [(f"{company}: {what}", url) for company, what, url in addresses(uow, here.app.settings).rows()]
    console.table(("setting", "value"), [(plain(name), plain(value)) for name, value in rows])


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def change(here: Shop, **changed: object) -> None:
    """Change some of the ISP's settings, checked as a whole."""
    with here.work() as uow:
        before = tenants.settings_of(uow)
        network.change_settings(uow, _checked(TenantSettings, {**before.model_dump(), **_plain_values(changed)}))


def register_urls(here: Shop, *, quiet: bool = False) -> None:
    """Tell the payment company our addresses."""
    with here.work() as uow:
        found = addresses(uow, here.app.settings)
    gateway: object = here.world.payments.get("daraja")
    if not isinstance(gateway, TakesAddresses):
        raise Failed("set up the M-Pesa account first: `duka settings daraja`")
    try:
        gateway.register_urls(found.c2b_validation, found.c2b_confirmation)
    except GatewayRefused as error:
        if error.code != "already_registered":
            raise
        console.say("[yellow]![/] Safaricom has addresses for this short code already; only they can change them")
        return
    if not quiet:
        console.good("payments made by hand will be announced to us")


def _plain_values(changed: dict[str, object]) -> dict[str, object]:
    return {name: value.model_dump() if isinstance(value, BaseModel) else value for name, value in changed.items()}


def _checked(kind: type[Account], values: dict[str, object]) -> Account:
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        said = "; ".join(
            f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_input=False)
        )
        raise Failed(f"this cannot be saved: {said}") from None


def _settings(here: Shop) -> TenantSettings:
    with here.look() as uow:
        return tenants.settings_of(uow)


def _secret(environment: str, question: str, old: str | None, from_stdin: bool) -> str:
    words = f"{question} (Enter keeps the old one)" if old else question
    return ask_secret(environment, words, from_stdin=from_stdin, optional=old is not None) or old or ""


def _check_sms(here: Shop) -> None:
    gateway = here.world.sms
    assert gateway is not None
    try:
        console.good(f"the account is good, {gateway.balance()} left")
    except GatewayFailure as error:
        console.say(f"[yellow]![/] saved, but Africa's Talking did not say yes: {plain(first_line(error))}")


def _check_daraja(here: Shop) -> None:
    try:
        here.world.payments["daraja"].ping()
        console.good("the keys are good")
    except GatewayFailure as error:
        console.say(f"[yellow]![/] saved, but Daraja did not say yes: {plain(first_line(error))}")


def _rows(prefix: str, tree: dict[str, object]) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, value in tree.items():
        if isinstance(value, dict):
            rows += _rows(f"{prefix}{name}.", value)
        elif name in ("api_key", "consumer_key", "consumer_secret", "passkey"):
            rows.append((prefix + name, "(set)" if value else "(empty)"))
        else:
            rows.append((prefix + name, "-" if value in (None, "", ()) else str(value)))
    return rows
