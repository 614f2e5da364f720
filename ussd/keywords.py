"""SMS keywords: the first word says what is wanted, in any language, case, spacing and punctuation (captive-portal.md §7)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from core import catalog, codes, customers, ledger, messaging, network, purchases, subscriptions, vouchers
from core.customers import Customer, Device
from core.errors import Refusal
from core.ledger import chart
from core.money import SCALE, Money
from core.phone import Msisdn
from core.texts import duration, septets, volume
from core.uow import UnitOfWork
from ussd import words
from ussd.africastalking import Sms
from ussd.screens.picking import SHORT_SIGNS, WHOLE_SIGNS, SeveralDevices, place, short, typed_device
from ussd.shop import Offer, Shop

TEXT_LENGTH_MAX = 480
VOUCHER_LENGTH = 10
"""A bare word of this length whose check character is right is a voucher."""
WORDS_MAX = 24
"""Two device addresses, pair by pair, and a keyword are thirteen words."""
LIST_SEPTETS_MAX = 240
WAITING_SHOWN_MAX = 3
WALLET_SPEND_WHOLE_MAX = {
    "KES": 100, "TZS": 2000, "UGX": 3000, "RWF": 1000, "BDT": 100, "INR": 100, "NGN": 1000, "GHS": 10, "ZMW": 20,
    "XOF": 500, "USD": 1,
}  # fmt: skip
"""What an SMS may spend from a wallet, in whole units: a sender can be forged on some routes. More needs a dialled menu."""
assert set(WALLET_SPEND_WHOLE_MAX) == set(SCALE), "every currency needs a limit"

VERBS = {
    "buy": {"en": "BUY", "sw": "NUNUA"},
    "renew": {"en": "RENEW", "sw": "ONGEZA"},
    "balance": {"en": "BAL BALANCE", "sw": "SALIO"},
    "voucher": {"en": "V VOUCHER", "sw": "VOCHA"},
    "device": {"en": "DEVICE DEVICES", "sw": "KIFAA VIFAA"},
    "move": {"en": "MOVE", "sw": "HAMISHA"},
    "remove": {"en": "REMOVE", "sw": "ONDOA"},
    "paid": {"en": "PAID", "sw": "NIMELIPA"},
    "help": {"en": "HELP INFO", "sw": "MSAADA"},
    "stop": {"en": "STOP", "sw": "ACHA"},
    "start": {"en": "START", "sw": "ANZA"},
    "language": {"en": "ENGLISH", "sw": "SWAHILI KISWAHILI"},
}
STOP_ALONE = frozenset({"STOPALL", "UNSUBSCRIBE", "END", "QUIT", "CANCEL"})
"""These mean STOP only when nothing else is said."""
CONFIRMED = frozenset({"CONFIRMED", "IMETHIBITISHWA"})
"""The second word of a payment message that somebody forwards: the first is the receipt."""
KEYWORDS = {
    word: (verb, language)
    for verb, languages in VERBS.items()
    for language, spellings in languages.items()
    for word in spellings.split()
}


class NotARenewal(Refusal):
    """There is nothing to renew."""


class NoSuchPackage(Refusal):
    """There is no such package."""


class NotADevice(Refusal):
    """You have no such device."""


class ReceiptMissing(Refusal):
    """Which receipt?"""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a text wants. `language` is told by a local word, empty for an English one; `rest` is what follows."""

    verb: str
    keyword: str = ""
    language: str = ""
    rest: tuple[str, ...] = ()


@dataclass
class Chat:
    """One text of one person, in the hands of a keyword."""

    uow: UnitOfWork
    shop: Shop
    sms: Sms
    msisdn: Msisdn
    language: str
    known: Customer | None

    def say(self, key: str, /, **facts: object) -> str:
        return words.say(self.language, key, **facts)

    def recognise(self) -> Customer:
        """The sender, from now on known to us."""
        if self.known is None:
            self.known = customers.recognise(self.uow, self.msisdn, self.language, self.sms.network)
        return self.known

    def already_told(self, order: purchases.Purchase) -> bool:
        """Does a receipt for this order leave with this very visit? A paid-for keyword wants its own answer."""
        return order.completed_at == self.uow.now and self.sms.link_id is None


def understand(text: str) -> Asked:
    """What is wanted. Letters and digits count; everything else only separates."""
    upper = unicodedata.normalize("NFKC", text[:TEXT_LENGTH_MAX]).upper()
    said = re.findall(r"[^\W_]+", upper)[:WORDS_MAX]
    if not said:
        return Asked("unknown")
    if len(said) == 1 and said[0] in STOP_ALONE:
        return Asked("stop", said[0])
    if said[0] in KEYWORDS:
        verb, language = KEYWORDS[said[0]]
        return Asked(verb, said[0], language if language != "en" else "", tuple(said[1:]))
    if len(said) > 1 and said[1] in CONFIRMED:
        return Asked("paid", "", "", (said[0],))
    if _is_voucher(said):
        return Asked("voucher", "", "", tuple(said))
    return Asked("unknown", "", "", tuple(said))


