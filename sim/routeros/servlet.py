"""What the hotspot itself answers to browsers: its pages, login and logout (reference routeros.md §3.4)."""

from __future__ import annotations

import secrets
import urllib.parse
from dataclasses import dataclass, field

from sim.routeros.devices import Device
from sim.routeros.files import Files
from sim.routeros.hosts import Host
from sim.routeros.hotspot import Hotspot
from sim.routeros.internet import Answer
from sim.routeros.machine import Machine
from sim.routeros.pages import FACTORY, BadPage, render
from sim.routeros.sessions import CAUSE_USER_REQUEST

KINDS = {
    "html": "text/html",
    "json": "application/json",
    "txt": "text/plain",
    "js": "text/javascript",
    "css": "text/css",
}
ERRORS = {
    "invalid username or password": "invalid-username",
    "RADIUS server is not responding": "radius-timeout",
    "already authorizing, retry later": "auth-in-progress",
    "web browser did not send challenge response (try again, enable JavaScript)": "chap-missing",
}
"""The router's own texts → their names in `errors.txt`, which may say them otherwise."""
FILES_SHOWN_MAX = 60_000


@dataclass
class Visit:
    """One request of a browser to the router."""

    device: Device
    host: Host
    method: str
    path: str
    fields: dict[str, str]
    original: str = ""
    """The address the browser really wanted, when the router took the request for itself."""
    variables: dict[str, str] = field(default_factory=dict)


