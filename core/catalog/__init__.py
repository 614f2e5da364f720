"""What is for sale: packages with their price history."""

from core.catalog.actions import (
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
from core.catalog.models import SERVICES, Package, PackagePrice
from core.catalog.profile import Profile
from core.ports import MAC, PPP

__all__ = [
    "MAC",
    "PPP",
    "SERVICES",
    "BadPackage",
    "NotOnSale",
    "Package",
    "PackagePrice",
    "PriceChanged",
    "Profile",
    "by_code",
    "on_sale",
    "package",
    "publish",
    "quote",
    "reprice",
    "withdraw",
]
