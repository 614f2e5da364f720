"""What a case of the table is made of: rows, a request, and what must come back.

Values are templates: `{mac}` and `{login}` are the case's own names, `{other}` and `{third}` other devices, `{sub}` its
subscription, `{key}` its Called-Station-Id, by which its line in the log is found.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from tests.parity.wire import Attribute, Value

MAC_PASSWORD, LOGIN_PASSWORD = "only-the-router-knows", "k3tchup 4 two"
RATE, INTERIM = "2M/5M", 300
SECONDS_TOLERANCE = 2

When = Callable[[datetime], int]
Spelling = Callable[[datetime], str]


@dataclass(frozen=True)
class Router:
    """A router at `address`. `isp` 0 is the first one of the installation (English, with a USSD code), 1 another (Swahili, none)."""

    name: str
    address: str
    secret: str = "tunnel-secret-1"
    isp: int = 0
    registered: bool = True
    mac_password: str = MAC_PASSWORD


MARKET = Router("market", "127.0.0.1")
LAKE = Router("lake", "127.0.0.2", "another secret", isp=1, mac_password="the lake's own word")
OLD = Router("old", "127.0.0.3", "old-secret")
"""Never signs."""
LEARNT = Router("learnt", "127.0.0.4", "learnt-secret")
STRANGER = Router("stranger", "127.0.0.5", registered=False)
ODD = Router("odd", "127.0.0.6", "q'u\"o\\t%{User-Name}e$x;--", mac_password="m'a\"c\\%{1}$p")
ROUTERS = (MARKET, LAKE, OLD, LEARNT, STRANGER, ODD)
REALM = "lake"


@dataclass(frozen=True)
class Open:
    """A session in `radacct` before the case is asked."""

    calling: str = "{other}"
    heard_seconds_ago: int = 10
    stopped: bool = False
    router: Router = MARKET
    user: str = ""


@dataclass(frozen=True)
class Rows:
    """What the tables say about a name. `expires`: seconds from now, or the value as it stands, or no such row."""

    expires: int | str | None = 3600
    check: tuple[tuple[str, str], ...] = ()
    reply: tuple[tuple[str, str], ...] = ()
    standard: bool = True
    """Rate, interim interval and class as nearly everybody has them."""
    password: str | None = None
    user: bool = True
    service: str = "mac"
    metered: bool = False
    quota: int | None = None
    used: int = 0
    subscribed: bool = True
    language: str = "en"
    hours: str | Spelling = ""
    timezone: str = "Africa/Nairobi"
    redirects: bool = False
    blocked: str = ""
    isp: int = 0
    name: str = ""
    """Another name than the case's own."""


@dataclass(frozen=True)
class Ask:
    """One request. `how`: hotspot · dhcp · ppp · status. `password` None: the right one for this kind of name."""

    how: str = "hotspot"
    user: str | None = "{mac}"
    password: str | bytes | None = None
    method: str = "pap"
    router: Router = MARKET
    secret: str | None = None
    signed: bool = True
    drop: tuple[str, ...] = ()
    change: tuple[Attribute, ...] = ()
    add: tuple[Attribute, ...] = ()


@dataclass(frozen=True)
class Accept:
    """Let in with exactly these attributes and a Session-Timeout (None: none)."""

    attributes: tuple[Attribute, ...] = ()
    seconds: int | When | None = 3600
    log: str = "Access-Accept"
    mschap: bool = False


@dataclass(frozen=True)
class Reject:
    """Not let in; `words` are what the customer reads, where they are the point."""

    reason: str
    words: str | None = None


@dataclass(frozen=True)
class Silence:
    """No answer and no line in the log."""


@dataclass(frozen=True)
class Case:
    """One line of the table. `before` is asked first; what it gets does not matter."""

    name: str
    gets: Accept | Reject | Silence
    rows: tuple[Rows, ...] = ()
    ask: Ask = field(default_factory=Ask)
    before: tuple[Ask, ...] = ()
    sessions: tuple[Open, ...] = ()
    sharp: bool = False
    """A second more or less decides: asked at the beginning of one."""
    number: int = 0

    @property
    def is_login(self) -> bool:
        return self.ask.user is not None and "{login" in self.ask.user

    def names(self) -> dict[str, str]:
        """What stands for the templates in this case."""
        digits = f"02005E10{self.number:04X}"
        pairs = [digits[at : at + 2] for at in range(0, 12, 2)]
        mac, other = ":".join(pairs), ":".join(["06", *pairs[1:]])
        return {
            "mac": mac, "mac_low": mac.lower(), "mac_dashes": "-".join(pairs), "mac_bare": digits, "mac_spaces": " ".join(pairs),
            "mac_dots": f"{digits[:4]}.{digits[4:8]}.{digits[8:]}", "mac_one_low": mac.replace("5E", "5e"),
            "client": "1:" + ":".join(f"{int(pair, 16):x}" for pair in pairs), "other": other,
            "other_client": "1:" + ":".join(f"{int(pair, 16):x}" for pair in other.split(":")),
            "third": ":".join(["0A", *pairs[1:]]), "login": f"user{self.number}", "login_high": f"User{self.number}",
            "sub": str(self.subscription_id), "key": f"case-{self.number}",
        }  # fmt: skip

    @property
    def subscription_id(self) -> int:
        return 10_000 + 10 * self.number

    def fill(self, value: Value) -> Value:
        """A template with this case's names in it."""
        return value if not isinstance(value, str) or "{" not in value else _filled(value, self.names())


def _filled(text: str, names: dict[str, str]) -> str:
    for name, value in names.items():
        text = text.replace("{" + name + "}", value)
    return text


STANDARD: tuple[Attribute, ...] = (
    ("Mikrotik-Rate-Limit", RATE), ("Acct-Interim-Interval", INTERIM), ("Class", "duka:{sub}"),
)  # fmt: skip
LOGIN = Ask(user="{login}", how="ppp")
CODE = Ask(user="{login}")
DHCP = Ask(how="dhcp")


def paid(**more: object) -> tuple[Rows, ...]:
    """A device whose owner has paid."""
    return (replace(Rows(), **more),)  # type: ignore[arg-type]


def account(**more: object) -> tuple[Rows, ...]:
    """A PPP login that is paid for."""
    return (replace(Rows(service="ppp", password=LOGIN_PASSWORD), **more),)  # type: ignore[arg-type]


def code(**more: object) -> tuple[Rows, ...]:
    """A one-time login of the hotspot."""
    return (replace(Rows(service="code", password=LOGIN_PASSWORD), **more),)  # type: ignore[arg-type]


def standard(*also: Attribute, seconds: int | When | None = 3600, mschap: bool = False) -> Accept:
    """Let in as nearly everybody is, and `also`."""
    return Accept((*STANDARD, *also), seconds, mschap=mschap)


def walled(word: str, reason: str) -> Accept:
    """The redirect instead of a rejection (C4)."""
    return Accept(
        (
            ("Framed-Pool", word), ("Mikrotik-Address-List", word), ("Mikrotik-Rate-Limit", "1M/1M"),
            ("Acct-Interim-Interval", INTERIM), ("Class", "duka:0"),
        ),
        300, f"Access-Accept (redirect {reason})",
    )  # fmt: skip
