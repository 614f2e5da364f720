"""`duka voucher`: prepaid codes."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from cli import console
from cli.commands.package import on_sale
from cli.console import plain
from cli.shop import TenantOption, shop
from core import vouchers

COUNT_MAX = 1000

app = typer.Typer(no_args_is_help=True, help="Prepaid codes.")


@app.callback()
def _group() -> None:
    """Prepaid codes."""


@app.command("issue")
def issue(
    package: Annotated[str, typer.Option(help="Code of the package it stands for.")],
    count: Annotated[int, typer.Option(min=1, max=COUNT_MAX, help="How many.")] = 1,
    expires: Annotated[int | None, typer.Option(min=1, max=3650, help="Valid for so many days.")] = None,
    tenant: TenantOption = None,
) -> None:
    """Make codes and print them, one per line. They are shown this once: only a fingerprint is kept."""
    with shop(tenant) as here, here.work() as uow:
        sold = on_sale(uow, package)
        expires_at = uow.now + timedelta(days=expires) if expires else None
        codes = [vouchers.issue(uow, sold, expires_at=expires_at) for _ in range(count)]
    for code in codes:
        console.say(plain(code))
    until = f", valid until {expires_at:%Y-%m-%d}" if expires_at else ""
    console.err.print(f"{len(codes)} for {plain(sold.name)} at {sold.price}{until}")
