"""Words for phones: the door's catalogue, and how times and amounts are put in it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from core.errors import Refusal
from core.texts import catalogue, duration, one_line, volume
from ussd.shop import Offer, Shop

TEXTS = catalogue(Path(__file__).parent / "texts")
LANGUAGES: Mapping[str, str] = {code: TEXTS.template(code, "language.name") for code in TEXTS.languages}


def say(language: str, key: str, /, **facts: object) -> str:
    """A text of this door."""
    return TEXTS.say(language, key, **facts)


def when(moment: datetime, zone: ZoneInfo) -> str:
    """A moment as customers read it: `21.11. 14:05` on the shop's clock."""
    return moment.astimezone(zone).strftime("%d.%m. %H:%M")


def refused(language: str, refusal: Refusal) -> str:
    """Why not, in words."""
    key = f"refusal.{refusal.code()}"
    facts = {name: one_line(str(value)) for name, value in refusal.facts.items()}
    return TEXTS.say(language, key if key in TEXTS.keys() else "refusal.other", **facts)  # noqa: SIM118 (not a dict)


def contents(language: str, offer: Offer) -> str:
    """What is in a package: `3h, 500MB, 1 device`."""
    data = say(language, "buy.unlimited") if offer.quota_bytes is None else volume(offer.quota_bytes)
    devices = say(language, "buy.devices" if offer.device_limit > 1 else "buy.device", count=offer.device_limit)
    return f"{duration(offer.duration_seconds)}, {data}, {devices}"


def help_line(language: str, shop: Shop) -> str:
    """Whom to call, or to dial again where nobody can be called."""
    if shop.help_line:
        return say(language, "help.line", help_line=shop.help_line)
    return say(language, "help.dial_again")
