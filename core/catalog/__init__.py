"""What is for sale: packages with their price history."""

from core.catalog.actions import (
    GRACE_SHARE,
    BadPackage,
    NotOnSale,
    PriceChanged,
    by_code,
    on_sale,
    package,
    publish,
    quote,
    reprice,
    withdraw,
)
from core.catalog.hours import BadHours
from core.catalog.hours import parse as parse_hours
from core.catalog.hours import tell as tell_hours
from core.catalog.models import SERVICES, Package, PackagePrice
from core.catalog.profile import Profile
from core.ports import MAC, PPP

__all__ = [
    "GRACE_SHARE",
    "MAC",
    "PPP",
    "SERVICES",
    "BadHours",
    "BadPackage",
    "NotOnSale",
    "Package",
    "PackagePrice",
    "PriceChanged",
    "Profile",
    "by_code",
    "on_sale",
    "package",
    "parse_hours",
    "publish",
    "quote",
    "reprice",
    "tell_hours",
    "withdraw",
]
