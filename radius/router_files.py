"""FreeRADIUS's routers as files: one per router, in the shape of deploy/freeradius/sites-enabled/clients."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import structlog

from core.network import NasClient

ROUTERS, ROUTERS_IPV6 = "clients", "clients6"
"""The folders of router files inside FreeRADIUS's run folder."""

log = structlog.get_logger()


class RouterFiles:
    """One file per router, in the shape FreeRADIUS reads (deploy/freeradius/sites-enabled/clients)."""

    def __init__(self, run_folder: Path) -> None:
        self._folder = run_folder
        self._kept: tuple[dict[tuple[str, str], str], list[int]] | None = None

    def keep(self, routers: Iterable[NasClient]) -> None:
        """Make the folders say exactly this. A router that FreeRADIUS cannot be told about is left out."""
        wanted: dict[tuple[str, str], str] = {}
        left_out: list[int] = []
        for client in routers:
            try:
                wanted[ROUTERS_IPV6 if ":" in client.address else ROUTERS, client.address] = _client(client)
            except ValueError:
                left_out.append(client.router_id)
        if (wanted, left_out) == self._kept:
            return
        for router_id in left_out:
            log.error("radius.router_left_out", router_id=router_id, why="FreeRADIUS cannot be told this secret")
        for folder in (ROUTERS, ROUTERS_IPV6):
            (self._folder / folder).mkdir(mode=0o750, parents=True, exist_ok=True)
            for path in (self._folder / folder).iterdir():
                if (folder, path.name) not in wanted:
                    path.unlink(missing_ok=True)
        for (folder, address), text in wanted.items():
            path = self._folder / folder / address
            if not path.exists() or path.read_text("utf-8") != text:
                _replace(path, self._folder / f".{address}.new", text)
        self._kept = wanted, left_out


def _replace(path: Path, fresh: Path, text: str) -> None:
    """Whole or not at all: FreeRADIUS may read it at this very moment. It is nobody else's to read."""
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640), "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)


def _client(client: NasClient) -> str:
    demands = "yes" if client.demands_message_authenticator else "no"
    family = "ipv6addr" if ":" in client.address else "ipaddr"
    return (
        f"client {client.address} {{\n\t{family} = {client.address}\n\tsecret = {_quoted(client.secret)}\n"
        f"\tduka_mac_password = {_quoted(client.mac_auth_password)}\n\trequire_message_authenticator = {demands}\n}}\n"
    )


def _quoted(secret: str) -> str:
    """Between quotes FreeRADIUS takes everything as it stands, but for the quote itself, which has a backslash before it.

    Raises ValueError for a secret that cannot be written so.
    """
    for quote, expanded in (("'", ()), ('"', ("${", "$ENV{"))):
        ends = secret.endswith("\\") or f"\\{quote}" in secret
        if secret and not ends and secret.isprintable() and not any(each in secret for each in expanded):
            return quote + secret.replace(quote, f"\\{quote}") + quote
    raise ValueError("FreeRADIUS cannot be told this secret")
