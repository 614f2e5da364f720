"""How a router differs from its blueprint, what was done about it, and the port for both. No value here holds a secret."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from core.blueprint import Blueprint
    from core.ports import RouterAddress

OURS, YOURS, MISSING = "ours", "yours", "missing"


@dataclass(frozen=True, slots=True)
class RouterPlan:
    """What applying would do, in RouterOS words, one sentence per line, and what stands in the way.

    `collisions`: objects of the owner's where ours should be, and what only somebody at the box can change; they are told and
    left alone. `risky` counts the steps that could cut our own connection.
    """

    version: str
    board: str
    steps: tuple[str, ...] = ()
    collisions: tuple[str, ...] = ()
    risky: int = 0

    @property
    def in_step(self) -> bool:
        """The router is as it should be, as far as it is ours to say."""
        return not self.steps and not self.collisions

    @property
    def drift(self) -> str | None:
        """All of it as text, a sentence per line; None when there is nothing to tell."""
        return "\n".join((*self.steps, *(f"collision: {each}" for each in self.collisions))) or None


@dataclass(frozen=True, slots=True)
class Applied:
    """How far it got: `done` is kept and was read back, `left` was not tried or not kept. `stopped` is why, empty when whole."""

    done: tuple[str, ...]
    left: tuple[str, ...] = ()
    collisions: tuple[str, ...] = ()
    stopped: str = ""


@dataclass(frozen=True, slots=True)
class GardenEntry:
    """One hole in the walled garden of a router. `whose` is ours · yours · missing (it should be there and is not)."""

    whose: str
    place: str
    port: str
    why: str = ""


class Planner(Protocol):
    """Bringing one router to its blueprint, over its API. Only objects with our tag are changed or deleted."""

    def plan(self, router: RouterAddress, blueprint: Blueprint) -> RouterPlan:
        """Look, and say what differs. Changes nothing; every menu is read at most once."""
        ...

    def apply(self, router: RouterAddress, blueprint: Blueprint, tell: Callable[[str], None] = ...) -> Applied:
        """Do it step by step, each read back; `tell` hears every sentence as it becomes true. May be repeated at any point.

        What could cut our own connection comes last, and the router itself undoes it unless we can come back in. Raises like
        every port as long as nothing was written; later it stops and says why.
        """
        ...

    def tend(self, router: RouterAddress, blueprint: Blueprint) -> Applied:
        """The same for its walled garden alone."""
        ...

    def garden(self, router: RouterAddress, blueprint: Blueprint) -> list[GardenEntry]:
        """Its walled garden: what is ours, what is the owner's, what is missing."""
        ...
