"""`duka package`: what is for sale."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import console, values
from cli.console import plain
from cli.failures import Failed
from cli.shop import TenantOption, shop
from core import catalog
from core.money import Money
from core.texts import duration, volume
from core.uow import UnitOfWork

app = typer.Typer(no_args_is_help=True, help="What is for sale: list, add, reprice, withdraw.")
Code = Annotated[str, typer.Argument(help="What people text after BUY: 3H, DAY, WEEK.")]


@app.command("add")
def add(
    code: Code,
    name: Annotated[str, typer.Argument(help="How it stands in the menu: '3 hours'.")],
    price: Annotated[str, typer.Argument(help="20 or 20.50, in the ISP's currency.")],
    time: Annotated[str, typer.Option(help="How long it runs: 45m, 3h, 1d, 30d.")],
    data: Annotated[str | None, typer.Option(help="How much it carries: 500MB, 2GB; unlimited without.")] = None,
    speed: Annotated[str | None, typer.Option(help="Upload/download: 1M/3M; unlimited without.")] = None,
    devices: Annotated[int, typer.Option(help="How many devices may use it at once.")] = 1,
    tenant: TenantOption = None,
) -> None:
    """Put a package on sale, at the end of the list."""
    upload_kbps, download_kbps = values.speed(speed) if speed else (None, None)
    with shop(tenant) as here, here.work() as uow:
        made = catalog.publish(
            uow, code=code, name=name, price=Money.parse(price, here.tenant.currency),
            duration_seconds=values.seconds(time), quota_bytes=values.data(data) if data else None,
            upload_kbps=upload_kbps, download_kbps=download_kbps, device_limit=devices,
        )  # fmt: skip
        console.good(f"on sale: {plain(made.code)} {plain(made.name)} for {made.price}")


@app.command("list")
def list_(tenant: TenantOption = None) -> None:
    """What is on sale, in the order customers see it."""
    with shop(tenant) as here, here.look() as uow:
        rows = [
            (plain(each.code), plain(each.name), each.price, duration(each.duration_seconds),
             volume(each.quota_bytes) if each.quota_bytes else "unlimited", _speed(each), each.device_limit)
            for each in catalog.on_sale(uow)
        ]  # fmt: skip
    if not rows:
        console.say("nothing is on sale: `duka package add`")
        return
    console.table(("code", "name", "price", "time", "data", "up/down", "devices"), rows)


@app.command("reprice")
def reprice(
    code: Code, price: Annotated[str, typer.Argument(help="The new price.")], tenant: TenantOption = None
) -> None:
    """From now on at this price; who was just shown the old one may still pay it."""
    with shop(tenant) as here, here.work() as uow:
        package = on_sale(uow, code)
        before = package.price
        catalog.reprice(uow, package, Money.parse(price, here.tenant.currency))
        console.good(f"{plain(package.code)}: {before} → {package.price}")


@app.command("withdraw")
def withdraw(code: Code, tenant: TenantOption = None) -> None:
    """Sell it no more. Who has it keeps it."""
    with shop(tenant) as here, here.work() as uow:
        package = on_sale(uow, code)
        catalog.withdraw(uow, package)
        console.good(f"{plain(package.code)} is off the list")


def on_sale(uow: UnitOfWork, code: str) -> catalog.Package:
    """The package with this code."""
    found = catalog.by_code(uow, code)
    if found is None:
        codes = ", ".join(each.code for each in catalog.on_sale(uow)) or "nothing"
        raise Failed(f"there is no package {code!r} on sale; there is: {codes}")
    return found


def _speed(package: catalog.Package) -> str:
    if package.upload_kbps is None or package.download_kbps is None:
        return "unlimited"
    return f"{package.upload_kbps}k/{package.download_kbps}k"
