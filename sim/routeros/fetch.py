"""`/tool/fetch`: how a router gets its login page. This one only ever reaches loopback addresses."""

from __future__ import annotations

import urllib.parse

from sim.routeros.checks import CATEGORY_BAD_VALUE, CATEGORY_MISSING, Trap
from sim.routeros.commands import Emit, Executor, Request
from sim.routeros.files import Files
from sim.routeros.internet import Internet, NothingThere
from sim.routeros.machine import Machine
from sim.routeros.shapes import FORBIDDEN
from sim.routeros.uplink import Uplink

FETCH_BYTES_MAX = 1 << 20
CONTENTS_SHOWN_MAX = 60_000


class Fetcher:
    """Registers the command; fetched files appear in `/file`."""

    def __init__(self, machine: Machine, executor: Executor, files: Files, internet: Internet, uplink: Uplink) -> None:
        self._machine = machine
        self._files = files
        self._internet = internet
        self._uplink = uplink
        executor.register("/tool/fetch", "", self._fetch, slow=True)

    def _fetch(self, request: Request, emit: Emit) -> dict[str, str]:
        if not self._machine.allows("fetch"):
            raise Trap(FORBIDDEN)
        given = request.arguments
        url = given.get("url")
        if not url:
            raise Trap("missing value(s) of argument(s) url", CATEGORY_MISSING)
        output = given.get("output", "file")
        if output not in ("file", "none", "user"):
            raise Trap("input does not match any value of output", CATEGORY_BAD_VALUE)
        to_file = output == "file" and given.get("keep-result", "yes") in ("yes", "true")
        if to_file and "ftp" not in request.policies:
            raise Trap("failure: cannot open file: permission denied")
        body = self._download(url, given)
        if to_file:
            path = given.get("dst-path") or urllib.parse.urlsplit(url).path.rsplit("/", 1)[-1] or "index.html"
            self._files.write(path, body)
        row = {
            "status": "finished",
            "downloaded": str(-(-len(body) // 1024)),
            "total": str(len(body)),
            "duration": "1s",
        }
        if output == "user":
            row["data"] = body[:CONTENTS_SHOWN_MAX].decode("utf-8", "replace")
        emit({**row, ".section": "0"})
        return {}

    def _download(self, url: str, given: dict[str, str]) -> bytes:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Trap("invalid value for argument url", CATEGORY_BAD_VALUE)
        if not self._uplink.works:
            raise Trap("failure: connection timeout")
        address = self._internet.resolve(parts.hostname)
        if address != parts.hostname and self._uplink.is_plugged and not self._uplink.name_servers:
            raise Trap("failure: resolving error")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        if address is None or self._internet.door(address, port) is None:
            raise Trap("failure: connection timeout" if address else "failure: resolving error")
        data = given.get("http-data")
        headers = dict(_headers(given.get("http-header-field", "")))
        try:
            answer = self._internet.ask(
                url,
                given.get("http-method", "get").upper(),
                data.encode() if data is not None else None,
                headers,
                proves_itself=given.get("check-certificate", "no") not in ("no", "false"),
            )
        except NothingThere as nothing:
            raise Trap("failure: connection failed") from nothing
        if not 200 <= answer.status < 300:
            raise Trap(f"failure: status {answer.status}")
        if len(answer.body) > FETCH_BYTES_MAX:
            raise Trap("failure: file too large")
        return answer.body


def _headers(text: str) -> list[tuple[str, str]]:
    """`Name: value,Other: value` as pairs. Raises Trap."""
    pairs = []
    for part in text.split(",") if text else []:
        name, colon, value = part.partition(":")
        if not colon or not name.strip():
            raise Trap("invalid value for argument http-header-field", CATEGORY_BAD_VALUE)
        pairs.append((name.strip(), value.strip()))
    return pairs
