"""`GET /hotspot/<router key>/<file>`: what lies on a router for its phones, fetched by the router itself.

Every customer of the router reads these files, so the key in the address is public and nothing in them is secret.
"""

from __future__ import annotations

from flask import Blueprint, Response, abort

from core import login_page, network
from core.app import App

TYPES = {"html": "text/html", "txt": "text/plain", "json": "application/json"}


def blueprint(app: App) -> Blueprint:
    """The files of one router, as they should be now; 404 for anything else."""
    pages = Blueprint("hotspot", __name__)

    @pages.get("/hotspot/<key>/<name>")
    def file(key: str, name: str) -> Response:
        with app.look(None) as uow:
            found = network.router_with_key(uow, key)
        if found is None:
            abort(404)
        tenant_id, router_id = found
        with app.look(tenant_id) as uow:
            contents = login_page.files(network.blueprint_of(uow, network.router(uow, router_id))).get(name)
        if contents is None:
            abort(404)
        answer = Response(contents, content_type=f"{TYPES[name.rpartition('.')[2]]}; charset=utf-8")
        answer.headers["Cache-Control"] = "no-store"
        answer.headers["X-Content-Type-Options"] = "nosniff"
        return answer

    return pages