def _is_voucher(said: list[str]) -> bool:
    code = codes.normalise("".join(said)[:40])
    return len(code) == VOUCHER_LENGTH and codes.is_sound(code)


def obey(chat: Chat, asked: Asked) -> str:
    """Do it; what to answer, empty for nothing."""
    try:
        return ACTIONS[asked.verb](chat, asked)
    except Refusal as refusal:
        return f"{words.refused(chat.language, refusal)} {words.help_line(chat.language, chat.shop)}"


def _buy(chat: Chat, asked: Asked) -> str:
    wanted = "".join(asked.rest)
    if not wanted:
        return _prices(chat)
    offer = next((offer for offer in chat.shop.offers if wanted in (offer.code, _squeezed(offer.name))), None)
    if offer is None:
        raise NoSuchPackage(wanted=wanted[:24])
    return _order(chat, offer)


def _squeezed(name: str) -> str:
    return "".join(re.findall(r"[^\W_]+", name.upper()))


def _prices(chat: Chat) -> str:
    """The price list, as much of it as two parts hold."""
    offers = chat.shop.offers_for(chat.uow, chat.known.id if chat.known is not None else None)
    if not offers:
        return chat.say("buy.nothing_on_sale", shop=chat.shop.name)
    lines: list[str] = []
    for offer in offers:
        line = f"{offer.code}: {offer.name} {offer.price}"
        if (septets("\n".join([*lines, line])) or 0) > LIST_SEPTETS_MAX:
            break
        lines.append(line)
    return "\n".join([*lines, chat.say("sms.how_to_buy", code=offers[0].code)])


def _renew(chat: Chat, _asked: Asked) -> str:
    last = purchases.last_completed(chat.uow, chat.known.id) if chat.known is not None else None
    offer = chat.shop.offer(last.package_id) if last is not None else None
    if offer is None:
        raise NotARenewal()
    return _order(chat, offer)


def _order(chat: Chat, offer: Offer) -> str:
    who = chat.recognise()
    limit = Money(
        WALLET_SPEND_WHOLE_MAX[offer.price.currency] * 10 ** SCALE[offer.price.currency], offer.price.currency
    )
    if offer.price > limit and ledger.covers(chat.uow, chart.wallet(who.id), offer.price):
        return chat.say("sms.dial_to_spend", price=offer.price, dial=chat.shop.dial)
    package = catalog.package(chat.uow, offer.package_id)
    order = purchases.buy(chat.uow, who, package, key=f"sms:{chat.sms.id}", network=chat.sms.network)
    if order.way == "wallet":
        return "" if chat.already_told(order.purchase) else _status(chat, who)
    if order.way == "prompt":
        return chat.say("buy.prompt", amount=order.due, paybill=order.paybill, account=order.account)
    return chat.say(
        "buy.paybill", package=offer.name, amount=order.due, paybill=order.paybill, account=order.account
    )  # fmt: skip


def _status(chat: Chat, who: Customer) -> str:
    has = subscriptions.left(chat.uow, who.id)
    if has.ends_at is None:
        return chat.say("home.nothing")
    until = words.when(has.ends_at, chat.shop.zone)
    if has.bytes is None:
        return chat.say("home.time_left", time=duration(has.seconds), until=until)
    return chat.say("home.time_data_left", time=duration(has.seconds), data=volume(has.bytes), until=until)


def _balance(chat: Chat, _asked: Asked) -> str:
    who = chat.recognise()
    held = ledger.balance(chat.uow, chart.wallet(who.id), chat.shop.currency)
    lines = [_status(chat, who), chat.say("balance.money", balance=held)]
    if chat.shop.paybill:
        lines.append(chat.say("balance.paybill", paybill=chat.shop.paybill, account=who.account_code))
    return "\n".join(lines)


def _voucher(chat: Chat, asked: Asked) -> str:
    if not asked.rest:
        return chat.say("sms.how_to_voucher")
    who = chat.recognise()
    order = vouchers.redeem(chat.uow, who, "".join(asked.rest))
    if chat.already_told(order):
        return ""
    return _status(chat, who)


def _device(chat: Chat, asked: Asked) -> str:
    if not asked.rest:
        return _devices(chat)
    inner = KEYWORDS.get(asked.rest[0], ("", ""))[0]
    if inner in ("move", "remove"):
        return ACTIONS[inner](chat, Asked(inner, asked.rest[0], asked.language, asked.rest[1:]))
    mac = typed_device(chat.uow, "".join(asked.rest))
    return chat.say("devices.added", device=customers.add_device(chat.uow, chat.recognise(), mac).short)


