"""The town's one web page: three files of our own, nothing from elsewhere, nothing to build."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, Response, send_from_directory

FILES = Path(__file__).with_name("web") / "static"
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def blueprint() -> Blueprint:
    """`GET /` is the page, `GET /web/<file>` what it is made of. It reads and changes the town through `sim/api.py` only."""
    page = Blueprint("page", __name__)
    page.after_request(_guarded)

    @page.get("/")
    def town() -> Response:
        return _file("town.html")

    @page.get("/web/<name>")
    def part(name: str) -> Response:
        return _file(name)

    return page


def _file(name: str) -> Response:
    """One file; 304 when the browser has this version, and it asks each time, so that an edit shows at once."""
    return send_from_directory(FILES, name, max_age=0)


def _guarded(response: Response) -> Response:
    """The browser runs our own script and style and shows the page in no frame, whatever a message may contain."""
    response.headers.update(HEADERS)
    return response
