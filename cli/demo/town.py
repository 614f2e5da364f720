"""Talking to the pretend town over its API (`sim/api.py`), as a person at its page would."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote

from cli.failures import Failed

TIMEOUT_SECONDS = 20.0
Facts = dict[str, Any]


class TownClient:
    """One pretend town at `url`."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def is_open(self) -> bool:
        """Does it answer?"""
        try:
            self.state()
        except Failed:
            return False
        return True

    def state(self) -> Facts:
        """Everything there is to see."""
        return self._call("/api/state", None)

    def phone(self, msisdn: str) -> Facts:
        """One phone, as it is now."""
        return next(phone for phone in self.state()["phones"] if phone["msisdn"] == msisdn)

    def do(self, path: str, **fields: object) -> Facts:
        """`do("phones/+254…/dial", code="*384#")`; what it changed. `Failed` with the town's own words."""
        return self._call("/api/" + quote(path, safe="/:+"), fields)

    def _call(self, path: str, fields: Facts | None) -> Facts:
        body = None if fields is None else json.dumps(fields).encode()
        request = urllib.request.Request(self.url + path, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
                found = json.load(answer)
        except urllib.error.HTTPError as error:
            raise Failed(f"the town says {error.code}: {_words(error.read())}") from error
        except (OSError, ValueError) as error:
            raise Failed(f"the town does not answer: {error}") from error
        assert isinstance(found, dict)
        return found


def _words(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return body[:200].decode(errors="replace")
