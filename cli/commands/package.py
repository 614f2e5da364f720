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
from core.rates import Burst, Speed
from core.texts import duration, volume
from core.uow import UnitOfWork

app = typer.Typer(no_args_is_help=True, help="What is for sale: list, add, show, reprice, withdraw.")
Code = Annotated[str, typer.Argument(help="What people text after BUY: 3H, DAY, WEEK.")]


@app.command("add")
def add(
    code: Code,
    name: Annotated[str, typer.Argument(help="How it stands in the menu: '3 hours'.")],
    price: Annotated[str, typer.Argument(help="20 or 20.50, in the ISP's currency.")],
    time: Annotated[str, typer.Option(help="How long it runs: 45m, 3h, 1d, 30d.")],
    data: Annotated[str | None, typer.Option(help="How much it carries: 500MB, 2GB; unlimited without.")] = None,
    speed: Annotated[str | None, typer.Option(help="Upload/download: 1M/3M; unlimited without.")] = None,
    devices: Annotated[int, typer.Option(help="How many devices (ppp: sessions) may use it at once.")] = 1,
    service: Annotated[str, typer.Option(help="mac: devices, by hotspot or DHCP; ppp: a login that dials in.")] = "mac",
    burst: Annotated[str | None, typer.Option(help="Faster for a while: 2M/6M.")] = None,
    burst_below: Annotated[str | None, typer.Option(help="... while the average is below: 1M/2M; --speed without.")] = None,
    burst_seconds: Annotated[int, typer.Option(help="... over so many seconds.")] = 16,
    priority: Annotated[int | None, typer.Option(min=1, max=8, help="1 goes first, 8 last.")] = None,
    guaranteed: Annotated[str | None, typer.Option(help="Speed that is kept free: 512k/1M.")] = None,
    slow: Annotated[str | None, typer.Option(help="Speed after the data is used up (fair use), instead of nothing.")] = None,
    hours: Annotated[str, typer.Option(help="When it may be used: 'Mo-Fr 08:00-20:00, Sa 09:00-13:00'.")] = "",
    grace: Annotated[str | None, typer.Option(help="How long it goes on after its end, on account of the next: 1d.")] = None,
    idle: Annotated[str | None, typer.Option(help="A session without traffic ends after: 15m.")] = None,
    session: Annotated[str | None, typer.Option(help="A session ends after, and may begin again: 12h.")] = None,
    pool: Annotated[str | None, typer.Option(help="Addresses come from this pool of the router.")] = None,
    ipv6_pool: Annotated[str | None, typer.Option(help="IPv6 prefixes of the line come from this pool.")] = None,
    delegated_pool: Annotated[str | None, typer.Option(help="IPv6 prefixes for the customer's own router.")] = None,
    group: Annotated[str | None, typer.Option(help="Hotspot user profile or PPP profile.")] = None,
    mark: Annotated[str | None, typer.Option(help="Packet mark for queues.")] = None,
    filter_: Annotated[str | None, typer.Option("--filter", help="Firewall chain.")] = None,
    address_list: Annotated[list[str] | None, typer.Option("--list", help="Address list; may be given again.")] = None,
    tenant: TenantOption = None,
) -> None:  # fmt: skip
    """Put a package on sale, at the end of the list. Pools, profiles and lists are named as on the routers."""
    upload_kbps, download_kbps = values.speed(speed) if speed else (None, None)
    profile = values.checked(
        catalog.Profile, priority=priority, guaranteed=_pair(guaranteed), slow=_pair(slow),
        burst=burst and Burst(_speed_of(burst), burst_seconds, _pair(burst_below)),
        hours=catalog.parse_hours(hours), grace_seconds=grace and values.seconds(grace),
        idle_seconds=idle and values.seconds(idle), session_seconds=session and values.seconds(session), pool=pool,
        ipv6_pool=ipv6_pool, delegated_pool=delegated_pool, group=group, mark=mark, filter=filter_,
        address_lists=address_list,
    )  # fmt: skip
    with shop(tenant) as here, here.work() as uow:
        made = catalog.publish(
            uow, code=code, name=name, price=Money.parse(price, here.tenant.currency),
            duration_seconds=values.seconds(time), quota_bytes=values.data(data) if data else None,
            upload_kbps=upload_kbps, download_kbps=download_kbps, device_limit=devices, service=service, profile=profile,
        )  # fmt: skip
        console.good(f"on sale: {plain(made.code)} {plain(made.name)} for {made.price}")


def _speed_of(text: str) -> Speed:
    return Speed(*values.speed(text))


def _pair(text: str | None) -> Speed | None:
    return None if text is None else _speed_of(text)


@app.command("show")
def show(code: Code, tenant: TenantOption = None) -> None:
    """Everything about one package."""
    with shop(tenant) as here, here.look() as uow:
        each = on_sale(uow, code)
        profile = each.profile
        burst = profile.burst
        rows: list[tuple[str, object]] = [
            ("code", each.code),
            ("name", each.name),
            ("price", each.price),
            ("service", {"mac": "devices, by hotspot or DHCP", "ppp": "a login that dials in"}[each.service]),
            ("time", duration(each.duration_seconds)),
            ("data", volume(each.quota_bytes) if each.quota_bytes else "unlimited"),
            ("up/down", _speed(each)),
            ("devices" if each.service == "mac" else "sessions", each.device_limit),
            ("burst", burst and f"{burst.limit} while below {burst.threshold or _speed(each)} over {burst.seconds} s"),
            ("priority", profile.priority),
            ("guaranteed", profile.guaranteed),
            ("after the data", profile.slow),
            ("hours", profile.hours and catalog.tell_hours(profile.hours)),
            ("grace", profile.grace_seconds and duration(profile.grace_seconds)),
            ("idle for", profile.idle_seconds and duration(profile.idle_seconds)),
            ("session", profile.session_seconds and duration(profile.session_seconds)),
            ("pool", profile.pool),
            ("IPv6 pool", profile.ipv6_pool),
            ("delegated pool", profile.delegated_pool),
            ("group", profile.group),
            ("mark", profile.mark),
            ("filter", profile.filter),
            ("lists", ", ".join(profile.address_lists)),
        ]
    console.table(("", ""), [(what, plain(value)) for what, value in rows if value not in (None, "", 0)])


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
