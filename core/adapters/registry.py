"""Names in settings → the classes that know how. The visible list of what Duka can speak to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine

from core.adapters.africastalking import AfricasTalking
from core.adapters.payments.daraja import Daraja, DarajaAccount
from core.adapters.radius_coa import RadiusCoA
from core.adapters.radius_rows import RadiusRows
from core.adapters.routeros import MikrotikHotspot
from core.adapters.tokens import RedisTokens, TokenStore
from core.clock import Clock
from core.ports import PaymentGateway, SmsGateway, World


@dataclass
class Connections:
    """What all tenants of one process share: kept connections, tokens, the RADIUS tables."""

    tokens: TokenStore
    hotspot: MikrotikHotspot
    access: RadiusRows
    coa: RadiusCoA
    clock: Clock

    @classmethod
    def open(cls, engine: Engine, redis_url: str, clock: Clock) -> Connections:
        return cls(
            RedisTokens(redis_url),
            MikrotikHotspot(monotonic=clock.monotonic),
            RadiusRows(engine),
            RadiusCoA(monotonic=clock.monotonic),
            clock,
        )

    def close(self) -> None:
        self.hotspot.close()


def build_world(
    settings: Mapping[str, Any], currency: str, callback_urls: dict[str, str], connections: Connections
) -> World:
    """The outside of one tenant, from its settings (`core.tenants.settings`, as plain values)."""
    return World(
        sms=_sms(settings, currency),
        payments=_payments(settings, currency, connections),
        access=connections.access,
        hotspot=connections.hotspot,
        coa=connections.coa,
        sessions=connections.hotspot,
        planner=connections.hotspot.planner,
        strays=connections.hotspot.strays,
        callback_urls=callback_urls,
    )


def _sms(settings: Mapping[str, Any], currency: str) -> SmsGateway | None:
    account = settings.get("africastalking")
    if not account:
        return None
    return AfricasTalking(
        account["username"], account["api_key"], sender_id=account["sender_id"] or account["short_code"],
        currency=currency, base_url=account["base_url"],
    )  # fmt: skip


def _payments(settings: Mapping[str, Any], currency: str, connections: Connections) -> dict[str, PaymentGateway]:
    account = settings.get("daraja")
    if not account:
        return {}
    keys = ("consumer_key", "consumer_secret", "short_code", "passkey", "till_number", "environment", "base_url")
    daraja = Daraja(
        DarajaAccount(**{key: account[key] for key in keys}), connections.tokens, connections.clock, currency=currency
    )
    return {daraja.name: daraja}
