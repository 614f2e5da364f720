"""Errors in one line for an owner. Whatever is not known here is a bug and shows its traceback."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, ProgrammingError

from core.config import ConfigError
from core.db import WrongKey
from core.errors import GatewayFailure, Refusal
from core.logs import clean_text

NO_TABLES = ("no such table", "undefinedtable", "does not exist", "no such column")


class Failed(Exception):
    """This command could not do it; the message says why and what to do."""


KNOWN = (Failed, ConfigError, Refusal, GatewayFailure, DBAPIError, WrongKey)


def explain(error: BaseException) -> str:
    """The sentence for a known error."""
    match error:
        case Refusal():
            facts = ", ".join(f"{name}: {value}" for name, value in error.facts.items())
            return f"{error} ({facts})" if facts else str(error)
        case ProgrammingError() | OperationalError() | InterfaceError():
            return _database(error)
        case DBAPIError():
            return f"the database says: {first_line(error)}"
        case GatewayFailure():
            return clean_text(str(error)) or type(error).__name__
    return str(error)


def _database(error: DBAPIError) -> str:
    said = first_line(error)
    kind = type(error.orig).__name__.lower()
    if any(word in said.lower() or word in kind for word in NO_TABLES):
        return "the database has not all the tables of this version: run `duka migrate`"
    if "locked" in said:
        return "the database is busy: another process holds it; try again"
    return f"the database does not answer: {said}"


def first_line(error: BaseException) -> str:
    """What was said, in one line, without SQL, passwords and phone numbers."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    lines = str(cause).strip().splitlines()
    return clean_text(lines[0] if lines else type(cause).__name__)
