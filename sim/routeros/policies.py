"""The rights a group of users may have."""

from __future__ import annotations

from sim.routeros.values import POLICIES

OF_SIX_ONLY = frozenset({"dude", "tikapp"})
ALL_POLICIES = POLICIES - OF_SIX_ONLY


def known_policies(is_six: bool) -> frozenset[str]:
    """The rights there are in a version."""
    return POLICIES - {"rest-api"} if is_six else ALL_POLICIES


def spelled(policies: frozenset[str], is_six: bool) -> str:
    """A group's policies as the router writes them: those it has, then those it lacks with a `!`."""
    known = known_policies(is_six)
    return ",".join([*sorted(policies & known), *(f"!{word}" for word in sorted(known - policies))])
