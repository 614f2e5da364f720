"""What the clock does, and how often. The sweeps themselves stand in `jobs/sweeps.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.app import App

INTERVAL_SECONDS_MIN = 1.0


@dataclass(frozen=True, slots=True)
class Every:
    """One sweep: every `seconds` call `sweep`, which opens its own visits and says how many rows it found.

    `name` (≤ 32 characters) is what the heartbeat and the alerts call it.
    """

    seconds: float
    name: str
    sweep: Callable[[App], int]

    def __post_init__(self) -> None:
        if self.seconds < INTERVAL_SECONDS_MIN or not 0 < len(self.name) <= 32:
            raise ValueError(
                f"a sweep needs a name and at least {INTERVAL_SECONDS_MIN} s between two runs: {self.name!r}"
            )
