"""The pretend Africa's Talking: SMS in both directions, delivery reports, opt-outs and USSD, over real HTTP."""

from __future__ import annotations

from sim.africastalking.accounts import Account, Inbound, ServiceCode, ShortCode
from sim.africastalking.company import AfricasTalking, Texted
from sim.africastalking.messaging import SendRequest
from sim.africastalking.network import NoSms, Sms
from sim.africastalking.ussd import Hop, Repeat, SessionOver, Status, UssdSession

__all__ = [
    "Account",
    "AfricasTalking",
    "Hop",
    "Inbound",
    "NoSms",
    "Repeat",
    "SendRequest",
    "ServiceCode",
    "SessionOver",
    "ShortCode",
    "Sms",
    "Status",
    "Texted",
    "UssdSession",
]
