"""`duka promise`: work that could not be done and waits for somebody to look."""

from __future__ import annotations

from typing import Annotated

import typer
from sqlalchemy import select

from cli import console
from cli.commands.customer import at
from cli.console import plain
from cli.failures import Failed
from cli.shop import Shop, TenantOption, shop
from core import outbox, tenants
from core.outbox import Promise
from core.uow import UnitOfWork

SHOWN_MAX = 200

app = typer.Typer(no_args_is_help=True, help="Work that was given up on: list, retry.")


@app.command("list")
def list_(
    every: Annotated[bool, typer.Option("--all", help="Also what is due or will be tried again.")] = False,
    tenant: TenantOption = None,
) -> None:
    """Parked work, oldest first, with the last error."""
    with shop(tenant) as here, here.look() as uow:
        zone = tenants.zone(here.tenant)
        rows = [
            (each.id, each.kind, plain(each.payload), "parked" if each.parked_at else f"due {at(each.due_at, zone)}",
             each.attempts, plain(each.last_error or ""))
            for each in _promises(uow, here, every=every)
        ]  # fmt: skip
    if not rows:
        console.good("nothing is parked" if not every else "nothing is owed")
        return
    console.table(("id", "kind", "about", "state", "failures", "last error"), rows)


@app.command("retry")
def retry(
    ids: Annotated[list[int] | None, typer.Argument(help="Which; all that are parked without.")] = None,
    tenant: TenantOption = None,
) -> None:
    """Try parked work again, now that the cause is mended."""
    with shop(tenant) as here, here.work() as uow:
        parked = {each.id: each for each in _promises(uow, here, every=False)}
        if strangers := set(ids or ()) - set(parked):
            raise Failed(f"not parked: {', '.join(map(str, sorted(strangers)))}")
        for promise_id in ids or parked:
            outbox.unpark(parked[promise_id], uow.now)
            uow.record("promise.retried", parked[promise_id], kind=parked[promise_id].kind)
        count = len(ids or parked)
        uow.promised_now = count > 0  # so that the relay is woken
    console.good(f"{count} to be tried again")


def _promises(uow: UnitOfWork, here: Shop, *, every: bool) -> list[Promise]:
    wanted = select(Promise).where(Promise.tenant_id == here.tenant_id, Promise.done_at.is_(None))
    if not every:
        wanted = wanted.where(Promise.parked_at.is_not(None))
    return list(uow.session.scalars(wanted.order_by(Promise.due_at, Promise.id).limit(SHOWN_MAX)))
