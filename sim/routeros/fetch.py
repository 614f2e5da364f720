"""`/tool/fetch`: how a router gets its login page. This one only ever reaches loopback addresses."""

from __future__ import annotations

import ipaddress
import ssl
import urllib.error
import urllib.parse
import urllib.request

from sim.routeros.checks import CATEGORY_BAD_VALUE, CATEGORY_MISSING, Trap
from sim.routeros.commands import Emit, Executor, Request
from sim.routeros.files import Files
from sim.routeros.machine import Machine
from sim.routeros.shapes import FORBIDDEN

FETCH_SECONDS_MAX = 10.0
FETCH_BYTES_MAX = 1 << 20
CONTENTS_SHOWN_MAX = 60_000


class Fetcher:
    """Registers the command; fetched files appear in `/file`."""

    def __init__(self, machine: Machine, executor: Executor, files: Files) -> None:
        self._machine = machine
        self._files = files
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
        body = _download(url, given.get("http-method", "get").upper(), given.get("http-data"))
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


def _download(url: str, method: str, data: str | None) -> bytes:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Trap("invalid value for argument url", CATEGORY_BAD_VALUE)
    if not _is_loopback(parts.hostname):
        raise Trap("failure: connection timeout")
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # the router's own default: check-certificate=no
    body = data.encode() if data is not None else None
    question = urllib.request.Request(url, data=body, method=method)
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), _StayPut())
    try:
        with opener.open(question, timeout=FETCH_SECONDS_MAX) as answer:
            fetched: bytes = answer.read(FETCH_BYTES_MAX + 1)
    except urllib.error.HTTPError as refused:
        raise Trap(f"failure: status {refused.code}") from refused
    except (OSError, ValueError) as broken:
        raise Trap("failure: connection failed") from broken
    if len(fetched) > FETCH_BYTES_MAX:
        raise Trap("failure: file too large")
    return fetched


class _StayPut(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: it could lead off this machine."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        pass  # a name, then
    return host == "localhost"
