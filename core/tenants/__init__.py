"""The ISPs that live in this installation, their staff, sites and settings."""

from core.tenants.actions import (
    AlreadyExists,
    BadTenant,
    NoSuchTenant,
    add_site,
    change_settings,
    current,
    door_url_secret,
    everyone,
    find_by_door,
    invite_staff,
    open_tenant,
    settings_of,
    sites,
    zone,
)
from core.tenants.models import DOORS, Site, Staff, Tenant
from core.tenants.settings import AfricasTalkingAccount, DarajaAccount, TenantSettings

__all__ = [
    "DOORS",
    "AfricasTalkingAccount",
    "AlreadyExists",
    "BadTenant",
    "DarajaAccount",
    "NoSuchTenant",
    "Site",
    "Staff",
    "Tenant",
    "TenantSettings",
    "add_site",
    "change_settings",
    "current",
    "door_url_secret",
    "everyone",
    "find_by_door",
    "invite_staff",
    "open_tenant",
    "settings_of",
    "sites",
    "zone",
]
