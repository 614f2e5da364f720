"""The pretend Daraja: M-Pesa prompts, status queries, and payments by hand with their notices, over real HTTP."""

from __future__ import annotations

from sim.daraja.accounts import App, Business
from sim.daraja.books import Payment
from sim.daraja.c2b import PayerNumber
from sim.daraja.company import Daraja
from sim.daraja.delivery import C2B, STK, Delivered
from sim.daraja.stk import Checkout

__all__ = ["C2B", "STK", "App", "Business", "Checkout", "Daraja", "Delivered", "PayerNumber", "Payment"]
