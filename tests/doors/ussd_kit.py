"""One ISP with a price list, the door in front of it, and phones that dial and text: for tests of the `ussd` process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from core import catalog, customers, ledger, messaging, network, outbox, purchases, tenants
from core.app import App, open_app
from core.clock import FrozenClock
from core.config import Settings
from core.customers import Customer
from core.ledger import Code, chart
from core.messaging import Message
from core.money import Money
from core.phone import Msisdn
from core.tenants import AfricasTalkingAccount, DarajaAccount, TenantSettings
from core.texts import USSD_SEPTETS_MAX, septets
from ussd.app import create_app

CALLER, NEIGHBOUR = "+254712345678", "+254722000111"
SAFARICOM, AIRTEL = "63902", "63903"
SHORT_CODE, PAYBILL, HELP_LINE, SERVICE_CODE = "22999", "600123", "0700 000 000", "*384*35711#"
TV, LAPTOP = "02:00:5E:10:A1:B2", "02:00:5E:10:C3:D4"


@dataclass
class Call:
    """A phone in a session. `screen` is what it shows, without the gateway's word; `open` while it may answer."""

    stand: Stand
    phone: str
    network: str
    session_id: str
    typed: list[str] = field(default_factory=list)
    screen: str = ""
    open: bool = True

    def post(self, text: str | None = None) -> str:
        """Post this text (or everything typed so far) and read the answer, which must fit a phone."""
        response = self.stand.post(
            self.stand.ussd_path, sessionId=self.session_id, phoneNumber=self.phone, networkCode=self.network,
            serviceCode=SERVICE_CODE, text="*".join(self.typed) if text is None else text,
        )  # fmt: skip
        assert response.status_code == 200, response.text
        assert response.content_type == "text/plain; charset=utf-8"
        word, _, screen = response.text.partition(" ")
        assert word in ("CON", "END"), response.text
        length = septets(screen)
        assert length is not None, f"not GSM: {screen!r}"
        assert 0 < length <= USSD_SEPTETS_MAX, f"{length} septets: {screen!r}"
        self.screen, self.open = screen, word == "CON"
        return screen

    def answer(self, *typed: str) -> str:
        """Type these, one after the other; the last screen."""
        for text in typed:
            assert self.open, f"the session is over: {self.screen}"
            self.typed.append(text)
            self.post()
        return self.screen

    def choose(self, label: str) -> str:
        """Press the number in front of the line that begins with `label`, turning pages until it is there."""
        for _ in range(10):
            for line in self.screen.splitlines():
                number, _, words = line.partition(" ")
                if words.startswith(label) and number.isdigit():
                    return self.answer(number)
            self.answer("98")
        raise AssertionError(f"no {label!r} here: {self.screen}")


