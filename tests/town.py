"""The town of the tests: the whole product over pretend companies and a virtual router, with a clock that is moved.

The cast: the caller (dials), the owner, the stranger (belongs to another ISP). Nothing runs in the background: promises are
kept by `work_off`, time passes by `pass_time`, and both are deterministic.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from flask import Flask
from werkzeug.serving import BaseWSGIServer, make_server

from core import catalog, customers, ledger, network, outbox, subscriptions, tenants
from core.app import App, open_app
from core.clock import FrozenClock
from core.config import Settings
from core.customers import Customer, normalise_mac
from core.money import Money
from core.phone import Msisdn
from core.roles import SYSTEM
from core.tenants import AfricasTalkingAccount, DarajaAccount, TenantSettings
from jobs.perform import perform
from jobs.prober import Prober
from jobs.registry import JOBS
from jobs.sweeps import SWEEPS
from portal.app import create_app as portal_app
from radius.server import RadiusServer
from sim.africastalking import AfricasTalking
from sim.daraja import Daraja
from sim.mobile_money import MobileMoney
from sim.phone import Handset
from sim.routeros import Device, ManualClock, VirtualRouter
from ussd.app import create_app as ussd_app

SERVICE_CODE, SHORT_CODE, PAYBILL, PIN = "*384*35711#", "22999", "600123", "1234"
SAFARICOM, AIRTEL = "63902", "63903"
CALLER, NEIGHBOUR, STRANGER = "+254712345678", "+254722000111", "+254733444555"
TV = "02:00:5E:10:A1:B2"
ROUNDS_MAX = 200


@contextmanager
def web_server(web: Flask, port: int = 0) -> Iterator[str]:
    """A Flask app on a loopback port, of the system's choice unless one is named; its base URL."""
    server: BaseWSGIServer = make_server("127.0.0.1", port, web, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="web", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Shop:
    """One ISP of the town: its tenant and the addresses it gave to the companies."""

    tenant_id: int
    slug: str
    service_code: str
    short_code: str
    paybill: str
    hooks_url: str
    ussd_url: str
    sms_url: str


@dataclass
class Town:
    """Everything at once. Made by the fixture `town`."""

    app: App
    clock: FrozenClock
    router_clock: ManualClock
    router: VirtualRouter
    radius: RadiusServer
    africastalking: AfricasTalking
    money: MobileMoney
    daraja: Daraja
    ussd_base: str
    portal_base: str
    prober: Prober
    shop: Shop = field(init=False)
    phones: dict[str, Handset] = field(default_factory=dict)

    # ---- people and things -----------------------------------------------------------------------------------------------

    @property
    def caller(self) -> Handset:
        """A customer with a feature phone and 1,000 shillings."""
        return self.phone(CALLER)

    def phone(self, msisdn: str, network_code: str = SAFARICOM, balance_minor: int = 1_000_00) -> Handset:
        """The handset with this number; its owner's PIN is 1234."""
        if msisdn not in self.phones:
            self.money.add_wallet(msisdn, PIN, balance_minor)
            self.phones[msisdn] = Handset(msisdn, network_code, self.africastalking, self.money, self.daraja)
        return self.phones[msisdn]

    def package(self, code: str = "3H", price: str = "20", hours: int = 3, **extras: object) -> catalog.Package:
        """Put a package on sale: `3 hours` for 20 shillings unless told otherwise."""
        with self.app.work(self.shop.tenant_id) as uow:
            facts = {"name": f"{hours} hours", "upload_kbps": 2000, "download_kbps": 5000} | extras
            return catalog.publish(
                uow, code=code, price=Money.parse(price, "KES"), duration_seconds=hours * 3600, **facts  # type: ignore[arg-type]
            )  # fmt: skip

    def customer(self, msisdn: str = CALLER, mac: str | None = None) -> Customer:
        """Somebody the shop knows, with a device if one is named."""
        with self.app.work(self.shop.tenant_id) as uow:
            who = customers.recognise(uow, Msisdn(msisdn), "en", SAFARICOM)
            if mac is not None:
                customers.add_device(uow, who, normalise_mac(mac))
        return who

    def plug_in(self, mac: str = TV) -> Device:
        """A device joins the Wi-Fi: it knocks, and is refused until somebody pays."""
        device = self.router.plug_in(mac)
        self.router.settle()
        return device

    def register_urls(self) -> None:
        """The shop tells the company where to report payments made by hand; again is harmless."""
        gateway = self.app.world(self.shop.tenant_id).payments["daraja"]
        gateway.register_urls(f"{self.shop.hooks_url}/validate", self.shop.hooks_url)  # type: ignore[attr-defined]

    # ---- time and work ---------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Let everything that is on its way between the companies, the router and our doors arrive."""
        assert self.daraja.wait_until_idle()
        assert self.africastalking.wait_until_idle()
        self.router.settle()
        assert self.radius.settle(5)

    def due(self) -> list[int]:
        """Lease what is due now, as the relay does."""
        with self.app.work(None, SYSTEM) as uow:
            return [row[0] for row in outbox.lease_due(uow.session, uow.now, 1000)]

    def work_off(self) -> int:
        """Keep every promise that is due until none is left; how many there were."""
        kept = 0
        for _ in range(ROUNDS_MAX):
            self.settle()
            due = self.due()
            if not due:
                return kept
            for promise_id in due:
                perform(self.app, JOBS, promise_id)
            kept += len(due)
        raise AssertionError("promises breed promises without end")

    def sweep(self) -> None:
        """One beat of the clock process: every sweep once, and a look at the routers that are due."""
        for every in SWEEPS:
            every.sweep(self.app)
        self.prober.round()

    def pass_time(self, seconds: float, step_seconds: float = 30.0) -> None:
        """Let time pass for everybody, in steps; after each, sweeps run and due promises are kept."""
        left = seconds
        while left > 0:
            step = min(step_seconds, left)
            self.clock.advance(timedelta(seconds=step))
            self.router_clock.advance(step)
            self.sweep()
            self.work_off()
            left -= step

    # ---- what became of it -----------------------------------------------------------------------------------------------

    def totals(self) -> dict[str, int]:
        """The books: balance by kind of account, in cents."""
        with self.app.work(self.shop.tenant_id) as uow:
            return ledger.totals(uow)

    def open_promises(self) -> list[outbox.Promise]:
        """What is still owed or given up."""
        with self.app.work(None) as uow:
            return [row for row in uow.session.query(outbox.Promise) if row.done_at is None]

    def subscriptions(self, msisdn: str = CALLER) -> list[subscriptions.Subscription]:
        """Everything this number ever had, in order."""
        with self.app.work(self.shop.tenant_id) as uow:
            who = customers.by_phone(uow, Msisdn(msisdn))
            if who is None:
                return []
            rows = uow.session.query(subscriptions.Subscription).filter_by(customer_id=who.id)
            return list(rows.order_by(subscriptions.Subscription.id))


def open_shop(town: Town, slug: str, name: str, number: int = 0) -> Shop:
    """Open an ISP with accounts at both companies, a service code, a short code and a Paybill."""
    service_code = SERVICE_CODE if number == 0 else f"*384*3571{number + 1}#"
    short_code, paybill = str(int(SHORT_CODE) + number), str(int(PAYBILL) + number)
    with town.app.work(None) as uow:
        tenant = tenants.open_tenant(uow, slug=slug, name=name, country="KE", currency="KES", timezone="Africa/Nairobi")
    with town.app.work(tenant.id) as uow:
        tenants.change_settings(
            uow,
            TenantSettings(
                help_line="0700 000 000",
                africastalking=AfricasTalkingAccount(
                    username=slug, api_key=f"key-{slug}", short_code=short_code, service_code=service_code,
                    base_url=town.africastalking.base_url,
                ),
                daraja=DarajaAccount(
                    consumer_key=f"ck-{slug}", consumer_secret=f"cs-{slug}", short_code=paybill, passkey=f"pk-{slug}",
                    base_url=town.daraja.base_url,
                ),
            ),
        )  # fmt: skip
        secrets = {door: tenants.door_url_secret(uow, door) for door in tenants.DOORS}
    shop = Shop(
        tenant.id, slug, service_code, short_code, paybill,
        hooks_url=f"{town.portal_base}/hooks/daraja/{secrets['hooks']}",
        ussd_url=f"{town.ussd_base}/ussd/africastalking/{secrets['ussd']}",
        sms_url=f"{town.ussd_base}/sms/africastalking/{secrets['sms']}",
    )  # fmt: skip
    town.africastalking.add_account(
        slug, f"key-{slug}", delivery_url=f"{shop.sms_url}/delivery", opt_out_url=f"{shop.sms_url}/optout"
    )
    town.africastalking.add_short_code(short_code, slug, sms_url=shop.sms_url, delivery_url=f"{shop.sms_url}/delivery")
    town.africastalking.add_service_code(service_code, ussd_url=shop.ussd_url, ended_url=f"{shop.ussd_url}/ended")
    town.daraja.add_app(f"ck-{slug}", f"cs-{slug}")
    town.daraja.add_short_code(paybill, passkey=f"pk-{slug}", consumer_key=f"ck-{slug}", name=name)
    return shop


@contextmanager
def open_town(settings: Settings) -> Iterator[Town]:
    """Build the town on `settings`' database and take it down again."""
    clock, router_clock = FrozenClock(), ManualClock(FrozenClock().now())
    money = MobileMoney()
    with (
        _running(AfricasTalking(clock.now)) as africastalking,
        _running(Daraja(money, clock.now)) as daraja,
        VirtualRouter(identity="market", username="duka", password="router-pass", clock=router_clock) as router,
    ):
        bare = open_app(settings, clock=clock)
        with web_server(portal_app(bare), settings.portal.port) as portal_base:
            app = open_app(settings.model_copy(update={"public_url": portal_base}), clock=clock)
            prober = Prober(app, app.lookout)
            server = RadiusServer(app, settings.radius.host, settings.radius.auth_port, settings.radius.acct_port)
            server.start()
            try:
                with web_server(ussd_app(app)) as ussd_base:
                    town = Town(
                        app,
                        clock,
                        router_clock,
                        router,
                        server,
                        africastalking,
                        money,
                        daraja,
                        ussd_base,
                        portal_base,
                        prober,
                    )
                    town.shop = open_shop(town, "kiosk", "Kiosk Net")
                    _add_router(town)
                    yield town
            finally:
                server.stop()
                prober.close()
                app.close()
                bare.close()


@contextmanager
def _running(company):  # type: ignore[no-untyped-def]
    company.start()
    try:
        yield company
    finally:
        company.stop()


def _add_router(town: Town) -> None:
    with town.app.work(town.shop.tenant_id) as uow:
        row = network.add_router(
            uow, name="market", host="127.0.0.1", username="duka", password="router-pass", nas_address="127.0.0.1",
            api_port=town.router.api_port, api_tls=False, coa_port=town.router.coa_port,
        )  # fmt: skip
        secret, mac_password = row.radius_secret, row.mac_auth_password
    town.router.set_up_hotspot("127.0.0.1", town.radius.auth_port, town.radius.acct_port, secret, mac_password)
