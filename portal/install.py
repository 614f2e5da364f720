"""What a bare box fetches to become a shop: a script that asks, the script made for it, and the call home at the end.

The token in the address opens everything here, so it is never logged; whatever is wrong with one is answered with the same 404.
"""

from __future__ import annotations

import structlog
from flask import Blueprint, Response, abort, request

from core import network
from core.app import App
from core.network import Box, Invitation

log = structlog.get_logger()


def blueprint(app: App) -> Blueprint:
    """`GET /install/<token>.rsc`, then what that script asks for itself: `POST …/setup.rsc` and `POST …/home`."""
    pages = Blueprint("install", __name__, url_prefix="/install")
    base = f"{app.installation.portal_url}/install"

    @pages.get("/<token>.rsc")
    def first(token: str) -> Response:
        _whose(app, token)
        return _script(app.router_scripts.first(f"{base}/{token}"))

    @pages.post("/<token>/setup.rsc")
    def second(token: str) -> Response:
        invited = _whose(app, token)
        asked = app.router_scripts.understand(request.get_data(cache=False))
        if asked is None:
            abort(400, "this is not what a router says of itself")
        box = Box.said(asked.version, asked.board, asked.serial)
        with app.work(invited.tenant_id) as uow:
            router = network.claim(uow, token, box)
            plan = None if router is None else network.blueprint_of(uow, router)
        if plan is None:
            log.warning("install.another_box", tenant=invited.tenant_id, router_id=invited.router_id)
            abort(404)
        log.info("install.script_given", tenant=invited.tenant_id, router_id=invited.router_id, version=box.version)
        return _script(app.router_scripts.second(plan, asked, f"{base}/{token}"))

    @pages.post("/<token>/home")
    def home(token: str) -> Response:
        invited = _whose(app, token)
        said = request.get_json(force=True, silent=True)
        facts = said if isinstance(said, dict) else {}
        version, board, serial = (str(facts.get(name, "")) for name in ("version", "board", "serial"))
        with app.work(invited.tenant_id) as uow:
            known = network.came_home(uow, token, Box.said(version, board, serial))
        if not known:
            abort(404)
        log.info("install.came_home", tenant=invited.tenant_id, router_id=invited.router_id)
        return Response("ok\n", content_type="text/plain")

    return pages


def _whose(app: App, token: str) -> Invitation:
    """Whose token this is; the same 404 for unknown, expired and used ones, after the same one look into the tables."""
    with app.look(None) as uow:
        invited = network.invitation(uow, token)
    if invited is None:
        log.warning("install.unknown_address", peer=request.remote_addr)
        abort(404)
    return invited


def _script(text: str) -> Response:
    answer = Response(text, content_type="text/plain; charset=utf-8")
    answer.headers["Cache-Control"] = "no-store"
    return answer
