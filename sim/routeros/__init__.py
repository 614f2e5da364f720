"""The virtual MikroTik: a router made of sockets and tables, true to the reference wherever that says something.

It speaks the programming interface on TCP and TLS, checks every command against the real command tree, runs a hotspot
that asks RADIUS over UDP, sends accounting and obeys change-of-authorisation requests. Devices are plugged in by
calling methods, and every kind of trouble can be switched on.
"""

from sim.routeros.checks import Trap
from sim.routeros.clock import ManualClock, RealClock
from sim.routeros.devices import Device, LoginResult
from sim.routeros.router import VirtualRouter
from sim.routeros.script_tree import ScriptError

__all__ = ["Device", "LoginResult", "ManualClock", "RealClock", "ScriptError", "Trap", "VirtualRouter"]
