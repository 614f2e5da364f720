"""What is the same for all customers of an ISP, from its settings."""

from __future__ import annotations

from core import tenants
from core.network.desired import Isp
from core.uow import UnitOfWork


def isp_of(uow: UnitOfWork) -> Isp:
    """The ISP of this visit, as `core.network.desired` needs to know it."""
    tenant, settings = tenants.current(uow), tenants.settings_of(uow)
    return Isp(tenant.id, tenant.realm, tenant.timezone, settings.interim_seconds, settings.redirects)
