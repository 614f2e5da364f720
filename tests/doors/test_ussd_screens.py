"""Every screen in every language with the longest names and prices: seen, whole, and never more than a phone shows.

`ussd_kit` asserts the length and the alphabet of each one; here nothing may be cut off either.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from sqlalchemy import insert

from core import catalog, vouchers
from core.catalog.actions import QUOTE_HONOURED_SECONDS
from core.config import Settings
from core.customers.actions import DEVICES_MAX
from core.dialogs import Dialog
from core.money import Money
from core.radius_tables import radacct
from core.tenants import Tenant
from core.texts import plain
from tests.doors.ussd_kit import AIRTEL, LAPTOP, NEIGHBOUR, SAFARICOM, TV, Call, Stand, open_stand, running_stand
from ussd.words import LANGUAGES, TEXTS

LONG_NAME, LONG_SHOP, LONG_ROUTER = "Family pack thirty days X", "Community Internet of the North", "M" * 40
SEEN_ELSEWHERE = {
    "refusal.other", "refusal.no_such_receipt", "refusal.not_your_receipt", "refusal.not_a_renewal",
    "refusal.no_such_package", "refusal.not_a_device", "refusal.receipt_missing", "refusal.no_line", "language.name",
}  # fmt: skip
"""Said in SMS only, or (the first) for refusals that have no words of their own."""


class Audience:
    """Everybody who calls in one language, and every screen they saw."""

    def __init__(self, stand: Stand, language: str) -> None:
        self.stand, self.language, self.seen = stand, language, set[str]()
        self._count = 0

    def call(self, phone: str | None = None, network: str = SAFARICOM) -> Call:
        """A caller of whom we know nothing but the language, unless `phone` says who calls."""
        self._count += 1
        phone = phone or f"+2547{10_000_000 + self._count}"
        self.stand.customer(phone, language=self.language)
        call = self.stand.dial(phone, network=network)
        self._look(call)
        return call

    def press(self, call: Call, *answers: str) -> Call:
        """Press keys; a text's key or `>words` presses the line that begins so."""
        for answer in answers:
            if answer in TEXTS.keys():  # noqa: SIM118 (not a dict)
                call.choose(TEXTS.template(self.language, answer).partition("{")[0])
            elif answer.startswith(">"):
                call.choose(answer[1:])
            else:
                call.answer(answer)
            self._look(call)
        return call

    def _look(self, call: Call) -> None:
        self.seen.add(call.screen)
        if not call.open:
            assert call.screen.endswith("."), f"cut off: {call.screen}"
            return
        with self.stand.app.work(self.stand.tenant_id) as uow:
            dialog = uow.session.query(Dialog).filter_by(session_id=call.session_id).one()
            if dialog.memory["offset"] == 0:
                assert plain(dialog.memory["text"]) in call.screen, "the head is cut off"
            assert dialog.memory["shown"] or not dialog.memory["options"]
            assert (len(dialog.memory["options"]) > dialog.memory["shown"]) is (
                "\n98 " in call.screen or dialog.memory["offset"] > 0
            )


@pytest.fixture
def stand(settings: Settings) -> Iterator[Stand]:
    with running_stand(settings) as first:
        stand = open_stand(first.app, first.clock, first.web, "long")
        with stand.app.work(None) as uow:
            uow.session.query(Tenant).filter_by(slug="long").one().name = LONG_SHOP
        stand.configure(help_line="+254 700 000 000 ext")
        yield stand


def long_package(stand: Stand, code: str = "LONG", **extras: object) -> catalog.Package:
    facts = {"name": LONG_NAME[:24], "quota_bytes": 999_900_000_000, "device_limit": 6} | extras
    return stand.package(code, "250000", 24 * 365 + 23, **facts)


def voucher(stand: Stand, package: catalog.Package) -> str:
    with stand.app.work(stand.tenant_id) as uow:
        return vouchers.issue(uow, catalog.package(uow, package.id))


def change(stand: Stand, package: catalog.Package, price: int | None) -> None:
    """Another price, or off sale; and so much time that what was shown is no longer honoured."""
    with stand.app.work(stand.tenant_id) as uow:
        row = catalog.package(uow, package.id)
        if price is None:
            catalog.withdraw(uow, row)
        else:
            catalog.reprice(uow, row, Money(price, "KES"))
    stand.pass_time(QUOTE_HONOURED_SECONDS + 1)


