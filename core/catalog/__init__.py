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
from core.catalog.models import Package, PackagePrice

__all__ = [
    "BadPackage",
    "NotOnSale",
    "Package",
    "PackagePrice",
    "PriceChanged",
    "by_code",
    "on_sale",
    "package",
    "publish",
    "quote",
    "reprice",
    "withdraw",
]
