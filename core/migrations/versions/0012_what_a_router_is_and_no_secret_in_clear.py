"""What a router is, its tunnel, outages and backups; secrets that RADIUS reads are sealed too."""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from core.db import SEALED_MARK, vault
from core.radius_tables import FUNCTIONS

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

STORED = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NOW = sa.DateTime(timezone=True)
IN_CLEAR = (("nas", "nasname", "secret"), ("radius_nas", "nasname", "mac_auth_password"))
OPEN, UNCREDITED = sa.text("ended_at IS NULL"), sa.text("credited_at IS NULL")


def upgrade() -> None:
    with op.batch_alter_table("router", schema=None) as batch_op:
        batch_op.add_column(sa.Column("public_key", sa.String(length=32), nullable=True))
        batch_op.add_column(sa.Column("layout", STORED, server_default=sa.text("'{}'"), nullable=False))
        batch_op.add_column(sa.Column("certificate_sha256", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("version", sa.String(length=40), server_default="", nullable=False))
        batch_op.add_column(sa.Column("board", sa.String(length=60), server_default="", nullable=False))
        batch_op.add_column(sa.Column("serial", sa.String(length=40), server_default="", nullable=False))
        batch_op.add_column(sa.Column("up_since", NOW, nullable=True))
        batch_op.add_column(sa.Column("probe_at", NOW, nullable=True))
        batch_op.add_column(sa.Column("failures", sa.BigInteger(), server_default="0", nullable=False))
        batch_op.add_column(sa.Column("uptime_seconds", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("cpu_percent", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("active_count", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("applied_at", NOW, nullable=True))
        batch_op.add_column(sa.Column("checked_at", NOW, nullable=True))
        batch_op.add_column(sa.Column("drift", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("drift_since", NOW, nullable=True))
    _name_routers()
    with op.batch_alter_table("router", schema=None) as batch_op:
        batch_op.alter_column("public_key", existing_type=sa.String(length=32), nullable=False)
        batch_op.create_unique_constraint(batch_op.f("uq_router_public_key"), ["public_key"])
        batch_op.create_index("ix_router_probe_at", ["probe_at"], unique=False)
    _tables()
    _rewrite(lambda text: text if text.startswith(SEALED_MARK) else SEALED_MARK + vault.seal(text).decode())
    _functions()


def downgrade() -> None:
    _rewrite(lambda text: vault.open(text.removeprefix(SEALED_MARK).encode()) if text.startswith(SEALED_MARK) else text)
    op.drop_table("router_backup")
    op.drop_table("router_outage")
    op.drop_table("router_install")
    op.drop_table("tunnel_server")
    op.drop_table("tunnel")
    with op.batch_alter_table("router", schema=None) as batch_op:
        batch_op.drop_index("ix_router_probe_at")
        batch_op.drop_constraint(batch_op.f("uq_router_public_key"), type_="unique")
        for name in (
            "drift_since", "drift", "checked_at", "applied_at", "active_count", "cpu_percent", "uptime_seconds", "failures",
            "probe_at", "up_since", "serial", "board", "version", "certificate_sha256", "layout", "public_key",
        ):  # fmt: skip
            batch_op.drop_column(name)


def _name_routers() -> None:
    connection = op.get_bind()
    for (router_id,) in connection.execute(sa.text("SELECT id FROM router")).all():
        key = {"id": router_id, "key": secrets.token_hex(16)}
        connection.execute(sa.text("UPDATE router SET public_key = :key WHERE id = :id"), key)


def _rewrite(change) -> None:  # type: ignore[no-untyped-def]
    connection = op.get_bind()
    for table, key, column in IN_CLEAR:
        for name, text in connection.execute(sa.text(f"SELECT {key}, {column} FROM {table}")).all():  # noqa: S608 (ours)
            values = {"name": name, "text": change(text)}
            connection.execute(sa.text(f"UPDATE {table} SET {column} = :text WHERE {key} = :name"), values)  # noqa: S608 (ours)


def _functions() -> None:
    """FreeRADIUS takes the password of a device from its router's file: the function no longer looks at it."""
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(FUNCTIONS.read_text("utf-8"))


def _tables() -> None:
    op.create_table(
        "tunnel_server",
        sa.Column("id", ID, nullable=False),
        sa.Column("private_key", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.String(length=44), nullable=False),
        sa.Column("ipsec_secret", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", NOW, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tunnel_server")),
    )
    _of_routers(
        "tunnel",
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("address", sa.String(length=45), nullable=False),
        sa.Column("public_key", sa.String(length=44), server_default="", nullable=False),
        sa.Column("private_key", sa.LargeBinary(), nullable=True),
        sa.Column("username", sa.String(length=40), server_default="", nullable=False),
        sa.Column("password", sa.LargeBinary(), nullable=True),
        sa.Column("made_at", NOW, nullable=False),
        sa.UniqueConstraint("router_id", name=op.f("uq_tunnel_router_id")),
        sa.UniqueConstraint("address", name=op.f("uq_tunnel_address")),
    )
    _of_routers(
        "router_install",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("made_at", NOW, nullable=False),
        sa.Column("expires_at", NOW, nullable=False),
        sa.Column("fetched_at", NOW, nullable=True),
        sa.Column("claimed_by", sa.String(length=64), nullable=True),
        sa.Column("home_at", NOW, nullable=True),
        sa.UniqueConstraint("router_id", name=op.f("uq_router_install_router_id")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_router_install_token_hash")),
    )
    _of_routers(
        "router_outage",
        sa.Column("began_at", NOW, nullable=False),
        sa.Column("ended_at", NOW, nullable=True),
        sa.Column("flaps", sa.BigInteger(), nullable=False),
        sa.Column("customers", sa.BigInteger(), nullable=True),
        sa.Column("lost_seconds", sa.BigInteger(), nullable=True),
        sa.Column("credited_at", NOW, nullable=True),
    )
    with op.batch_alter_table("router_outage", schema=None) as batch_op:
        batch_op.create_index("ix_router_outage_router", ["router_id", "began_at"], unique=False)
        batch_op.create_index(
            "uq_router_outage_open", ["router_id"], unique=True, postgresql_where=OPEN, sqlite_where=OPEN
        )
        batch_op.create_index(
            "ix_router_outage_uncredited", ["ended_at"], postgresql_where=UNCREDITED, sqlite_where=UNCREDITED
        )
    _of_routers(
        "router_backup",
        sa.Column("taken_at", NOW, nullable=False),
        sa.Column("board", sa.String(length=60), nullable=False),
        sa.Column("version", sa.String(length=40), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
    )
    with op.batch_alter_table("router_backup", schema=None) as batch_op:
        batch_op.create_index("ix_router_backup_router", ["router_id", "taken_at"], unique=False)


def _of_routers(name: str, *parts: sa.Column[object] | sa.UniqueConstraint) -> None:
    op.create_table(
        name,
        sa.Column("id", ID, nullable=False),
        sa.Column("router_id", ID, nullable=False),
        *parts,
        sa.Column("tenant_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["router_id"], ["router.id"], name=op.f(f"fk_{name}_router_id")),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{name}")),
    )
    with op.batch_alter_table(name, schema=None) as batch_op:
        batch_op.create_index(batch_op.f(f"ix_{name}_tenant_id"), ["tenant_id"], unique=False)
