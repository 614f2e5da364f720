"""MikroTik routers over their API. The only place that imports librouteros."""

from core.adapters.routeros.breaker import Breaker
from core.adapters.routeros.hotspot import MikrotikHotspot
from core.adapters.routeros.lines import Unreachable
from core.adapters.routeros.wire import Patience

__all__ = ["Breaker", "MikrotikHotspot", "Patience", "Unreachable"]
