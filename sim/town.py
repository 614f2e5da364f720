"""The town as one object: companies, routers, people with phones and things with Wi-Fi, assembled from `sim/town.toml`.

Its methods are what a person can do here, in words and plain values, so that a web page (or the demo, over `sim/api.py`)
needs nothing else. Every method may be called from any thread. What cannot be done raises `CannotDo` with a sentence.
"""

from __future__ import annotations

import secrets
import threading
from typing import Any, Self

from sim.africastalking import AfricasTalking, SessionOver
from sim.chronicle import Chronicle
from sim.daraja import Daraja
from sim.mobile_money import MobileMoney, NoPrompt, PaymentRefused
from sim.phone import Handset, NoSession
from sim.routeros import Device, LoginResult, VirtualRouter
from sim.shop_health import ShopHealth
from sim.town_plan import DevicePlan, PhonePlan, Plan, RouterPlan
from sim.town_state import describe_absent, describe_device, describe_phone, describe_router, recent
from sim.troubles import Trouble, troubles_of

Facts = dict[str, Any]


class CannotDo(Exception):
    """This cannot be done here; the message is a sentence for the person who tried. `missing`: there is no such thing."""

    def __init__(self, sentence: str, *, missing: bool = False) -> None:
        super().__init__(sentence)
        self.missing = missing


