"""A router's whole configuration as text, over an API that has no way to say it (routeros.md §5).

`/export` writes a file, and files are read back: RouterOS 7 gives them in pieces (`/file/read`), 6 shows the contents of small
files only. There the menus are exported one by one, and one that is too large even so is named in a comment. The file is taken
away again, for on RouterOS 6 it holds passwords.
"""

from __future__ import annotations

import secrets

from core.adapters.routeros.facts import version_of
from core.adapters.routeros.lines import Talk
from core.adapters.routeros.sayings import meaning
from core.adapters.routeros.values import Row, harmless, number
from core.adapters.routeros.wire import Trap
from core.errors import GatewayRefused

PIECE_BYTES, PIECES_MAX = 32_768, 128
CONTENTS_BYTES_MAX = 4095
"""What RouterOS 6 shows of a file."""
READS_FILES = (7, 13)
LOOKS_MAX, LOOK_SECONDS = 20, 0.25
SECTIONS = (
    "/interface/ethernet", "/interface/bridge", "/interface/vlan", "/interface/wireless", "/interface/list",
    "/interface/pppoe-client", "/interface/pppoe-server/server", "/interface/l2tp-client", "/interface/sstp-client",
    "/ip/pool", "/ip/address", "/ip/dhcp-client", "/ip/dhcp-server", "/ip/dns", "/ip/firewall/address-list",
    "/ip/firewall/filter", "/ip/firewall/mangle", "/ip/firewall/nat", "/ip/hotspot", "/ip/route", "/ip/service", "/ppp",
    "/queue", "/radius", "/snmp", "/system/clock", "/system/identity", "/system/logging", "/system/ntp/client",
    "/system/scheduler", "/system/script", "/tool", "/user",
)  # fmt: skip


def export(talk: Talk) -> str:
    """The text, with the line ends of this world. Raises `GatewayRefused` when there is no way to have it."""
    name = f"duka-{secrets.token_hex(4)}"
    version = version_of(talk.one("/system/resource").get("version", ""))
    try:
        whole = _written(talk, "/export", name, version)
        if whole is not None:
            return whole
        return _by_sections(talk, name, version)
    finally:
        _take_away(talk, name)


def _by_sections(talk: Talk, name: str, version: tuple[int, ...]) -> str:
    parts = ["# menu by menu: this RouterOS shows no file of more than 4 KB"]
    for menu in SECTIONS:
        try:
            text = _written(talk, f"{menu}/export", name, version)
        except Trap as trap:
            if meaning(trap).code != "version":
                raise
            continue
        spoken = menu.replace("/", " ").strip()
        parts.append(text if text is not None else f"# left out, too long to be read over the API: /{spoken}")
    return "\n".join(part.rstrip("\n") for part in parts) + "\n"


def _written(talk: Talk, command: str, name: str, version: tuple[int, ...]) -> str | None:
    """What this command writes into a file; None when that cannot be read back."""
    talk.write(command, file=name)
    for look in range(LOOKS_MAX):
        row = _file(talk, name)
        size = None if row is None else number(row, "size")
        if row is not None and size:
            if version >= READS_FILES:
                return _in_pieces(talk, row["name"], size)
            contents = row.get("contents", "")
            return _plain(contents) if contents and size <= CONTENTS_BYTES_MAX else None
        if look + 1 < LOOKS_MAX:
            talk.pause(LOOK_SECONDS)
    text = f"router {talk.router.name!r} was told to write its configuration into a file, and there is none"
    raise GatewayRefused(text, code="not_kept", permanent=False)


def _file(talk: Talk, name: str) -> Row | None:
    found = talk.rows("/file", ".id,name,size,contents", f"?name={name}.rsc")
    return found[0] if found else None


def _in_pieces(talk: Talk, name: str, size: int) -> str:
    said, got = [], 0
    for _ in range(PIECES_MAX):
        rows = talk.write("/file/read", file=name, chunk_size=str(PIECE_BYTES), offset=str(got))
        piece = rows[0].get("data", "") if rows else ""
        if not piece:
            break
        said.append(piece)
        got += len(piece.encode())
        if got >= size:
            return _plain("".join(said))
    text = f"router {talk.router.name!r} gave {got} of {size} bytes of {harmless(name)}"
    raise GatewayRefused(text, code="not_kept", permanent=False)


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n")


def _take_away(talk: Talk, name: str) -> None:
    row = _file(talk, name)
    if row is None:
        return
    try:
        talk.write("/file/remove", id=row[".id"])
    except Trap as trap:
        if meaning(trap).code != "gone":
            raise