def buying(people: Audience, stand: Stand) -> None:
    people.call()
    package = long_package(stand)
    people.press(people.call(), "1", "buy.pay")
    people.press(people.call(network=AIRTEL), "1", "buy.pay")
    rich = people.call()
    stand.pay_in("250000", rich.phone)
    people.press(rich, "1", "buy.pay")
    known = people.call(rich.phone)
    people.press(known, "home.packages", "1", "0", "98" if "\n98 " in known.screen else "00")
    changed = people.press(people.call(), "1")
    change(stand, package, 30_000_000)
    people.press(changed, "buy.pay")
    unlimited = long_package(stand, "SHORT", quota_bytes=None, device_limit=1)
    stand.bought(unlimited, NEIGHBOUR)
    people.press(people.call(), "2")
    people.call(NEIGHBOUR)
    gone = people.press(people.call(), "1")
    change(stand, package, None)
    people.press(gone, "buy.pay")
    people.call(rich.phone)
    dropped = people.press(people.call(), "1")
    people.press(people.call(dropped.phone), "resume.continue")
    people.press(people.call(dropped.phone), "resume.anew")
    change(stand, unlimited, None)
    stand.pass_time(40_000_000)
    people.call(rich.phone)


def devices(people: Audience, stand: Stand) -> None:
    long_package(stand, "LONG2")
    people.press(people.call(), "home.devices", "devices.add", "FFFF", "nothing")
    router = stand.router(LONG_ROUTER, 7)
    stand.knock(router, TV)
    people.press(people.call(), "1", "buy.other_device", "XX", "00", "1", "buy.pay_later_device")
    people.press(people.call(), "1", "buy.pay")
    stand.knock(router, LAPTOP, "02:11:11:11:00:01", "02:22:22:22:00:01")
    people.press(people.call(), "1", "98")
    owner = people.press(people.call(), "home.devices", "devices.add", "0001", "C3D4", ">C3D4")
    people.press(owner, "devices.move", "02:00:00:00:00:09", ">0009", "devices.move", TV)
    assert "A1B2" in owner.screen, "it is somebody else's"
    people.press(owner, "00", "home.devices", ">0009")
    stand.text("REMOVE 0009", owner.phone)
    people.press(owner, "devices.release")
    stand.customer(owner.phone, mac="02:00:00:00:00:09")
    people.press(owner, "00", "home.devices", ">0009", "devices.release")
    holder = people.call()
    for number in range(DEVICES_MAX):
        stand.customer(holder.phone, mac=f"02:00:00:00:01:{number:02X}")
    people.press(holder, "home.devices", "devices.add", "02:00:00:00:02:00")
    with stand.app.work(stand.tenant_id) as uow:
        uow.session.execute(
            insert(radacct).values(
                acctsessionid="1", acctuniqueid=f"{stand.tenant_id}", username="02:00:00:00:01:00@long",
                nasipaddress="10.9.0.7", acctstarttime=uow.now,
            )
        )  # fmt: skip
    people.press(people.call(holder.phone), "resume.anew", "home.devices")


def codes_and_account(people: Audience, stand: Stand) -> None:
    package = long_package(stand, "LONG3")
    people.press(people.call(), "home.voucher", "1234567890", "1234567890")
    used = voucher(stand, package)
    people.press(people.call(), "home.voucher", used)
    people.press(people.call(), "home.voucher", used)
    with stand.app.work(stand.tenant_id) as uow:
        late = vouchers.issue(uow, catalog.package(uow, package.id), expires_at=uow.now)
    guesser = people.press(people.call(), "home.voucher", late)
    for _ in range(5):
        if not guesser.open:
            break
        people.press(guesser, "1234567890")
    for _ in range(5):
        again = people.press(people.call(guesser.phone), "home.voucher", "1234567890")
        if again.open:
            people.press(again, "1234567890")
    owner = people.call()
    stand.customer(owner.phone, mac="02:00:00:00:03:00")
    people.press(owner, "home.voucher", voucher(stand, package))
    stand.knock(stand.router("N" + LONG_ROUTER[1:], 8), "02:00:00:00:03:01")
    people.press(people.call(), "home.voucher", voucher(stand, package), "1")
    rich = people.call()
    stand.pay_in("9999999.50", rich.phone)
    stand.bought(package, rich.phone)
    people.press(rich, "home.balance", "00", "home.help", "00", "home.language", "0", "77", "77")
    stand.configure(help_line="")
    people.press(people.call(), "home.help", "77", "77")
    stand.configure(daraja=None)
    people.press(people.call(), "1", "77", "1")


def pattern(template: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in re.split(r"\{\w+\}", template)), re.DOTALL)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_of_the_menu_is_seen_whole(stand: Stand, language: str) -> None:
    people = Audience(stand, language)
    for scene in (buying, devices, codes_and_account):
        scene(people, stand)
        stand.pass_time(3700)
    keys = {key for key in TEXTS.keys() if not key.startswith("sms.")} - SEEN_ELSEWHERE  # noqa: SIM118
    unseen = {
        key for key in keys if not any(pattern(TEXTS.template(language, key)).search(screen) for screen in people.seen)
    }
    assert unseen == set()
