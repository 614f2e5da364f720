"""Where phones may go before anybody paid: the portal, the pages of the payment companies, and what the ISP adds. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from core.blueprint import Opening

COMPANY_HOSTS: dict[str, tuple[tuple[str, int], ...]] = {
    "daraja": (),
    "bkash": (("payment.bkash.com", 443), ("*.pay.bka.sh", 443)),
    "nagad": (("payment.mynagad.com", 443), ("payment.mynagad.com", 30000)),
    "shurjopay": (("securepay.shurjopayment.com", 443), ("engine.shurjopayment.com", 443)),
    "sslcommerz": tuple(
        (f"{name}.sslcommerz.com", 443)
        for name in ("securepay", "epay-gw", "epay", "api-epay", "epay-comm", "seamless-epay")
    ),
    "razorpay": (
        ("checkout.razorpay.com", 443), ("api.razorpay.com", 443), ("cdn.razorpay.com", 443), ("rzp.io", 443),
    ),
    "stripe": (
        *((f"{name}.stripe.com", 443) for name in ("checkout", "js", "api", "m", "r", "q", "hooks", "pay")),
        ("b.stripecdn.com", 443), ("m.stripe.network", 443), ("hcaptcha.com", 443),
    ),
}  # fmt: skip
"""What a browser needs to pay (payments.md §10). A prompt on the phone and its SMS travel outside the Wi-Fi: nothing."""
UNLISTABLE = frozenset({"shurjopay", "sslcommerz", "razorpay", "stripe"})
"""Their pages lead on to whichever bank issued the card: no list of hosts suffices (payments.md §10)."""
PORTAL, EXTRA = "portal", "extra"
SCHEME_PORTS = {"http": 80, "https": 443}


def openings(portal_url: str, companies: Iterable[str], extra: Iterable[str]) -> tuple[Opening, ...]:
    """All of them, each once. `extra` as the ISP writes them: `host`, `host:port`, `address` or `network:port`."""
    found = [*_portal(portal_url), *_companies(companies), *(_written(EXTRA, text) for text in extra)]
    return tuple({(one.host, one.address, one.port): one for one in reversed(found)}.values())[::-1]


def _portal(portal_url: str) -> Iterator[Opening]:
    parts = urlsplit(portal_url)
    if parts.hostname:
        yield _opening(PORTAL, parts.hostname, parts.port or SCHEME_PORTS.get(parts.scheme, 443))


def _companies(companies: Iterable[str]) -> Iterator[Opening]:
    for company in companies:
        for host, port in COMPANY_HOSTS.get(company, ()):
            yield _opening(company, host, port)


def _written(why: str, text: str) -> Opening:
    place, _, port = text.partition(":")
    return _opening(why, place, int(port) if port else 443)


def _opening(why: str, place: str, port: int) -> Opening:
    try:
        network = ipaddress.IPv4Network(place, strict=False)
    except ValueError:
        return Opening(why, host=place.lower(), port=port)
    return Opening(why, address=str(network).removesuffix("/32"), port=port)
