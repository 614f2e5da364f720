"""What routers tell about sessions, and what must be known afterwards (radius.md §2, §4.5; the policy page, "Accounting").

A story is told within a second; `ago` says how long ago a thing happened (Acct-Delay-Time), so that its order of events and
the order in which its packets arrive can be two things.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tests.parity.table import LAKE, MARKET, STRANGER, Router, Rows, account, paid

GB = 10**9
HIGH = 2**32
START, STOP, INTERIM, ON, OFF = 1, 2, 3, 7, 8
USER_REQUEST, LOST_CARRIER, SESSION_TIMEOUT, ADMIN_RESET, NAS_REBOOT = 1, 2, 5, 6, 11
CAUSES = {
    USER_REQUEST: "User-Request", LOST_CARRIER: "Lost-Carrier", SESSION_TIMEOUT: "Session-Timeout", ADMIN_RESET: "Admin-Reset",
    NAS_REBOOT: "NAS-Reboot",
}  # fmt: skip


@dataclass(frozen=True)
class Report:
    """One Accounting-Request. `down` is what the customer received (the router's Output)."""

    kind: int
    session: str = "a"
    up: int | None = None
    down: int | None = None
    seconds: int | None = None
    ago: int = 0
    cause: int = USER_REQUEST
    klass: str | None = "duka:{sub}"
    router: Router = MARKET
    user: str = "{mac}"
    calling: str = "{mac}"
    called: str = "hotspot1"
    identity: str = "market"
    times: int = 1
    """How often the router sends it, byte by byte the same."""
    secret: str | None = None
    answered: bool = True


@dataclass(frozen=True)
class Known:
    """A row of `radacct` as it must be. `ended` None: open. Ages in seconds, None: not the point."""

    up: int = 0
    down: int = 0
    seconds: int = 0
    ended: str | None = None
    klass: str = "duka:{sub}"
    session: str = "a"
    user: str = "{mac}"
    router: Router = MARKET
    started_ago: int | None = None
    ended_ago: int | None = None


@dataclass(frozen=True)
class Story:
    """Packets, the rows they leave behind (in order of their beginning), and what is charged to the subscription."""

    name: str
    reports: tuple[Report, ...]
    known: tuple[Known, ...]
    charged: int = 0
    rows: tuple[Rows, ...] = paid()


def start(**more: object) -> Report:
    return replace(Report(START), **more)  # type: ignore[arg-type]


def interim(up: int, down: int, seconds: int = 300, **more: object) -> Report:
    return replace(Report(INTERIM, up=up, down=down, seconds=seconds), **more)  # type: ignore[arg-type]


def stop(up: int, down: int, seconds: int = 600, **more: object) -> Report:
    return replace(Report(STOP, up=up, down=down, seconds=seconds), **more)  # type: ignore[arg-type]


PLAIN = (
    Story("begun", (start(),), (Known(started_ago=0),)),
    Story("under way", (start(ago=300), interim(100, 900)), (Known(100, 900, 300, started_ago=300),), 1000),
    Story("from beginning to end", (start(ago=600), interim(100, 900, ago=300), stop(200, 1800)), (Known(200, 1800, 600, "User-Request", started_ago=600, ended_ago=0),), 2000),
    Story("many interims", (start(ago=3000), *(interim(n, 9 * n, 30 * n, ago=3000 - 30 * n) for n in range(1, 100))), (Known(99, 891, 2970),), 990),
    *(Story(f"ended by {name}", (start(ago=60), stop(1, 1, 60, cause=number)), (Known(1, 1, 60, name),), 2) for number, name in CAUSES.items()),
    Story("an end without traffic", (start(ago=5), stop(0, 0, 5)), (Known(0, 0, 5, "User-Request"),)),
    Story("ended in the past", (start(ago=900), stop(5, 5, 300, ago=600)), (Known(5, 5, 300, "User-Request", started_ago=900, ended_ago=600),), 10),
)  # fmt: skip

NUMBERS = (
    Story("five gigabytes", (start(ago=300), interim(GB, 5 * GB)), (Known(GB, 5 * GB, 300),), 6 * GB),
    Story("just below 4 GiB", (start(ago=300), interim(0, HIGH - 1)), (Known(0, HIGH - 1, 300),), HIGH - 1),
    Story("exactly 4 GiB", (start(ago=300), interim(0, HIGH)), (Known(0, HIGH, 300),), HIGH),
    Story("over 4 GiB between two reports", (start(ago=600), interim(0, HIGH - 1, 300, ago=300), interim(0, HIGH + 1, 600)), (Known(0, HIGH + 1, 600),), HIGH + 1),
    Story("ten gigabytes to the byte", (start(ago=900), interim(0, 2**31, ago=600), interim(1, HIGH, ago=300), stop(2_000_000_000, 8_000_000_000, 900)), (Known(2_000_000_000, 8_000_000_000, 900, "User-Request"),), 10 * GB),
    Story("a terabyte", (start(ago=300), stop(0, 10**12, 300)), (Known(0, 10**12, 300, "User-Request"),), 10**12),
    Story("more than any line carries", (start(ago=300), interim(0, 2**62)), (Known(0, 0, 300),), 0),
    Story("totals that fall", (start(ago=600), interim(100, 900, 300, ago=300), interim(50, 500, 200)), (Known(100, 900, 300),), 1000),
    Story("one total falls and one grows", (start(ago=600), interim(100, 900, 300, ago=300), interim(50, 1000, 600)), (Known(100, 1000, 600),), 1100),
    Story("an end with less than was known", (start(ago=600), interim(100, 900, 300, ago=300), stop(10, 10, 600)), (Known(100, 900, 600, "User-Request"),), 1000),
    Story("an interim that says nothing", (start(ago=600), Report(INTERIM)), (Known(),), 0),
)  # fmt: skip

ORDER = (
    Story("a doubled start", (start(times=2),), (Known(),)),
    Story("a doubled interim", (start(ago=300), interim(100, 900, times=3)), (Known(100, 900, 300),), 1000),
    Story("an interim told twice", (start(ago=300), interim(100, 900), interim(100, 900)), (Known(100, 900, 300),), 1000),
    Story("an end told twice", (start(ago=600), stop(100, 900, ago=10), stop(100, 900)), (Known(100, 900, 600, "User-Request", ended_ago=10),), 1000),
    Story("a late interim after the end", (start(ago=600), stop(200, 1800), interim(100, 900, ago=300)), (Known(200, 1800, 600, "User-Request", ended_ago=0),), 2000),
    Story("a late interim after the end that knew more", (start(ago=600), stop(200, 1800, 590, ago=10), interim(300, 1800, 600)), (Known(300, 1800, 600, "User-Request", ended_ago=10),), 2100),
    Story("interims in the wrong order", (start(ago=900), interim(200, 1800, 600, ago=300), interim(100, 900, 300, ago=600)), (Known(200, 1800, 600),), 2000),
    Story("the start comes last", (stop(100, 900, 600), start(ago=600)), (Known(100, 900, 600, "User-Request", started_ago=600, ended_ago=0),), 1000),
    Story("an interim before its start", (interim(100, 900, 300, ago=10), start(ago=310)), (Known(100, 900, 300, started_ago=310),), 1000),
    Story("an end without a start", (stop(100, 900, 600),), (Known(100, 900, 600, "User-Request", started_ago=600),), 1000),
    Story("an interim without a start", (interim(100, 900, 300),), (Known(100, 900, 300, started_ago=300),), 1000),
    Story("a session's number used again", (start(ago=7200), interim(100, 900, 300, ago=6900), start(ago=60), interim(7, 7, 60)), (Known(100, 900, 300, "Stale", started_ago=7200, ended_ago=6900), Known(7, 7, 60, started_ago=60)), 1014),
    Story("a session's number used again after its end", (start(ago=7200), stop(100, 900, 300, ago=6900), start(ago=60), stop(7, 7, 60)), (Known(100, 900, 300, "User-Request", started_ago=7200, ended_ago=6900), Known(7, 7, 60, "User-Request", started_ago=60)), 1014),
    Story("a new session of the same device: the old stop was lost", (start(ago=900), interim(100, 900, 300, ago=600), start(session="b", ago=60)), (Known(100, 900, 300, "Stale", started_ago=900, ended_ago=600), Known(session="b", started_ago=60)), 1000),
    Story("the lost stop turns up", (start(ago=900), interim(100, 900, 300, ago=600), start(session="b", ago=60), stop(150, 900, 800, ago=100)), (Known(150, 900, 800, "User-Request", ended_ago=100), Known(session="b")), 1050),
)  # fmt: skip

ROUTERS = (
    Story("the router is renamed", (start(ago=600), interim(100, 900, ago=300, identity="market-2"), stop(200, 1800, identity="x"*60)), (Known(200, 1800, 600, "User-Request"),), 2000),
    Story("the router is renamed, and ports with it", (start(ago=600), interim(100, 900, 300, called="hotspot-neu", identity="zwei")), (Known(100, 900, 300),), 1000),
    Story("one device on two routers", (start(ago=600), start(router=LAKE, klass="duka:0"), interim(100, 900, 600)), (Known(100, 900, 600), Known(router=LAKE, klass="duka:0")), 1000),
    Story("the router boots", (start(ago=600), interim(100, 900, ago=300), Report(ON)), (Known(100, 900, 300, "NAS-Reboot", ended_ago=0),), 1000),
    Story("the router goes down", (start(ago=600), Report(OFF)), (Known(ended="NAS-Reboot", ended_ago=0),)),
    Story("another router boots", (start(ago=600), Report(ON, router=LAKE)), (Known(),)),
    Story("the router boots before the session", (start(), Report(ON, ago=600)), (Known(),)),
    Story("ended by a boot, and then the router says how", (start(ago=600), Report(ON, ago=60), stop(100, 900, 500, ago=100, cause=LOST_CARRIER)), (Known(100, 900, 500, "Lost-Carrier", ended_ago=100),), 1000),
    Story("ended by a boot, and yet alive", (start(ago=600), Report(ON, ago=60), interim(100, 900, 600)), (Known(100, 900, 600),), 1000),
    Story("a late interim from before the boot", (start(ago=600), Report(ON, ago=60), interim(100, 900, 300, ago=300)), (Known(100, 900, 300, "NAS-Reboot", ended_ago=60),), 1000),
)  # fmt: skip

WHOSE = (
    Story("without a class: the one in the rows", (start(ago=300, klass=None), interim(100, 900, klass=None)), (Known(100, 900, 300),), 1000),
    Story("with a class that is not ours", (start(ago=300, klass="gold"), interim(100, 900, klass="gold")), (Known(100, 900, 300),), 1000),
    Story("nobody's class", (start(ago=300, klass="duka:0"), interim(100, 900, klass="duka:0")), (Known(100, 900, 300, klass="duka:0"),), 0),
    Story("a class of a subscription that is not there", (start(ago=300, klass="duka:99999999"), interim(100, 900, klass="duka:99999999")), (Known(100, 900, 300, klass="duka:99999999"),), 0),
    Story("a class of another ISP's subscription", (start(ago=300, router=LAKE), interim(100, 900, router=LAKE)), (Known(100, 900, 300, router=LAKE),), 0),
    Story("lent minutes, then paid", (start(ago=600, klass="duka:0"), stop(100, 900, 300, ago=300, klass="duka:0"), start(session="b", ago=300), interim(10, 90, session="b")), (Known(100, 900, 300, "User-Request", klass="duka:0"), Known(10, 90, 300, session="b")), 100),
    Story("the class changes in mid-session", (start(ago=600), interim(100, 900, ago=300), interim(150, 950, 600, klass="duka:0")), (Known(150, 950, 600),), 1100),
    Story("two devices share", (start(ago=300), interim(100, 900), start(session="b", calling="{other}", user="{other}", ago=300), interim(10, 90, session="b", calling="{other}", user="{other}")), (Known(100, 900, 300), Known(10, 90, 300, session="b", user="{other}")), 1100),
    Story("a customer of the other ISP", (start(ago=300, router=LAKE), interim(100, 900, router=LAKE)), (Known(100, 900, 300, router=LAKE),), 1000, paid(isp=1)),
    Story("a customer of the other ISP, without a class", (start(ago=300, router=LAKE, klass=None), interim(100, 900, router=LAKE, klass=None)), (Known(100, 900, 300, router=LAKE),), 1000, paid(isp=1)),
    Story("a PPP login", (start(ago=300, user="{login}"), stop(100, 900, 300, user="{login}")), (Known(100, 900, 300, "User-Request", user="{login}"),), 1000, account(name="{login}")),
    Story("a name nobody knows", (start(ago=300, user="ghost{sub}", klass=None), stop(100, 900, 300, user="ghost{sub}", klass=None)), (Known(100, 900, 300, "User-Request", klass="", user="ghost{sub}"),), 0, ()),
    Story("odd signs everywhere", (start(ago=60, user="o'n\"e%{1}\\", calling="x'); --", called="$(id)`'", session="s'e\"s", klass="duka:0"), stop(1, 1, 60, user="o'n\"e%{1}\\", calling="x'); --", session="s'e\"s", klass="duka:0")), (Known(1, 1, 60, "User-Request", klass="duka:0", session="s'e\"s", user="o'n\"e%{1}\\"),), 0, ()),
    Story("used yesterday, told today", (start(ago=100_000), stop(100, 900, 600, ago=90_000)), (Known(100, 900, 600, "User-Request", started_ago=100_000),), 1000),
)  # fmt: skip

SILENT = (
    Story("from a stranger", (start(router=STRANGER, answered=False),), ()),
    Story("with a wrong secret", (start(secret="guess", answered=False),), ()),
    Story("without a session", (start(session="", answered=False),), ()),
    Story("news nobody has use for", (Report(9),), ()),
)

STORIES = (*PLAIN, *NUMBERS, *ORDER, *ROUTERS, *WHOSE, *SILENT)
