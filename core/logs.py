"""Log lines: one JSON object per event, on standard output, with ids to follow a promise from start to end.

Nothing secret and no phone number leaves in clear, wherever in an event it stands: values under telling names are blacked
out, numbers that look like phones are masked, credentials inside texts and addresses are cut. `DUKA_LOG` sets the level.
"""

from __future__ import annotations

import ctypes
import logging
import os
import re
import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
HIDDEN = "***"
TEXT_LENGTH_MAX = 4000
DEPTH_MAX = 6
SECRET_WORDS = frozenset(
    {"password", "passwd", "secret", "secrets", "token", "pin", "passkey", "apikey", "key", "authorization"}
    | {"credential", "credentials", "cookie"}
)
ID_NAMES = frozenset({"pid", "id", "promise", "promises", "tenant"})
"""Numbers under these names, and under names that end in `_id`, are ours and stay readable."""
QUIET_LIBRARIES = ("rq", "sqlalchemy", "urllib3", "alembic", "werkzeug")
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_PHONE = re.compile(r"(?<![\d.])(\+?\d{3,4})\d{3,8}(\d{3})(?!\d)")
_LABELLED = re.compile(
    r"(?i)\b((?:[a-z]+[_-])?(?:password|passwd|secret|token|pin|passkey|api[_-]?key|authorization))"
    r"(\"?'?\s*[=:]\s*)(?:(?:bearer|basic)\s+)?(\"[^\"]*\"|'[^']*'|[^\s\"',;&}]+)"
)
_USERINFO = re.compile(r"://[^/\s@]+@")


def set_up(process: str) -> None:
    """Start logging as `process`. Raises ValueError in words when `DUKA_LOG` names no level."""
    level = os.environ.get("DUKA_LOG", "INFO").upper()
    if level not in LEVELS:
        raise ValueError(f"DUKA_LOG is {level!r}; use one of {', '.join(LEVELS)}")
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                redact,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    root = logging.getLogger()
    logging.raiseExceptions = False  # a line that cannot be written would be shown raw, secrets and all
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in QUIET_LIBRARIES:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    structlog.contextvars.bind_contextvars(process=process, pid=os.getpid())
    _give_back_memory()


def _give_back_memory() -> None:
    """A process that starts to log has loaded its libraries: return the 8 MB of holes that this leaves and nothing fills.

    Only the GNU C library keeps them and has this call; elsewhere nothing happens.
    """
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The last processor before the line is written."""
    return {name: _clean(name, value, 0) for name, value in event.items()}


def clean_text(text: str) -> str:
    """Free text (an exception's message) without credentials and phone numbers, of bounded length."""
    text = text[:TEXT_LENGTH_MAX]
    if "@" in text:
        text = _USERINFO.sub(f"://{HIDDEN}@", text)
    if "=" in text or ":" in text:
        text = _LABELLED.sub(rf"\1\2{HIDDEN}", text)
    return _PHONE.sub(r"\1•••\2", text)


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return bool(SECRET_WORDS & {word.lower() for word in _WORD.findall(name)})


def _clean(name: str, value: Any, depth: int) -> Any:
    if _is_secret(name):
        return HIDDEN
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if name in ID_NAMES or name.endswith("_id") or abs(value) < 10**8 else clean_text(str(value))
    if isinstance(value, Mapping) and depth < DEPTH_MAX:
        return {str(key): _clean(str(key), inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset) and depth < DEPTH_MAX:
        return [_clean(name, inner, depth + 1) for inner in value]
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    return value if name == "timestamp" else clean_text(str(value))
