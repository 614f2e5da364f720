"""What the router lets into a property, and how it writes it back (reference routeros.md §1.2).

Everything is text on the wire. A `Kind` is what the data files say about one argument; `Kind.accept` turns what
somebody typed into the router's own spelling, or raises `BadValue` with the text the router would give.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass

UNITS_MS = {"w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_DURATION_PART = re.compile(r"(\d+)(ms|w|d|h|m|s)?", re.ASCII)
_DURATION_TEXT = re.compile(r"(?:(?:\d+(?:ms|w|d|h|m|s))+|\d+(?:ms|w|d|h|m|s)?)", re.ASCII)
_CLOCK_TEXT = re.compile(r"((?:\d+[wd])*) ?(\d{1,6}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,3}))?)?", re.ASCII)
_MAC_TEXT = re.compile(r"[0-9A-F]{2}(?:([:.-])[0-9A-F]{2}(?:\1[0-9A-F]{2}){4}|[0-9A-F]{10})", re.ASCII)
_NUMBER_TEXT = re.compile(r"-?\d{1,20}", re.ASCII)
_RATE_TEXT = re.compile(r"(\d{1,12})([kMG]?)", re.ASCII)
RATE_UNITS = {"": 1, "k": 1000, "M": 1_000_000, "G": 1_000_000_000}
NUMBER_MAX = 2**64 - 1

OWN_FORMS = frozenset({"interface-address", "ranges", "prefix", "prefixes", "addresses", "matched-addresses"}) | {
    "ports", "protocol", "states", "policies", "key", "host", "hosts",
}  # fmt: skip
"""Forms that the data files do not name; `additions.py` says which argument takes which."""
POLICIES = frozenset(
    {"local", "telnet", "ssh", "ftp", "reboot", "read", "write", "policy", "test", "winbox", "password", "web"}
    | {"sniff", "sensitive", "api", "romon", "rest-api", "dude", "tikapp"}
)
PROTOCOLS = frozenset(
    {"tcp", "udp", "icmp", "icmpv6", "igmp", "gre", "ipsec-esp", "ipsec-ah", "ipencap", "ipip", "ospf", "l2tp", "vrrp"}
    | {
        "sctp",
        "udp-lite",
        "pim",
        "etherip",
        "egp",
        "ggp",
        "hmp",
        "idpr-cmtp",
        "pup",
        "rdp",
        "rspf",
        "st",
        "vmtp",
        "xns-idp",
    }
    | {"xtp", "ddp", "dccp", "encap", "iso-tp4"}
)
CONNECTION_STATES = frozenset({"established", "related", "new", "invalid", "untracked"})
_HOST_TEXT = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*"
)

TRUE_WORDS = frozenset({"yes", "true"})
FALSE_WORDS = frozenset({"no", "false"})


class BadValue(Exception):
    """The text is not one this argument takes. The message is the router's, with `{}` where its name belongs."""


def parse_duration_ms(text: str) -> int:
    """Milliseconds of a duration in any of the router's forms: `1d2h3m4s`, `1w 02:03:04`, `00:05`, `90`, `500ms`.

    A bare number means seconds. Raises ValueError for anything else.
    """
    text = text.strip()
    if len(text) > 64:
        raise ValueError("duration too long")
    clock = _CLOCK_TEXT.fullmatch(text)
    if clock:
        days, hours, minutes, seconds, fraction = clock.groups()
        if int(minutes) > 59 or int(seconds or 0) > 59:
            raise ValueError(f"not a duration: {text!r}")
        whole = (int(hours) * 3600 + int(minutes) * 60 + int(seconds or 0)) * 1000
        return _units_ms(days) + whole + int((fraction or "0").ljust(3, "0"))
    if not _DURATION_TEXT.fullmatch(text):
        raise ValueError(f"not a duration: {text!r}")
    return _units_ms(text)


