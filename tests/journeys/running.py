"""The town with real processes: people, a router and companies around a service that the Procfile started.

The shop's processes, their database and their Redis are real and their own (`tests.journeys.processes`); the companies, the
phones and the router (on the real clock) live in the test's process. Nothing here sleeps for a fixed time: whatever is
waited for is looked at until it is so or a deadline passes.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count

from core import customers, ledger, messaging, network, purchases, subscriptions
from core.money import Money
from core.payments import Payment
from core.phone import Msisdn
from core.tasks import Probe
from sim.africastalking import AfricasTalking
from sim.africastalking.messaging import SendRequest
from sim.daraja import Daraja
from sim.daraja.stk import Checkout
from sim.mobile_money import MobileMoney
from sim.phone import Handset
from sim.routeros import Device, VirtualRouter
from tests.journeys.processes import SCHEDULED, Processes
from tests.services import eventually
from tests.town import PIN, SAFARICOM, Shop

PRICE_MINOR = 20_00
WORKERS = 2
STORY_SECONDS_MAX = 60.0
"""How long a story may wait for its good end on a busy machine."""


@dataclass
class Payer:
    """Somebody new, with a phone and a device that waits on the Wi-Fi."""

    phone: Handset
    device: Device

    @property
    def msisdn(self) -> str:
        return self.phone.msisdn

    @property
    def mac(self) -> str:
        return self.device.mac

    def is_asked(self, checkout: Checkout) -> bool:
        """Is this prompt for them?"""
        return checkout.msisdn == self.msisdn

    def is_told(self, call: SendRequest) -> bool:
        """Is this SMS for them?"""
        return self.msisdn in call.recipients


@dataclass
class RunningTown(Processes):
    """A service and a town around it. Made by `tests.journeys.service.open_running_town`."""

    router: VirtualRouter
    africastalking: AfricasTalking
    money: MobileMoney
    daraja: Daraja
    shop: Shop = field(init=False)
    served: list[Payer] = field(default_factory=list)
    """Whom this story has served; with what was in the books before, that is all that may be in them afterwards."""
    vouchers_redeemed: int = 0
    """In this story."""
    _revenue_before: int = 0
    _numbers: Iterator[int] = field(default_factory=lambda: count(100))

    @property
    def ussd_base(self) -> str:
        return self.web_bases[0]

    @property
    def portal_base(self) -> str:
        return self.web_bases[1]

    def begin_story(self) -> None:
        """A story counts its own money only, and finds everything in its place."""
        self.tidy_up()
        self.served, self.vouchers_redeemed, self._revenue_before = [], 0, self.revenue()

    # ---- people ----------------------------------------------------------------------------------------------------------

    def newcomer(self) -> Payer:
        """Somebody nobody knows yet: a phone with 1,000 shillings, and a device that has knocked and was refused."""
        self.wait_until_open()
        number = next(self._numbers)
        msisdn, mac = f"+254712345{number}", f"02:00:5E:10:{number // 100:02X}:{number % 100:02d}"
        self.money.add_wallet(msisdn, PIN, 1_000_00)
        payer = Payer(
            Handset(msisdn, SAFARICOM, self.africastalking, self.money, self.daraja), self.router.plug_in(mac)
        )
        eventually(lambda: mac in self.waiting_macs(), STORY_SECONDS_MAX, f"RADIUS sees {mac}")
        return payer

    def order(self, payer: Payer) -> None:
        """Dials, takes the first package for the own device; the prompt is three seconds away."""
        payer.phone.dial(self.shop.service_code)
        screen = payer.phone.answer("1")
        assert "PIN" in payer.phone.answer(self.key_of(screen, payer))

    def register(self, payer: Payer) -> None:
        """The payer's device is known to the shop before the order."""
        with self.app.work(self.shop.tenant_id) as uow:
            who = customers.recognise(uow, Msisdn(payer.msisdn), "en", SAFARICOM)
            customers.add_device(uow, who, payer.mac)

    @staticmethod
    def key_of(screen: str, payer: Payer) -> str:
        """What to press to pay for the own device: its line if several wait, else the first."""
        signs = payer.mac.replace(":", "")[-4:]
        named = [line.split()[0] for line in screen.splitlines() if signs in line and line.split()[0].isdigit()]
        return named[0] if named else "1"

    def prompted(self, payer: Payer) -> None:
        """The prompt is on the phone. Its three seconds of grace are not waited for: the clock is moved."""
        self._due_now(lambda row: row.kind == "PromptPayment")
        payer.phone.wait_for_prompt(STORY_SECONDS_MAX)

    def ordered(self) -> Payer:
        """A newcomer, up to the prompt on the phone."""
        payer = self.newcomer()
        self.order(payer)
        self.prompted(payer)
        return payer

    def pay(self, payer: Payer) -> None:
        """Types the PIN; the money is gone."""
        assert payer.phone.type_pin(PIN) == "paid"

    # ---- what became of it -----------------------------------------------------------------------------------------------

    def waiting_macs(self) -> set[str]:
        with self.app.work(self.shop.tenant_id) as uow:
            return {mac for mac, _ in network.waiting_devices(uow, limit=100)}

    def owed(self) -> list[tuple[str, str | None]]:
        """What should not be open any more once a story is over: kind and last error."""
        return [(row.kind, row.last_error) for row in self.promises() if row.kind not in SCHEDULED or row.parked_at]

    def give_idle_workers_something(self) -> None:
        """Redis hands the next job to whoever asked for it, even to a worker that is frozen: one for each that waits."""
        for _ in range(WORKERS):
            with self.app.work(self.shop.tenant_id) as uow:
                uow.later(Probe(network.find_router(uow, "market").id))

    def revenue(self) -> int:
        with self.app.work(self.shop.tenant_id) as uow:
            return ledger.totals(uow).get("revenue", 0)

    def payments(self, payer: Payer) -> list[Payment]:
        with self.app.work(self.shop.tenant_id) as uow:
            return uow.session.query(Payment).filter_by(msisdn=payer.msisdn).order_by(Payment.id).all()

    def receipts(self, payer: Payer) -> list[str]:
        """The SMS that say "Paid", as they are on the phone."""
        return [sms.text for sms in payer.phone.sms_inbox if sms.text.startswith("Paid")]

    def is_served(self, payer: Payer) -> bool:
        return payer.device.online and bool(self.receipts(payer)) and not self.owed()

    def until_served(self, *payers: Payer, healing: bool = False) -> None:
        """Waits for the good end; says what is missing when it does not come. `healing` moves the clocks meanwhile."""

        def served() -> bool:
            if healing:
                self.heal()
            return all(self.is_served(payer) for payer in payers)

        try:
            eventually(served, STORY_SECONDS_MAX)
        except AssertionError as late:
            lacking = [(each.mac, each.device.online, self.receipts(each)) for each in payers]
            raise AssertionError(f"not served: {lacking}, owed: {self.owed()}") from late

    def heal(self) -> None:
        """Moves all clocks a little, as in the minutes after an outage. Redis may still be away for a moment."""
        self.end_old_leases()
        self.free_lanes()
        if self.daraja.wait_until_idle() and not self.promises("PromptPayment", "Digest"):
            self.check_now()

    def assert_served_once(
        self, payer: Payer, *, prompts: int = 1, receipts: Container[int] = (1,), healing: bool = False
    ) -> None:
        """Waits for the good end, then looks at everything: this payer's things, and all books of the shop."""
        self.served.append(payer)
        self.until_served(payer, healing=healing)
        assert payer.mac in [row["user"] for row in self.router.rows("/ip/hotspot/active")]
        self.assert_bought_once(payer)
        assert len(self.daraja.prompts_for(payer.msisdn)) == prompts
        assert len(self.receipts(payer)) in receipts
        self.assert_books()

    def assert_bought_once(self, payer: Payer) -> None:
        """One purchase, completed; one subscription of three hours; one receipt on record; the wallet is empty."""
        with self.app.work(self.shop.tenant_id) as uow:
            who = customers.by_phone(uow, Msisdn(payer.msisdn))
            assert who is not None
            (order,) = uow.session.query(purchases.Purchase).filter_by(customer_id=who.id)
            assert order.completed_at is not None
            (bought,) = uow.session.query(subscriptions.Subscription).filter_by(customer_id=who.id)
            assert bought.ends_at - bought.starts_at == timedelta(hours=3)
            told = [row.key for row in uow.session.query(messaging.Message).filter_by(msisdn=payer.msisdn)]
            assert [key for key in told if key.startswith("receipt:")] == [f"receipt:{order.id}"]
            assert ledger.balance(uow, f"wallet:{who.id}", "KES") == Money(0, "KES")

    def assert_books(self) -> None:
        """Everybody's money together: to the cent what was paid, all of it revenue, none astray; nothing parked."""
        with self.app.work(self.shop.tenant_id) as uow:
            totals = ledger.totals(uow)
        assert sum(totals.values()) == 0
        assert totals["revenue"] == self._revenue_before + PRICE_MINOR * (len(self.served) + self.vouchers_redeemed)
        assert totals["revenue"] + totals.get("vouchers", 0) == self.daraja.total_taken_minor
        assert totals.get("wallets", 0) == totals.get("suspense", 0) == 0
        assert self.owed() == []
        assert self.said.bugs == []

    def last_words(self) -> str:
        """What the processes said lately, for whoever must understand a failure."""
        return "\n".join(self.said.lines)
