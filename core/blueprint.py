"""What should be on one router, as one value: everything both ways of setting it up (API and script) are made from.

Computed from our records by `network.blueprint_of`. Pure values: what of this fits a given box is decided where the box is
known (`core.adapters.routeros.wanted`). Secrets are kept out of reprs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

OPTION_OCTETS_MAX = 255


class Scope(Enum):
    """How much of a router is ours to arrange."""

    BOX = "box"
    """All of it: the box was empty, and WAN, LAN, Wi-Fi, addresses, NAT and firewall are ours to make."""
    SERVICE = "service"
    """Only what selling needs: the owner made his own network and hotspot, and they stay as he made them."""


@dataclass(frozen=True, slots=True)
class Installation:
    """Where this installation is reached by routers and phones, from the configuration.

    `portal_url` without a slash at its end. `radius_host` may be a name or an address.
    `tunnel_host` is where tunnels lead to from outside (empty: none are offered); all of them end in `tunnel_subnet`.
    """

    portal_url: str
    radius_host: str
    auth_port: int
    acct_port: int
    tunnel_host: str = ""
    tunnel_port: int = 51820
    tunnel_subnet: str = "10.77.0.0/16"


NOWHERE = Installation("", "", 0, 0)
"""For visits that have nothing to do with where we are."""


@dataclass(frozen=True, slots=True)
class Opening:
    """One hole in the walled garden: where a phone may go before anybody paid.

    Exactly one of `host` (may begin with `*.`) and `address` (IPv4, or a network with `/`) is set. `why` is `portal`, the name
    of a payment company, or `extra`.
    """

    why: str
    host: str = ""
    address: str = ""
    protocol: str = "tcp"
    port: int = 443

    def __post_init__(self) -> None:
        if bool(self.host) == bool(self.address):
            raise ValueError("an opening is for a host or for an address")

    @property
    def key(self) -> str:
        """What it is called on the router, behind our tag."""
        return f"garden-{self.why}-{self.host or self.address}-{self.port}"


@dataclass(frozen=True, slots=True)
class RadiusClient:
    """How the router asks us, and how it knows us when we order."""

    host: str
    auth_port: int
    acct_port: int
    secret: str = field(repr=False)
    mac_auth_password: str = field(repr=False)
    coa_port: int = 3799
    src_address: str = ""
    """The router's own address to ask from; empty: it chooses."""
    interim_seconds: int = 300


@dataclass(frozen=True, slots=True)
class Lan:
    """The network customers are on. `address` is the router's own with the prefix (`10.20.0.1/16`)."""

    address: str
    pool: str
    """`first-last`, within the network and without the router's address."""
    dns_name: str
    interface: str = "duka-lan"
    """The bridge that is made for it."""


@dataclass(frozen=True, slots=True)
class Lines:
    """PPPoE: the router's address on all lines, and where lines get theirs. Pools as `first-last`.

    The last three are for who may only go where one can pay: RADIUS names them `duka-expired`, `duka-suspended` and
    `duka-topup`, as pools and as address lists.
    """

    local_address: str
    pool: str
    expired_pool: str
    suspended_pool: str
    topup_pool: str
    service_name: str = "duka"


@dataclass(frozen=True, slots=True)
class ApiUser:
    """The account we work under, and the addresses (IPv4, or networks) it may come from; empty: from anywhere."""

    name: str
    password: str = field(repr=False)
    allowed: tuple[str, ...] = ()
    port: int = 8728
    tls: bool = False


@dataclass(frozen=True, slots=True)
class WireGuard:
    """RouterOS 7: our network between router and server. `address` is the router's with its prefix."""

    address: str
    private_key: str = field(repr=False)
    """Empty: the router made its own."""
    peer_public_key: str
    endpoint_host: str
    endpoint_port: int
    server_network: str
    """Our server's address inside, with `/32`."""
    interface: str = "duka-wg"
    listen_port: int = 13231
    keepalive_seconds: int = 25


@dataclass(frozen=True, slots=True)
class DialIn:
    """RouterOS 6: the router dials our L2TP server; `ipsec_secret` empty is without IPsec. We give it its address."""

    server: str
    user: str
    password: str = field(repr=False)
    server_network: str
    ipsec_secret: str = field(default="", repr=False)
    interface: str = "duka-l2tp"


Tunnel = WireGuard | DialIn


@dataclass(frozen=True, slots=True)
class Blueprint:
    """Everything that should be on one router.

    What is None or empty is not wanted and left alone. With `Scope.SERVICE` only `radius`, `hotspot_server` (empty: all it
    has), `portal_url`, `garden`, DNS, NTP and the log are looked at, and the firewall as far as `wan_interface` is named.
    """

    router_id: int
    name: str
    site: str
    """Slug of the place, part of the portal's address."""
    public_key: str
    """Hex; stands in the login page, so it is no secret."""
    scope: Scope
    radius: RadiusClient
    portal_url: str
    hotspot_server: str = ""
    api: ApiUser | None = None
    tunnel: Tunnel | None = None
    wan_interface: str = ""
    lan: Lan | None = None
    ssid: str = ""
    lines: Lines | None = None
    pages: str = ""
    """Directory of our login page on the router, without the `flash/` some boards need; empty: not ours."""
    garden: tuple[Opening, ...] = ()
    dns_servers: tuple[str, ...] = ()
    ntp_servers: tuple[str, ...] = ()
    log: bool = True
    shop: str = ""
    """What the ISP is called, for its customers."""
    language: str = "en"
    service_code: str = ""
    """What customers dial to buy, `*384*100#`; empty: they cannot."""

    @property
    def login_url(self) -> str:
        """Where the login page sends a phone."""
        return f"{self.portal_url}/p/{self.site}"

    @property
    def captive_url(self) -> str:
        """What phones ask whether they are held back (RFC 8908), announced by DHCP option 114; empty where that may not be.

        Only an HTTPS address may be announced, and an option holds 255 octets.
        """
        url = f"{self.portal_url}/capport/{self.site}?r={self.public_key}"
        return url if self.site and url.startswith("https://") and len(url.encode()) <= OPTION_OCTETS_MAX else ""
