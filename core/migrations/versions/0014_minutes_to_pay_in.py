"""A device may be lent a few minutes in which its owner pays."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0012"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NOW = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "grace_session",
        sa.Column("id", ID, nullable=False),
        sa.Column("router_id", ID, nullable=False),
        sa.Column("mac", sa.String(length=17), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("kbps", sa.BigInteger(), nullable=False),
        sa.Column("entrance", sa.String(length=8), nullable=False),
        sa.Column("began_at", NOW, nullable=False),
        sa.Column("ends_at", NOW, nullable=False),
        sa.Column("ended_at", NOW, nullable=True),
        sa.Column("tenant_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["router_id"], ["router.id"], name=op.f("fk_grace_session_router_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grace_session")),
        sa.UniqueConstraint("tenant_id", "mac", "day", name=op.f("uq_grace_session_tenant_id_mac_day")),
    )
    with op.batch_alter_table("grace_session", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_grace_session_tenant_id"), ["tenant_id"], unique=False)
        batch_op.create_index("ix_grace_session_router", ["router_id", "ends_at"], unique=False)


def downgrade() -> None:
    op.drop_table("grace_session")
