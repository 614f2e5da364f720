"""Routers, who may be on them, who is, and what they used."""

from core.network.accounting import account, account_many, open_sessions
from core.network.actions import (
    NoSuchRouter,
    RouterExists,
    add_router,
    address_of,
    all_routers,
    change_settings,
    find_router,
    remove_router,
    router,
    router_down,
    router_up,
    routers,
    waiting_devices,
)
from core.network.auth_log import Knock, LogLine, knocked, log_logins, seen
from core.network.desired import AccessPlan, desired
from core.network.drift import forget_sightings, heal, probe_all
from core.network.entitlements import entitlement, entitlements, nas_clients, remember_message_authenticator
from core.network.inquiries import Answer, answers_to, users_of
from core.network.install import BadLifetime, Box, Invitation, came_home, claim, invitation, invite
from core.network.models import Router, Sighting
from core.network.months import FORGET_BATCH, forget_sessions, prepare_months
from core.network.places import Place, place_called, router_with_key
from core.network.policy import Entitlement, NasClient, OpenSession, RadiusUser
from core.network.running import ANEW, HIDDEN, LIVE, NOTHING_NEW, Terms, misfits, terms_of
from core.network.sessions import AccountingEvent, Traffic
from core.network.stale import STALE_BATCH, close_silent
from core.network.steering import Open, SessionPlan, session_plan, settled
from core.network.sync import LoginPlan, away, desired_access, let_in, login_plan, logout_plan, online_devices, synced
from core.network.usage import (
    SessionUsed,
    Used,
    sessions_of,
    usage_by_day,
    usage_of_devices,
    usage_of_name,
    usage_of_subscription,
)

__all__ = [
    "ANEW",
    "FORGET_BATCH",
    "HIDDEN",
    "LIVE",
    "NOTHING_NEW",
    "STALE_BATCH",
    "AccessPlan",
    "AccountingEvent",
    "Answer",
    "BadLifetime",
    "Box",
    "Entitlement",
    "Invitation",
    "Knock",
    "LogLine",
    "LoginPlan",
    "NasClient",
    "NoSuchRouter",
    "Open",
    "OpenSession",
    "Place",
    "RadiusUser",
    "Router",
    "RouterExists",
    "SessionPlan",
    "SessionUsed",
    "Sighting",
    "Terms",
    "Traffic",
    "Used",
    "account",
    "account_many",
    "add_router",
    "address_of",
    "all_routers",
    "answers_to",
    "away",
    "came_home",
    "change_settings",
    "claim",
    "close_silent",
    "desired",
    "desired_access",
    "entitlement",
    "entitlements",
    "find_router",
    "forget_sessions",
    "forget_sightings",
    "heal",
    "invitation",
    "invite",
    "knocked",
    "let_in",
    "log_logins",
    "login_plan",
    "logout_plan",
    "misfits",
    "nas_clients",
    "online_devices",
    "open_sessions",
    "place_called",
    "prepare_months",
    "probe_all",
    "remember_message_authenticator",
    "remove_router",
    "router",
    "router_down",
    "router_up",
    "router_with_key",
    "routers",
    "seen",
    "session_plan",
    "sessions_of",
    "settled",
    "synced",
    "terms_of",
    "usage_by_day",
    "usage_of_devices",
    "usage_of_name",
    "usage_of_subscription",
    "users_of",
    "waiting_devices",
]
