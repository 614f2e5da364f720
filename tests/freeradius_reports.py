"""Reports as FreeRADIUS writes them down (deploy/freeradius/mods-enabled/reports), without one."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine, insert

from core.radius_tables import radius_report
from radius.digest import ATTRIBUTES, FOLDER
from radius.packet import decode

INTERIM = 3


def line(packet: bytes, source: str, heard: datetime) -> str:
    """What stands in the file, or in the row, about a packet that came from this address at that moment."""
    read = decode(packet)
    octets = [(read.first(name) or b"").hex() for name in ATTRIBUTES]
    return "|".join(["1", f"{int(heard.timestamp())}.{heard.microsecond:06d}", source, *octets])


def write(run_folder: Path, *lines: str, name: str = "reports-202611201530.log") -> Path:
    """Lines at the end of a report file."""
    path = run_folder / FOLDER / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="ascii") as file:
        file.writelines(f"{each}\n" for each in lines)
    return path


def insert_rows(engine: Engine, *lines: str) -> None:
    """Lines as rows, each on the disk before the next."""
    for each in lines:
        with engine.begin() as connection:
            connection.execute(insert(radius_report).values(line=each))


def take_down(engine: Engine, run_folder: Path, packet: bytes, source: str, heard: datetime) -> None:
    """What FreeRADIUS does with a packet: an interim update into the file, everything else into the table."""
    said = line(packet, source, heard)
    if decode(packet).integer("Acct-Status-Type") == INTERIM:
        write(run_folder, said)
    else:
        insert_rows(engine, said)