def _devices(chat: Chat) -> str:
    held = customers.devices(chat.uow, chat.known.id) if chat.known is not None else []
    waiting = network.waiting_devices(chat.uow, limit=WAITING_SHOWN_MAX)
    lines = []
    if held and chat.known is not None:
        online = network.online_devices(chat.uow, chat.known.id)
        names = [chat.say("devices.marked", device=d.short) if d.mac in online else d.short for d in held]
        lines.append(chat.say("sms.devices", devices=", ".join(names)))
    if waiting:
        shown = ", ".join(f"{short(mac)} ({place(router)})" for mac, router in waiting)
        lines.append(chat.say("sms.waiting", devices=shown, device=short(waiting[0][0])))
    return "\n".join(lines) or chat.say("sms.no_devices")


def _held(chat: Chat, signs: str | None) -> Device:
    """The sender's device with these signs, or their only one. Raises `NotADevice`, `SeveralDevices`."""
    held = customers.devices(chat.uow, chat.known.id) if chat.known is not None else []
    meant = [device for device in held if signs is None or signs in (device.short, device.mac.replace(":", ""))]
    if not meant:
        raise NotADevice(signs=(signs or "")[:12])
    if len(meant) > 1:
        raise SeveralDevices(signs=signs or meant[0].short)
    return meant[0]


def _two_devices(rest: tuple[str, ...]) -> tuple[str | None, str]:
    """The old and the new device in what was texted: four or twelve signs each, colons or not. The old one may be missing."""
    signs = "".join(rest)
    if len(signs) in (SHORT_SIGNS, WHOLE_SIGNS):
        return None, signs
    first = SHORT_SIGNS if len(rest[0]) == SHORT_SIGNS else WHOLE_SIGNS
    return signs[:first], signs[first:]


def _move(chat: Chat, asked: Asked) -> str:
    """`MOVE new` for somebody with one device, `MOVE old new` otherwise."""
    if not asked.rest:
        return chat.say("sms.how_to_move")
    held, wanted = _two_devices(asked.rest)
    old = _held(chat, held)
    new = customers.move_device(chat.uow, chat.recognise(), old, typed_device(chat.uow, wanted))
    return chat.say("devices.moved", old=old.short, new=new.short)


def _remove(chat: Chat, asked: Asked) -> str:
    if not asked.rest:
        return chat.say("sms.how_to_move")
    held = _held(chat, "".join(asked.rest))
    customers.release_device(chat.uow, chat.recognise(), held)
    return chat.say("devices.released", device=held.short)


def _paid(chat: Chat, asked: Asked) -> str:
    receipt = "".join(asked.rest)[:20]
    if not re.fullmatch(r"[A-Z0-9]{6,20}", receipt, re.ASCII):
        raise ReceiptMissing()
    who = chat.recognise()
    if purchases.claim(chat.uow, who, receipt):
        return chat.say("sms.claimed", receipt=receipt, status=_status(chat, who))
    held = ledger.balance(chat.uow, chart.wallet(who.id), chat.shop.currency)
    return chat.say("sms.claimed_kept", receipt=receipt, balance=held)


def _help(chat: Chat, _asked: Asked) -> str:
    line = words.help_line(chat.language, chat.shop) if chat.shop.help_line else ""
    return chat.say("sms.help", shop=chat.shop.name, line=line)


def _stop(chat: Chat, _asked: Asked) -> str:
    """No more offers, at once, with one confirmation; what people ask for goes on."""
    fresh = messaging.opt_out(chat.uow, chat.msisdn, chat.sms.text)
    return chat.say("sms.stopped", shop=chat.shop.name) if fresh else ""


def _start(chat: Chat, _asked: Asked) -> str:
    messaging.opt_in(chat.uow, chat.msisdn)
    return chat.say("sms.started", shop=chat.shop.name)


def _language(chat: Chat, asked: Asked) -> str:
    chat.language = KEYWORDS[asked.keyword][1]
    customers.set_language(chat.uow, chat.recognise(), chat.language)
    return chat.say("sms.language")


def _unknown(chat: Chat, _asked: Asked) -> str:
    return chat.say("sms.unknown", shop=chat.shop.name)


ACTIONS: dict[str, Callable[[Chat, Asked], str]] = {
    "buy": _buy, "renew": _renew, "balance": _balance, "voucher": _voucher, "device": _device, "move": _move,
    "remove": _remove, "paid": _paid, "help": _help, "stop": _stop, "start": _start, "language": _language,
    "unknown": _unknown,
}  # fmt: skip
