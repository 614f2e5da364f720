"""Vouchers that are typed on a router's own login page: who claimed one, who guesses, and customers without a number."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from core.radius_tables import FUNCTIONS

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NOW = sa.DateTime(timezone=True)
PHONE = (("msisdn", sa.String(length=20)), ("msisdn_hash", sa.String(length=64)))


def upgrade() -> None:
    with op.batch_alter_table("customer", schema=None) as batch_op:
        for name, kind in PHONE:
            batch_op.alter_column(name, existing_type=kind, nullable=True)
    with op.batch_alter_table("voucher", schema=None) as batch_op:
        batch_op.add_column(sa.Column("claimed_at", NOW, nullable=True))
        batch_op.add_column(sa.Column("claimed_by", sa.String(length=17), nullable=True))
    op.create_table(
        "voucher_guess",
        sa.Column("id", ID, nullable=False),
        sa.Column("router_id", ID, nullable=False),
        sa.Column("mac", sa.String(length=17), nullable=False),
        sa.Column("at", NOW, nullable=False),
        sa.Column("tenant_id", ID, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_voucher_guess")),
    )
    with op.batch_alter_table("voucher_guess", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_voucher_guess_tenant_id"), ["tenant_id"], unique=False)
        batch_op.create_index("ix_voucher_guess_mac", ["mac", "at"], unique=False)
        batch_op.create_index("ix_voucher_guess_router", ["router_id", "at"], unique=False)
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(FUNCTIONS.read_text("utf-8"))


def downgrade() -> None:
    """Before this, everybody had a number: who has none gets a word in its place that is nobody's."""
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        op.execute("DROP FUNCTION duka_claim_voucher")
    op.drop_table("voucher_guess")
    with op.batch_alter_table("voucher", schema=None) as batch_op:
        batch_op.drop_column("claimed_by")
        batch_op.drop_column("claimed_at")
    for name, _ in PHONE:
        op.execute(f"UPDATE customer SET {name} = 'none:' || id WHERE {name} IS NULL")  # noqa: S608 (ours)
    with op.batch_alter_table("customer", schema=None) as batch_op:
        for name, kind in PHONE:
            batch_op.alter_column(name, existing_type=kind, nullable=False)
