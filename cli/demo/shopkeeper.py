"""What an owner does on the first day, done by the demo: an ISP, prices, accounts, a router, addresses registered."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from cli.addresses import addresses
from cli.commands import router as routers
from cli.commands import router_plan, settings
from cli.demo.stage import Stage
from cli.shop import OPERATOR, Shop
from core import catalog, migrations, network, tenants
from core.app import App
from core.money import Money
from core.ports import RouterAddress
from core.tenants import AfricasTalkingAccount, DarajaAccount

HOUR, DAY = 3600, 86400


@dataclass(frozen=True, slots=True)
class Sold:
    """A package of the demo. Price in whole shillings, speed in kbit/s."""

    code: str
    name: str
    price: int
    seconds: int
    quota_bytes: int | None = None
    upload_kbps: int = 2000
    download_kbps: int = 5000
    devices: int = 1


PRICE_LIST = (
    Sold("1H", "1 hour", 10, HOUR),
    Sold("3H", "3 hours", 20, 3 * HOUR),
    Sold("DAY", "1 day 2GB", 50, DAY, quota_bytes=2 * 10**9),
    Sold("WEEK", "1 week", 250, 7 * DAY, devices=2),
    Sold("MONTH", "1 month family", 900, 30 * DAY, devices=4, upload_kbps=4000, download_kbps=10000),
)


def open_shop(app: App, stage: Stage) -> Shop:
    """Tables, an ISP with an owner, prices, and accounts with the town's companies."""
    migrations.upgrade(app.engine)
    with app.work(None, OPERATOR) as uow:
        tenant = tenants.open_tenant(
            uow,
            slug="shore",
            name=stage.plan["daraja"]["name"],
            country="KE",
            currency="KES",
            timezone="Africa/Nairobi",
        )
    here = Shop(app, tenant.id, tenant)
    with here.work() as uow:
        tenants.invite_staff(uow, "owner", "owner")
        for each in PRICE_LIST:
            catalog.publish(
                uow, code=each.code, name=each.name, price=Money(each.price * 100, "KES"), duration_seconds=each.seconds,
                quota_bytes=each.quota_bytes, upload_kbps=each.upload_kbps, download_kbps=each.download_kbps,
                device_limit=each.devices,
            )  # fmt: skip
    sms, mpesa = stage.plan["africastalking"], stage.plan["daraja"]
    settings.change(
        here,
        help_line="0722 000003",
        africastalking=AfricasTalkingAccount(
            username=sms["username"], api_key=sms["api_key"], short_code=sms["short_code"],
            service_code=sms["service_code"], base_url=f"http://127.0.0.1:{stage.ports['africastalking']}",
        ),
        daraja=DarajaAccount(
            consumer_key=mpesa["consumer_key"], consumer_secret=mpesa["consumer_secret"],
            short_code=mpesa["short_code"], passkey=mpesa["passkey"],
            base_url=f"http://127.0.0.1:{stage.ports['daraja']}",
        ),
    )  # fmt: skip
    return here


def register(here: Shop, stage: Stage) -> RouterAddress:
    """Tell the companies our addresses, and make the router ask our RADIUS. Harmless to repeat (the town may have restarted)."""
    with here.work() as uow:
        found = addresses(uow, here.app.settings)
        known = [network.address_of(uow, each) for each in network.routers(uow)]
    stage.town.do(
        "register", ussd_url=found.ussd, ended_url=found.ussd_ended, sms_url=found.sms, delivery_url=found.sms_delivery,
        opt_out_url=found.sms_opt_out,
    )  # fmt: skip
    settings.register_urls(here, quiet=True)
    router = known[0] if known else _add_router(here, stage)
    router_plan.bring(here, router)
    return router


def _add_router(here: Shop, stage: Stage) -> RouterAddress:
    plan = stage.plan["routers"][0]
    wanted = RouterAddress(
        router_id=0, name=plan["name"], host=plan["host"], api_port=stage.ports["api"], api_tls=False,
        username=plan["username"], password=plan["password"], hotspot_server=plan["hotspot"],
        mac_auth_password=secrets.token_urlsafe(routers.SECRET_BYTES), coa_port=stage.ports["coa"],
        radius_secret=secrets.token_urlsafe(routers.SECRET_BYTES),
    )  # fmt: skip
    health = here.world.hotspot.probe(wanted, here.app.clock.now())
    return routers.keep(here, wanted, nas_address=plan["host"], health=health)