def _units_ms(text: str) -> int:
    return sum(int(count) * UNITS_MS[unit or "s"] for count, unit in _DURATION_PART.findall(text))


def format_duration(milliseconds: float) -> str:
    """The router's spelling of a span: `1w2d3h4m5s6ms`, `0s` for nothing at all."""
    rest = max(0, int(milliseconds))
    parts = []
    for unit, size in UNITS_MS.items():
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def format_seconds(seconds: float) -> str:
    """A running time as tables show it: whole seconds only."""
    return format_duration(int(seconds) * 1000)


def parse_mac(text: str) -> str:
    """Upper case with colons, from any of the accepted separators. Raises ValueError."""
    raw = text.strip().upper()
    if not _MAC_TEXT.fullmatch(raw):
        raise ValueError(f"not a MAC address: {text[:40]!r}")
    digits = re.sub(r"[:.-]", "", raw)
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))


def parse_bool(text: str) -> bool:
    if text in TRUE_WORDS:
        return True
    if text in FALSE_WORDS:
        return False
    raise ValueError(f"neither yes nor no: {text[:40]!r}")


def format_bool(value: bool) -> str:
    return "true" if value else "false"


def parse_rate_bits(text: str) -> int:
    """Bits per second of `512k`, `5M`, `1G` or a plain number. Raises ValueError."""
    found = _RATE_TEXT.fullmatch(text)
    if not found:
        raise ValueError(f"not a rate: {text[:40]!r}")
    return int(found[1]) * RATE_UNITS[found[2]]


def order_key(text: str) -> tuple[int, float, str]:
    """How `?<` and `?>` compare: numbers and durations by size, everything else as text."""
    if _NUMBER_TEXT.fullmatch(text):
        return 0, float(text), ""
    try:
        return 0, parse_duration_ms(text) / 1000, ""
    except ValueError:
        return 1, 0.0, text


@dataclass(frozen=True)
class Kind:
    """What one argument takes. `forms` are alternatives; `free` means that any text will do."""

    forms: frozenset[str] = frozenset()
    words: tuple[str, ...] = ()
    many: bool = False
    low: int | None = None
    high: int | None = None
    range_text: str = ""
    length_max: int | None = None

    def accept(self, text: str) -> str:
        """The router's own spelling of this text, or BadValue."""
        if self.many:
            return self._subset(text)
        if text in self.words:
            return text
        for form, parse in _PARSERS.items():
            if form not in self.forms:
                continue
            try:
                return parse(text, self)
            except ValueError:
                continue
        if "free" in self.forms:
            if self.length_max is not None and len(text) > self.length_max:
                raise BadValue("value of {} is too long")
            return text
        if self.words and not self.forms:
            raise BadValue("input does not match any value of {}")
        raise BadValue("invalid value for argument {}")

    def _subset(self, text: str) -> str:
        parts = [part.strip() for part in text.split(",") if part.strip()]
        if self.words and any(part not in self.words for part in parts):
            raise BadValue("input does not match any value of {}")
        return ",".join(word for word in self.words if word in parts) if self.words else ",".join(parts)

    def check_range(self, value: int) -> None:
        if (self.low is not None and value < self.low) or (self.high is not None and value > self.high):
            raise BadValue("value of {} out of range (" + self.range_text + ")")


def _number(text: str, kind: Kind) -> str:
    if not _NUMBER_TEXT.fullmatch(text):
        raise ValueError(text)
    value = int(text)
    kind.check_range(value)
    if abs(value) > NUMBER_MAX:
        raise BadValue(f"value of {{}} out of range (0..{NUMBER_MAX})")
    return str(value)


def _time(text: str, kind: Kind) -> str:
    milliseconds = parse_duration_ms(text)
    kind.check_range(milliseconds)
    return format_duration(milliseconds)


def _bool(text: str, _kind: Kind) -> str:
    return format_bool(parse_bool(text))


def _mac(text: str, _kind: Kind) -> str:
    return parse_mac(text)


