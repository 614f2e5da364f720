"""What can be seen of the town's parts, as plain values for a page or a program."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from sim.mobile_money import MobileMoney
from sim.phone import Handset
from sim.routeros import Device, VirtualRouter
from sim.town_plan import DevicePlan

Facts = dict[str, Any]
Row = TypeVar("Row")
SHOWN_MAX = 40
SECRETS = frozenset({"password", "secret", "mac-auth-password"})


def recent(rows: Iterable[Row]) -> list[Row]:
    """The newest few, oldest of them first."""
    return list(rows)[-SHOWN_MAX:]


def describe_phone(phone: Handset, money: MobileMoney, label: str) -> Facts:
    """One phone: what is on its screen, what it was sent, what it can pay with."""
    prompt, wallet = phone.pending_prompt, money.wallet(phone.msisdn)
    return {
        "msisdn": phone.msisdn,
        "label": label,
        "network": phone.network_code,
        "screen": phone.screen,
        "in_session": phone.session is not None and phone.session.open,
        "prompt": None
        if prompt is None
        else {"text": prompt.text, "amount_minor": prompt.amount_minor, "business": prompt.business},
        "balance_minor": wallet.balance_minor if wallet else 0,
        "pin": wallet.pin if wallet else "",
        "inbox": [
            {"text": sms.text, "sender": sms.sender, "at": sms.at.isoformat()} for sms in recent(phone.sms_inbox)
        ],
    }


def describe_device(device: Device, router: str, label: str) -> Facts:
    """One thing with Wi-Fi. `error` is what the hotspot's page would tell it."""
    return {
        "mac": device.mac,
        "label": label,
        "hostname": device.hostname,
        "ip": device.ip,
        "router": router,
        "present": device.present,
        "online": device.online,
        "error": device.error,
    }


def describe_absent(plan: DevicePlan) -> Facts:
    """A thing that has not been in reach of a router yet."""
    facts: Facts = dict.fromkeys(("present", "online"), False)
    return facts | {
        "mac": plan.mac,
        "label": plan.label,
        "hostname": plan.hostname,
        "ip": "",
        "router": plan.router,
        "error": "",
    }


def describe_router(name: str, router: VirtualRouter) -> Facts:
    """One router: ports, who is online, what it lately asked RADIUS and was told over its API."""
    return {
        "name": name,
        "host": router.host,
        "api_port": router.api_port,
        "coa_port": router.coa_port,
        "reachable": not router.faults.is_unreachable,
        "active": router.rows("/ip/hotspot/active"),
        "hosts": router.rows("/ip/hotspot/host"),
        "queues": router.rows("/queue/simple"),
        "api_sessions": router.api_sessions,
        "radius": [
            {"kind": kind, "code": code, "user": user, "reason": reason}
            for kind, code, user, reason in recent(router.radius_log)
        ],
        "commands": [
            {"path": path, "arguments": {key: "***" if key in SECRETS else text for key, text in arguments.items()}}
            for path, arguments in recent(router.api_commands)
        ],
    }