class Servlet:
    """Serves one router's hotspot. Call without the lock: a login waits for RADIUS."""

    def __init__(self, machine: Machine, hotspot: Hotspot, files: Files) -> None:
        self._machine = machine
        self._hotspot = hotspot
        self._files = files

    def address_of(self, server: str) -> tuple[str, str]:
        """Address and DNS name under which a hotspot server answers. Either may be empty. Call under the lock."""
        profile = self._hotspot.profile_of(server)
        address = profile("hotspot-address")
        if not address:
            servers, addresses = self._machine.tables["/ip/hotspot"], self._machine.tables["/ip/address"]
            number = servers.find("name", server)
            interface = servers.get(number, "interface") if number is not None else ""
            address = next(
                (
                    addresses.get(one, "address").partition("/")[0]
                    for one in addresses.records
                    if addresses.get(one, "interface") == interface and addresses.get(one, "disabled") != "true"
                ),
                "",
            )
        return address, profile("dns-name")

    def intercept(self, device: Device, host: Host, url: str) -> Answer:
        """A browser wanted something else, and has not paid for it."""
        visit = Visit(device, host, "GET", "/", {}, original=url)
        return self._page(visit, "rlogin.html", "redirect.html", "login.html")

    def answer(self, device: Device, host: Host, method: str, url: str, form: dict[str, str]) -> Answer:
        """A browser asked the router itself."""
        parts = urllib.parse.urlsplit(url)
        fields = {**dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True)), **form}
        visit = Visit(device, host, method, parts.path or "/", fields, original=fields.get("dst", ""))
        online = host.session is not None
        if visit.path == "/login":
            return self._login(visit)
        if visit.path == "/logout":
            page = self._page(visit, "logout.html") if online else self._redirect(visit, "/login")
            with self._machine.lock:
                self._hotspot.end_session(host, CAUSE_USER_REQUEST)
            return page
        if visit.path in ("/", "/status"):
            return self._page(visit, "status.html") if online else self._redirect(visit, "/login")
        return self._file(visit)

    def _login(self, visit: Visit) -> Answer:
        if visit.host.session is not None:
            return self._welcome(visit)
        if "username" not in visit.fields:
            return self._page(visit, "login.html")
        extra: dict[str, str | int] = {name: value for name, value in visit.fields.items() if name.startswith("radius")}
        user, password = visit.fields["username"], visit.fields.get("password", "")
        result = self._hotspot.logins.browse(visit.device, user, password, extra)
        if result.ok:
            return self._welcome(visit)
        visit.variables = {"username": user, **self._error(result.error)}
        return self._page(visit, "login.html")

    def _welcome(self, visit: Visit) -> Answer:
        """Logged in: on to where the browser wanted to go, or to a page that says so."""
        wanted = visit.original
        if wanted.startswith(("http://", "https://")):
            visit.variables = {**visit.variables, "link-redirect": wanted}
            return self._page(visit, "alogin.html" if visit.fields.get("popup") == "true" else "redirect.html")
        return self._page(visit, "alogin.html")

    def _redirect(self, visit: Visit, path: str) -> Answer:
        return Answer(302, {"location": f"{self._base(visit)}{path}", "content-type": "text/html"}, b"")

    def _error(self, text: str) -> dict[str, str]:
        """The error as the page shows it: in the words of `errors.txt` where it is the router's own."""
        name = ERRORS.get(text)
        said = self._errors_txt().get(name or "radius-reply", "$(error-orig)").replace("$(error-orig)", text)
        return {"error": said if name or "$(" not in said else text, "error-orig": name or "radius-reply"}

    def _errors_txt(self) -> dict[str, str]:
        lines = self._text("errors.txt").splitlines()
        pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
        return {name.strip(): words.strip() for name, _, words in pairs}

    def _text(self, name: str, server: str = "") -> str:
        body = self._files.read(f"{self._folder(server)}/{name}")
        return FACTORY.get(name, "") if body is None else body.decode("utf-8", "replace")

    def _folder(self, server: str) -> str:
        with self._machine.lock:
            names = [server] if server else [row["name"] for row in self._machine.tables["/ip/hotspot"].rows()][:1]
            profile = self._hotspot.profile_of(names[0] if names else "")
            override = profile("html-directory-override")
            return override if override not in ("", "none") else profile("html-directory")

    def _file(self, visit: Visit) -> Answer:
        name = visit.path.strip("/")
        body = self._files.read(f"{self._folder(visit.host.server)}/{name}")
        if body is None or ".." in name:
            return self._page(visit, "error.html", status=404)
        kind = KINDS.get(name.rpartition(".")[2], "application/octet-stream")
        if not kind.startswith("text/") and kind != "application/json":
            return Answer(200, {"content-type": kind}, body)
        return self._filled(visit, body.decode("utf-8", "replace"), kind, 200)

    def _page(self, visit: Visit, *names: str, status: int = 200) -> Answer:
        """The first of these pages that lies in the folder; the box's own first one where none does."""
        folder = self._folder(visit.host.server)
        found = next((body for name in names if (body := self._files.read(f"{folder}/{name}")) is not None), None)
        text = FACTORY[names[0]] if found is None else found.decode("utf-8", "replace")
        return self._filled(visit, text, "text/html", status)

    def _filled(self, visit: Visit, text: str, kind: str, status: int) -> Answer:
        try:
            page = render(text, {**self._variables(visit), **visit.variables})
        except BadPage as bad:
            return Answer(500, {"content-type": "text/plain"}, str(bad).encode())
        headers = {"content-type": kind, **{name.lower(): value for name, value in page.headers.items()}}
        return Answer(page.status if page.status != 200 else status, headers, page.body.encode())

    def _base(self, visit: Visit) -> str:
        address, name = self.address_of(visit.host.server)
        return f"http://{name or address}"

    def _variables(self, visit: Visit) -> dict[str, str]:
        with self._machine.lock:
            host, base = visit.host, self._base(visit)
            now, session = self._machine.seconds(), visit.host.session
            wanted = visit.original
            login = f"{base}/login" + (f"?dst={urllib.parse.quote(wanted, safe='')}" if wanted else "")
            address, _ = self.address_of(host.server)
            chap = "http-chap" in self._hotspot.profile_of(host.server)("login-by").split(",")
            row = session.live(now) if session is not None else {}
            seconds = int(session.ends_at - now) if session is not None and session.ends_at is not None else 0
            return {
                "mac": host.mac,
                "ip": host.to_address,
                "host-ip": host.address,
                "identity": self._machine.identity,
                "hostname": self._hotspot.profile_of(host.server)("dns-name") or address,
                "server-name": host.server,
                "server-address": f"{address}:80",
                "interface-name": host.interface,
                "vlan-id": "0",
                "username": session.user if session is not None else "",
                "logged-in": "yes" if session is not None else "no",
                "login-by": session.method if session is not None else "",
                "link-login": login,
                "link-login-only": f"{base}/login",
                "link-logout": f"{base}/logout",
                "link-status": f"{base}/status",
                "link-orig": wanted,
                "link-redirect": login,
                "chap-id": f"\\{secrets.randbelow(256):03o}" if chap else "",
                "chap-challenge": "".join(f"\\{octet:03o}" for octet in secrets.token_bytes(16)) if chap else "",
                "trial": "no",
                "uptime": row.get("uptime", ""),
                "session-time-left": row.get("session-time-left", ""),
                "session-time-left-secs": str(seconds),
                "session-timeout-secs": str(seconds),
                "remain-bytes-total": row.get("limit-bytes-total", ""),
            }
