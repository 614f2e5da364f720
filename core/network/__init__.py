"""Routers, who may be on them, who is, and what they used."""

from core.network.accounting import AccountingEvent, Traffic, account, close_silent, open_sessions
from core.network.actions import (
    NoSuchRouter,
    RouterExists,
    add_router,
    address_of,
    all_routers,
    entitlement,
    find_router,
    nas_clients,
    remember_message_authenticator,
    remove_router,
    router,
    router_down,
    router_up,
    routers,
    seen,
    waiting_devices,
)
from core.network.desired import AccessPlan, desired
from core.network.drift import forget_sightings, heal, probe_all
from core.network.models import Router, Sighting
from core.network.policy import Entitlement, NasClient
from core.network.sync import LoginPlan, away, desired_access, let_in, login_plan, logout_plan, online_devices, synced

__all__ = [
    "AccessPlan",
    "AccountingEvent",
    "Entitlement",
    "LoginPlan",
    "NasClient",
    "NoSuchRouter",
    "Router",
    "RouterExists",
    "Sighting",
    "Traffic",
    "account",
    "add_router",
    "address_of",
    "all_routers",
    "away",
    "close_silent",
    "desired",
    "desired_access",
    "entitlement",
    "find_router",
    "forget_sightings",
    "heal",
    "let_in",
    "login_plan",
    "logout_plan",
    "nas_clients",
    "online_devices",
    "open_sessions",
    "probe_all",
    "remember_message_authenticator",
    "remove_router",
    "router",
    "router_down",
    "router_up",
    "routers",
    "seen",
    "synced",
    "waiting_devices",
]
