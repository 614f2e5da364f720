"""The virtual MikroTik: a router made of sockets and tables, true to the reference wherever that says something.

It is a board (`board.py`) with a version (6.49 or 7). It speaks the programming interface on TCP and TLS, checks every
command against the real command tree, understands scripts (`paste`, `/import`, `/execute`, the scheduler) and makes them
(`/export`). Its hotspot asks RADIUS over UDP, sends accounting and obeys change-of-authorisation requests. `around` is
what stands around it: the cable to the internet, tunnels to our server, and phones that join its Wi-Fi and open pages.
Devices of the older kind are plugged in by calling methods, and every kind of trouble can be switched on.

Where nobody knows what a real router does, the simulator is strict: it refuses, or says that this is not part of it.
"""

from sim.routeros.checks import Trap
from sim.routeros.clock import ManualClock, RealClock
from sim.routeros.devices import Device, LoginResult
from sim.routeros.router import VirtualRouter
from sim.routeros.script_tree import ScriptError

__all__ = ["Device", "LoginResult", "ManualClock", "RealClock", "ScriptError", "Trap", "VirtualRouter"]