@dataclass
class Stand:
    """The ISP's stand at the market."""

    app: App
    clock: FrozenClock
    web: FlaskClient
    tenant_id: int
    ussd_path: str
    sms_path: str

    # ---- phones

    def post(self, path: str, **form: Any) -> TestResponse:
        """A form post as Africa's Talking sends it."""
        return self.web.post(path, data=form, content_type="application/x-www-form-urlencoded")

    def dial(self, phone: str = CALLER, *, network: str = SAFARICOM, text: str = "") -> Call:
        """Start a session; `text` for somebody who dialled further digits."""
        call = Call(self, phone, network, f"ATUid_{uuid4().hex}")
        call.typed = text.split("*") if text else []
        call.post()
        return call

    def text(self, words: str, phone: str = CALLER, **form: str) -> str | None:
        """Send an SMS; the reply that is now owed to that very message, if any."""
        sent = {"id": uuid4().hex, "from": phone, "to": SHORT_CODE, "text": words, "date": "2026-11-20 09:00:00"} | form
        before = {message.id for message in self.messages(phone)}
        assert self.post(self.sms_path, **sent).status_code == 200
        new = [m for m in self.messages(phone) if m.id not in before and m.template == "reply"]
        assert len(new) <= 1
        return new[0].text if new else None

    # ---- the ISP's side

    def package(self, code: str = "3H", price: str = "20", hours: int = 3, **extras: Any) -> catalog.Package:
        """Put a package on sale."""
        facts = {"name": f"{hours} hours", "duration_seconds": hours * 3600} | extras
        with self.app.work(self.tenant_id) as uow:
            made = catalog.publish(uow, code=code, price=Money.parse(price, "KES"), **facts)
        self.pass_time(3)
        return made

    def configure(self, **changes: Any) -> None:
        """Change settings of the ISP."""
        with self.app.work(self.tenant_id) as uow:
            tenants.change_settings(uow, tenants.settings_of(uow).model_copy(update=changes))
        self.pass_time(3)

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))

    def customer(self, phone: str = CALLER, *, mac: str | None = None, language: str = "en") -> Customer:
        """Somebody we know."""
        with self.app.work(self.tenant_id) as uow:
            who = customers.recognise(uow, Msisdn(phone), language, SAFARICOM)
            if mac is not None:
                customers.add_device(uow, who, mac)
        return who

    def pay_in(self, amount: str, phone: str = CALLER) -> None:
        """Money in the wallet, from nowhere in particular."""
        who = self.customer(phone)
        with self.app.work(self.tenant_id) as uow:
            ledger.transfer(
                uow, key=f"test:{uuid4().hex}", code=Code.CORRECTION, debit=chart.gateway("daraja"),
                credit=chart.wallet(who.id), amount=Money.parse(amount, "KES"),
            )  # fmt: skip

    def bought(self, package: catalog.Package, phone: str = CALLER) -> None:
        """Somebody bought this and paid."""
        self.pay_in(str(package.price), phone)
        who = self.customer(phone)
        with self.app.work(self.tenant_id) as uow:
            purchases.buy_at(uow, who, package, package.price, key=f"test:{uuid4().hex}", from_wallet=True)

    def router(self, name: str = "Market", number: int = 1) -> int:
        with self.app.work(self.tenant_id) as uow:
            return network.add_router(
                uow,
                name=name,
                host="127.0.0.1",
                username="duka",
                password="router-pass",
                nas_address=f"10.9.0.{number}",
                api_port=8700 + number,
            ).id

    def knock(self, router_id: int, *macs: str) -> None:
        """These devices join the Wi-Fi and wait."""
        with self.app.work(self.tenant_id) as uow:
            for mac in macs:
                network.seen(uow, router_id, mac)

    # ---- what became of it

    def messages(self, phone: str = CALLER) -> list[Message]:
        with self.app.work(self.tenant_id) as uow:
            return list(uow.session.scalars(select(Message).where(Message.msisdn == phone).order_by(Message.id)))

    def told(self, phone: str = CALLER) -> list[str]:
        """The templates of everything this number was texted."""
        return [message.template for message in self.messages(phone)]

    def purchases(self) -> list[purchases.Purchase]:
        with self.app.work(self.tenant_id) as uow:
            return list(uow.session.scalars(select(purchases.Purchase).order_by(purchases.Purchase.id)))

    def owed(self, kind: str) -> list[outbox.Promise]:
        with self.app.work(None) as uow:
            rows = uow.session.scalars(select(outbox.Promise).where(outbox.Promise.kind == kind))
            return [row for row in rows if row.tenant_id == self.tenant_id]

    def macs(self, phone: str = CALLER) -> list[str]:
        """The devices this number holds."""
        with self.app.work(self.tenant_id) as uow:
            who = customers.by_phone(uow, Msisdn(phone))
            return [device.mac for device in customers.devices(uow, who.id)] if who is not None else []

    def who(self, phone: str = CALLER) -> Customer | None:
        with self.app.work(self.tenant_id) as uow:
            return customers.by_phone(uow, Msisdn(phone))

    def may_market(self, phone: str = CALLER) -> bool:
        with self.app.work(self.tenant_id) as uow:
            return messaging.may_market(uow, Msisdn(phone))


def open_stand(app: App, clock: FrozenClock, web: FlaskClient, slug: str = "kiosk", **settings: Any) -> Stand:
    """Another ISP behind the same door."""
    with app.work(None) as uow:
        tenant = tenants.open_tenant(
            uow, slug=slug, name="Kiosk Net", country="KE", currency="KES", timezone="Africa/Nairobi"
        )
    with app.work(tenant.id) as uow:
        facts = {
            "help_line": HELP_LINE,
            "africastalking": AfricasTalkingAccount(
                username=slug, api_key="at-key", short_code=SHORT_CODE, service_code=SERVICE_CODE, sender_id="KIOSK"
            ),
            "daraja": DarajaAccount(
                consumer_key="ck", consumer_secret="cs", short_code=PAYBILL, passkey="pk"
            ),
        } | settings  # fmt: skip
        tenants.change_settings(uow, TenantSettings(**facts))
        ussd, sms = (tenants.door_url_secret(uow, door) for door in ("ussd", "sms"))
    return Stand(app, clock, web, tenant.id, f"/ussd/africastalking/{ussd}", f"/sms/africastalking/{sms}")


@contextmanager
def running_stand(settings: Settings) -> Iterator[Stand]:
    """The door over a database of its own."""
    clock = FrozenClock()
    app = open_app(settings, clock=clock)
    try:
        yield open_stand(app, clock, create_app(app).test_client())
    finally:
        app.close()
