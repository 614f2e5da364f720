"""How fast a customer may be: speeds, bursts, and how RouterOS writes them (radius.md §1)."""

from __future__ import annotations

from dataclasses import dataclass

BURST_SECONDS_MAX = 3600
PRIORITY_LAST = 8
OPEN_SIDE = "1000M"
"""A rate needs both sides; the one without a limit gets more than any customer's line can carry."""


@dataclass(frozen=True, slots=True)
class Speed:
    """Up and down in kbit/s, seen from the customer."""

    upload_kbps: int
    download_kbps: int

    def __str__(self) -> str:
        """As RouterOS writes it, the customer's upload first: `512k/2M`."""
        return f"{_side(self.upload_kbps)}/{_side(self.download_kbps)}"


@dataclass(frozen=True, slots=True)
class Burst:
    """Faster for a while: up to `limit` as long as the average over `seconds` stays below `threshold` (None: the rate)."""

    limit: Speed
    seconds: int
    threshold: Speed | None = None


def rate_limit(
    upload_kbps: int | None, download_kbps: int | None, *, burst: Burst | None = None, priority: int | None = None,
    guaranteed: Speed | None = None,
) -> str | None:  # fmt: skip
    """`5M/10M`, or with all its parts `5M/10M 8M/16M 4M/8M 16/16 8 1M/2M`, in RouterOS' syntax. None without any limit.

    The parts stand in a fixed order and a later one needs those before it, so a burst that is none repeats the rate.
    Raises ValueError for what no router could mean.
    """
    if upload_kbps is None and download_kbps is None:
        if burst or priority or guaranteed:
            raise ValueError("without a rate there is neither burst nor priority nor guarantee")
        return None
    rate = f"{_side(upload_kbps)}/{_side(download_kbps)}"
    if burst is None and priority is None and guaranteed is None:
        return rate
    if burst is not None and not 1 <= burst.seconds <= BURST_SECONDS_MAX:
        raise ValueError(f"a rate cannot burst for {burst.seconds} s")
    if priority is not None and not 1 <= priority <= PRIORITY_LAST:
        raise ValueError(f"a rate of priority {priority}: it goes from 1 to {PRIORITY_LAST}")
    limit, threshold, seconds = (str(burst.limit), burst.threshold, burst.seconds) if burst else (rate, None, 1)
    parts = [rate, limit, str(threshold or rate), f"{seconds}/{seconds}"]
    if priority is not None or guaranteed is not None:
        parts.append(str(priority or PRIORITY_LAST))
    if guaranteed is not None:
        parts.append(str(guaranteed))
    return " ".join(parts)


def _side(kbps: int | None) -> str:
    if kbps is None:
        return OPEN_SIDE
    if kbps <= 0:
        raise ValueError(f"a rate of {kbps} kbit/s is no rate")
    return f"{kbps // 1000}M" if kbps % 1000 == 0 else f"{kbps}k"
