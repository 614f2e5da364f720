"""Everything that can go wrong on purpose.

A `Refusal` is told to the person who asked. The three gateway failures decide what a job does next.
Whatever else is raised is a bug and must be seen.
"""

from __future__ import annotations


class Refusal(Exception):
    """This may not be done now."""

    def __init__(self, **facts: object) -> None:
        super().__init__(self.sentence())
        self.facts = facts

    @classmethod
    def code(cls) -> str:
        """The name under which doors keep the wording: `InsufficientFunds` → `insufficient_funds`."""
        name = cls.__name__
        return "".join("_" + c.lower() if c.isupper() and i else c.lower() for i, c in enumerate(name))

    @classmethod
    def sentence(cls) -> str:
        return (cls.__doc__ or cls.__name__).strip().splitlines()[0]


class NotAllowed(Refusal):
    """You have no permission for this."""


class GatewayFailure(Exception):
    """The outside world did not do what we asked."""


class GatewayDown(GatewayFailure):
    """Nothing happened over there: it could not be reached or said it is busy. Trying again later is right."""


class GatewayRefused(GatewayFailure):
    """They understood and said no. Trying the same again is pointless."""

    def __init__(self, message: str, *, code: str = "", permanent: bool = True) -> None:
        super().__init__(message)
        self.code = code
        self.permanent = permanent


class OutcomeUnknown(GatewayFailure):
    """We asked and cannot tell whether it was done. Never repeat blindly: find out."""