def _ip(text: str, _kind: Kind) -> str:
    return str(ipaddress.IPv4Address(text))


def _any_ip(text: str, _kind: Kind) -> str:
    return str(ipaddress.ip_address(text.partition("@")[0]))


def _interface_address(text: str, _kind: Kind) -> str:
    return str(ipaddress.ip_interface(text))


def _ranges(text: str, _kind: Kind) -> str:
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if dash:
            if ipaddress.IPv4Address(first) > ipaddress.IPv4Address(last):
                raise ValueError(text)
        else:
            ipaddress.ip_network(part, strict=False)
    return text


def _each(text: str, parse: Callable[[str], str]) -> str:
    return ",".join(parse(part.strip()) for part in text.split(","))


def _prefix_text(text: str) -> str:
    address, slash, _ = text.partition("/")
    ipaddress.ip_address(address)
    return str(ipaddress.ip_network(text, strict=False)) if slash else address


def _prefix(text: str, _kind: Kind) -> str:
    if "/" not in text:
        raise ValueError(text)
    return str(ipaddress.ip_network(text, strict=False))


def _prefixes(text: str, _kind: Kind) -> str:
    return _each(text, _prefix_text)


def _addresses(text: str, _kind: Kind) -> str:
    return _each(text, lambda part: str(ipaddress.ip_address(part)))


def _matched(text: str, _kind: Kind) -> str:
    """What a rule compares an address with: `!` for not, then one address, a network, or a range."""
    bare = text.removeprefix("!")
    first, dash, last = bare.partition("-")
    if dash:
        if ipaddress.IPv4Address(first) > ipaddress.IPv4Address(last):
            raise ValueError(text)
        return text
    return text[: len(text) - len(bare)] + _prefix_text(bare)


def _ports(text: str, _kind: Kind) -> str:
    for part in text.removeprefix("!").split(","):
        first, dash, last = part.partition("-")
        ends = [int(end) for end in ((first, last) if dash else (first,)) if _NUMBER_TEXT.fullmatch(end)]
        if len(ends) != 1 + bool(dash) or not 0 <= ends[0] <= ends[-1] <= 65535:
            raise ValueError(text)
    return text


def _word_of(text: str, known: frozenset[str]) -> str:
    if text not in known:
        raise BadValue("input does not match any value of {}")
    return text


def _protocol(text: str, _kind: Kind) -> str:
    bare = text.removeprefix("!")
    if not (_NUMBER_TEXT.fullmatch(bare) and 0 <= int(bare) <= 255):
        _word_of(bare, PROTOCOLS)
    return text


def _states(text: str, _kind: Kind) -> str:
    bare = text.removeprefix("!")
    return text[: len(text) - len(bare)] + _each(bare, lambda part: _word_of(part, CONNECTION_STATES))


def _policies(text: str, _kind: Kind) -> str:
    for part in text.split(","):
        _word_of(part.strip().removeprefix("!"), POLICIES)
    return _each(text, str)


def _key(text: str, _kind: Kind) -> str:
    """A WireGuard key: 32 bytes in base64."""
    if len(base64.b64decode(text, validate=True)) != 32:
        raise ValueError("not a key")
    return text


def _host(text: str, _kind: Kind) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        if not _HOST_TEXT.fullmatch(text):
            raise
        return text


def _hosts(text: str, kind: Kind) -> str:
    return _each(text, lambda part: _host(part, kind))


_PARSERS = {
    "bool": _bool,
    "num": _number,
    "time": _time,
    "macAddr": _mac,
    "ipAddr": _ip,
    "address": _any_ip,
    "interface-address": _interface_address,
    "ranges": _ranges,
    "prefix": _prefix,
    "prefixes": _prefixes,
    "addresses": _addresses,
    "matched-addresses": _matched,
    "ports": _ports,
    "protocol": _protocol,
    "states": _states,
    "policies": _policies,
    "key": _key,
    "host": _host,
    "hosts": _hosts,
}