class Town:
    """Use as a context manager, or call `start` and `stop`."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.africastalking = AfricasTalking()
        self.money = MobileMoney(
            line_is_busy=self.africastalking.in_session, prompt_seconds=plan.prompt_seconds
        ).start()
        self.daraja = Daraja(self.money)
        self.routers = {router.name: _router(router) for router in plan.routers}
        self.phones = {phone.msisdn: self._handset(phone) for phone in plan.phones}
        self._labels = {phone.msisdn: phone.label for phone in plan.phones}
        self._device_labels = {device.mac: device.label for device in plan.devices}
        self._elsewhere = {device.mac: device for device in plan.devices if not device.present}
        self._lock = threading.Lock()
        self.troubles: dict[str, Trouble] = troubles_of(self.africastalking, self.daraja, self.money, self.routers)
        self._chronicle = Chronicle(self.money, self.daraja, self.phones, self.routers, self.troubles)
        self._doors: dict[str, str] = {}
        self._shop_health = ShopHealth(self._shop_doors)

    # ── life ──

    def start(self) -> Self:
        """Open every office and plug every router in."""
        plan = self.plan
        self.africastalking.start(port=plan.africastalking.port)
        self.daraja.start(port=plan.daraja.port)
        self.daraja.delay_callbacks(plan.callback_seconds)
        self.africastalking.add_account(
            plan.africastalking.username, plan.africastalking.api_key, plan.africastalking.balance * 100
        )
        self.daraja.add_app(plan.daraja.consumer_key, plan.daraja.consumer_secret)
        self.daraja.add_short_code(
            plan.daraja.short_code,
            passkey=plan.daraja.passkey,
            consumer_key=plan.daraja.consumer_key,
            name=plan.daraja.name,
        )
        for router in self.routers.values():
            router.start()
        for router_plan in plan.routers:
            _open_hotspot(self.routers[router_plan.name], router_plan)
        for device in plan.devices:
            if device.present:
                self._plug_in(device)
        self._chronicle.start()
        self._shop_health.start()
        return self

    def stop(self) -> None:
        """Close everything."""
        self._shop_health.stop()
        self._chronicle.stop()
        for router in self.routers.values():
            router.stop()
        self.daraja.stop()
        self.africastalking.stop()
        self.money.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # ── looking around ──

    def state(self) -> Facts:
        """Everything there is to see, as plain values (see `sim/town_state.py` for each part)."""
        return {
            "now": self.money.now().isoformat(),
            "phones": [
                describe_phone(phone, self.money, self._labels[number]) for number, phone in self.phones.items()
            ],
            "devices": self._devices_facts(),
            "routers": [describe_router(name, router) for name, router in self.routers.items()],
            "companies": {"africastalking": self._africastalking_facts(), "daraja": self._daraja_facts()},
            "troubles": [trouble.facts() for trouble in self.troubles.values()],
            "shop": self._shop_health.facts(),
            "events": self._chronicle.facts(),
        }

    def _africastalking_facts(self) -> Facts:
        plan = self.plan.africastalking
        return {
            "base_url": self.africastalking.base_url,
            "service_code": plan.service_code,
            "short_code": plan.short_code,
            "balance_minor": self.africastalking.accounts[plan.username].balance_minor,
            "sent": self.africastalking.messaging.sent_count,
        }

    def _daraja_facts(self) -> Facts:
        payments = self.daraja.payments()
        return {
            "base_url": self.daraja.base_url,
            "short_code": self.plan.daraja.short_code,
            "taken_minor": sum(payment.amount_minor for payment in payments),
            "payments": [
                {
                    "receipt": payment.receipt,
                    "msisdn": payment.msisdn,
                    "amount_minor": payment.amount_minor,
                    "account": payment.account,
                    "by_hand": payment.by_hand,
                    "at": payment.at.isoformat(),
                }
                for payment in recent(payments)
            ],
            "deliveries": [
                {"kind": done.parcel.kind, "status": done.answer.status, "error": done.answer.error}
                for done in recent(self.daraja.deliveries)
            ],
        }

    # ── contracts with the companies: what an owner types into their web pages ──

    def register(
        self,
        *,
        ussd_url: str,
        ended_url: str | None = None,
        sms_url: str | None = None,
        delivery_url: str | None = None,
        opt_out_url: str | None = None,
    ) -> Facts:
        """Tell Africa's Talking where the ISP's doors are; repeating changes the addresses."""
        plan = self.plan.africastalking
        self._doors["ussd"] = ussd_url
        self.africastalking.add_service_code(plan.service_code, ussd_url=ussd_url, ended_url=ended_url)
        self.africastalking.add_short_code(
            plan.short_code, plan.username, sms_url=sms_url, delivery_url=delivery_url, opt_out_url=opt_out_url
        )
        return {"service_code": plan.service_code, "short_code": plan.short_code}

    # ── people with phones ──

    def dial(self, msisdn: str, code: str) -> Facts:
        """Dial a code (the town's service code when empty); the first screen."""
        phone = self._phone(msisdn)
        phone.dial(code or self.plan.africastalking.service_code)
        return self._after(phone)

    def answer(self, msisdn: str, digits: str) -> Facts:
        """Answer the menu; the next screen."""
        phone = self._phone(msisdn)
        try:
            phone.answer(digits)
        except (NoSession, SessionOver) as error:
            raise CannotDo("there is no menu on this phone: dial first") from error
        return self._after(phone)

    def hang_up(self, msisdn: str) -> Facts:
        """Press the red button."""
        phone = self._phone(msisdn)
        if phone.session is not None:
            phone.hang_up()
        return self._after(phone)

    def type_pin(self, msisdn: str, pin: str) -> Facts:
        """Answer the payment prompt with a PIN; `outcome` tells what came of it."""
        phone = self._phone(msisdn)
        try:
            outcome = phone.type_pin(pin)
        except NoPrompt as error:
            raise CannotDo("there is no payment prompt on this phone") from error
        return {**self._after(phone), "outcome": str(outcome)}

    def cancel(self, msisdn: str) -> Facts:
        """Press Cancel on the payment prompt."""
        phone = self._phone(msisdn)
        try:
            outcome = phone.cancel_prompt()
        except NoPrompt as error:
            raise CannotDo("there is no payment prompt on this phone") from error
        return {**self._after(phone), "outcome": str(outcome)}

    def text(self, msisdn: str, to: str, text: str) -> Facts:
        """Send an SMS to a short code (the town's when empty)."""
        phone = self._phone(msisdn)
        try:
            phone.text(to or self.plan.africastalking.short_code, text)
        except LookupError as error:
            raise CannotDo(str(error.args[0]) if error.args else "nobody has this short code") from error
        return self._after(phone)

    def paybill(self, msisdn: str, account: str, amount_minor: int, short_code: str = "") -> Facts:
        """Pay by hand from the mobile-money menu; `receipt` is the company's number."""
        phone = self._phone(msisdn)
        try:
            receipt = phone.pay_by_hand(short_code or self.plan.daraja.short_code, account, amount_minor)
        except PaymentRefused as error:
            raise CannotDo(f"M-Pesa says no: {error.reason}") from error
        return {**self._after(phone), "receipt": receipt}

    # ── things with Wi-Fi ──

    def add_device(self, mac: str = "", router: str = "", hostname: str = "") -> Facts:
        """Bring a new device into reach of a router (the first one when empty); without a MAC it invents one, as phones do."""
        where = self._router(router)
        try:
            device = where.plug_in(mac or invented_mac(), hostname=hostname or None)
        except ValueError as error:
            raise CannotDo(str(error)) from error
        return self._device_facts(device)

    def leave(self, mac: str) -> Facts:
        """Go out of reach."""
        device = self._device(mac)
        device.leave()
        return self._device_facts(device)

    def come_back(self, mac: str) -> Facts:
        """Be in reach again, or for the first time."""
        planned = self._elsewhere.get(mac.upper())
        if planned is not None:
            return self._device_facts(self._plug_in(planned))
        device = self._device(mac)
        device.come_back()
        return self._device_facts(device)

    def change_mac(self, mac: str, new: str = "") -> Facts:
        """Come back under another address, as phones with private addresses do."""
        device = self._device(mac)
        label = self._device_labels.get(device.mac, "")
        try:
            device.change_mac(new or invented_mac())
        except ValueError as error:
            raise CannotDo(str(error)) from error
        self._device_labels[device.mac] = label
        return self._device_facts(device)

    def log_out(self, mac: str) -> Facts:
        """Press the logout button of the hotspot's page."""
        device = self._device(mac)
        device.log_out()
        return self._device_facts(device)

    def traffic(self, mac: str, upload_bytes: int, download_bytes: int) -> Facts:
        """Browse; `passed_bytes` tells how much the router let through."""
        device = self._device(mac)
        passed_bytes = device.move_traffic(upload_bytes, download_bytes)
        return {**self._device_facts(device), "passed_bytes": passed_bytes}

    def browse_login(self, mac: str, username: str, password: str) -> LoginResult:
        """Post the login form of the hotspot's own page."""
        return self._device(mac).browse_login(username, password)

    # ── trouble ──

    def trouble(self, name: str, on: bool) -> Facts:
        """Make or end a trouble (`state()["troubles"]` lists them)."""
        found = self.troubles.get(name)
        if found is None:
            raise CannotDo(f"there is no trouble called {name!r}", missing=True)
        with self._lock:
            found.switch(on)
        return found.facts()

    # ── inside ──

    def _shop_doors(self) -> dict[str, str]:
        """The shop's doors as far as the town knows them: the one that was registered, and where M-Pesa was told to report."""
        calls = self.daraja.deliveries
        return self._doors | ({"portal": calls[-1].parcel.url} if calls else {})

    def _handset(self, phone: PhonePlan) -> Handset:
        self.money.add_wallet(phone.msisdn, phone.pin, phone.balance * 100, ("CUSTOMER", "", ""))
        return Handset(phone.msisdn, phone.network, self.africastalking, self.money, self.daraja)

    def _plug_in(self, plan: DevicePlan) -> Device:
        with self._lock:
            self._elsewhere.pop(plan.mac, None)
        return self._router(plan.router).plug_in(plan.mac, hostname=plan.hostname)

    def _devices_facts(self) -> list[Facts]:
        here = [self._device_facts(device, router) for router, device in self._all_devices()]
        return here + [describe_absent(plan) for plan in list(self._elsewhere.values())]

    def _after(self, phone: Handset) -> Facts:
        return describe_phone(phone, self.money, self._labels[phone.msisdn])

    def _device_facts(self, device: Device, router: str | None = None) -> Facts:
        if router is None:
            router = next((name for name, found in self._all_devices() if found is device), "")
        return describe_device(device, router, self._device_labels.get(device.mac, device.hostname))

    def _all_devices(self) -> list[tuple[str, Device]]:
        return [(name, device) for name, router in self.routers.items() for device in router.devices]

    def _phone(self, msisdn: str) -> Handset:
        found = self.phones.get(msisdn)
        if found is None:
            raise CannotDo("there is no such phone in town", missing=True)
        return found

    def _device(self, mac: str) -> Device:
        found = next((device for _, device in self._all_devices() if device.mac == mac.upper()), None)
        if found is None:
            raise CannotDo("there is no such device in town", missing=True)
        return found

    def _router(self, name: str) -> VirtualRouter:
        found = self.routers.get(name) if name else next(iter(self.routers.values()), None)
        if found is None:
            raise CannotDo("there is no such router in town", missing=True)
        return found


def invented_mac() -> str:
    """A private address: locally administered, not a group."""
    first = secrets.randbelow(64) << 2 | 2
    return ":".join(f"{part:02X}" for part in (first, *secrets.token_bytes(5)))


def _router(plan: RouterPlan) -> VirtualRouter:
    return VirtualRouter(
        identity=plan.name,
        username=plan.username,
        password=plan.password,
        version=plan.version,
        host=plan.host,
        api_port=plan.api_port,
        coa_port=plan.coa_port,
        board=plan.board,
    )


def _open_hotspot(router: VirtualRouter, plan: RouterPlan) -> None:
    """What an administrator has done before Duka comes: a hotspot that asks nobody yet, names that resolve."""
    router.run("/ip/dns/set", servers="1.1.1.1", allow_remote_requests="yes")
    router.run("/ip/hotspot/profile/add", name=plan.hotspot)
    router.run("/ip/hotspot/add", name=plan.hotspot, interface="bridge", profile=plan.hotspot, disabled="no")
