"""The people: one phone number each, with devices that can be moved in ten seconds."""

from core.customers.actions import (
    BadMac,
    DeviceTaken,
    TooManyDevices,
    add_device,
    by_account_code,
    by_hash,
    by_phone,
    customer,
    device,
    devices,
    move_device,
    normalise_mac,
    owner_of,
    recognise,
    release_device,
    set_language,
)
from core.customers.models import Customer, Device

__all__ = [
    "BadMac",
    "Customer",
    "Device",
    "DeviceTaken",
    "TooManyDevices",
    "add_device",
    "by_account_code",
    "by_hash",
    "by_phone",
    "customer",
    "device",
    "devices",
    "move_device",
    "normalise_mac",
    "owner_of",
    "recognise",
    "release_device",
    "set_language",
]
