"""`POST /p/<site>/grace`: whoever pays on a page that cannot be let through asks for a few minutes (decision 21)."""

from __future__ import annotations

from urllib.parse import urlencode

from flask import Blueprint, abort, redirect, request
from werkzeug import Response

from core import network
from core.app import App
from core.errors import Refusal
from core.roles import CUSTOMER

SAID = {
    "grace_lent", "grace_off", "grace_used", "grace_not_here", "grace_not_needed", "grace_crowded", "bad_mac",
}  # fmt: skip
"""What the page can say of it afterwards: it was done, or the code of a refusal."""
KEPT = ("r", "mac", "l")


def blueprint(app: App) -> Blueprint:
    """Leads back to the arrival page, which says what came of it: a page that is loaded again asks for nothing twice."""
    pages = Blueprint("grace", __name__)

    @pages.post("/p/<site>/grace")
    def lend(site: str) -> Response:
        with app.look(None) as uow:
            place = network.place_called(uow, site, router_key=request.form.get("r", ""))
        if place is None:
            abort(404)
        kept = {name: request.form[name][:64] for name in KEPT if name in request.form}
        try:
            with app.work(place.tenant_id, CUSTOMER) as uow:
                network.lend_grace(uow, kept.get("mac", ""), slug=site, entrance=network.PAGE)
            said = "grace_lent"
        except Refusal as refusal:
            said = refusal.code()
        return redirect(f"/p/{site}?{urlencode(kept | {'g': said})}", code=303)

    return pages
