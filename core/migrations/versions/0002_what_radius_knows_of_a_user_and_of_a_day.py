"""What radius knows of a user and of a day."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "radius_user",
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column(
            "tenant_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), server_default="0", nullable=False
        ),
        sa.Column("service", sa.String(length=8), server_default="mac", nullable=False),
        sa.Column("subscription_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("metered", sa.Boolean(), nullable=False),
        sa.Column("language", sa.Text(), server_default="en", nullable=False),
        sa.Column("hours", sa.Text(), server_default="", nullable=False),
        sa.Column("timezone", sa.Text(), server_default="UTC", nullable=False),
        sa.Column("redirects", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("blocked", sa.String(length=12), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("username", name=op.f("pk_radius_user")),
    )
    with op.batch_alter_table("radius_user", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_radius_user_subscription_id"), ["subscription_id"], unique=False)

    op.create_table(
        "usage_day",
        sa.Column("tenant_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("subscription_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("input_bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("output_bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("seconds", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("sessions", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "day", "username", "subscription_id", name=op.f("pk_usage_day")),
    )
    with op.batch_alter_table("usage_day", schema=None) as batch_op:
        batch_op.create_index("ix_usage_day_subscription", ["subscription_id", "day"], unique=False)

    op.execute(
        "INSERT INTO radius_user (username, tenant_id, subscription_id, metered, language, timezone)"
        " SELECT q.username, s.tenant_id, q.subscription_id, q.metered, c.language, t.timezone"
        " FROM radius_quota q JOIN subscription s ON s.id = q.subscription_id JOIN customer c ON c.id = s.customer_id"
        " JOIN tenant t ON t.id = s.tenant_id"
    )
    with op.batch_alter_table("radius_quota", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_radius_quota_subscription_id"))

    op.drop_table("radius_quota")
    with op.batch_alter_table("radius_nas", schema=None) as batch_op:
        batch_op.add_column(sa.Column("timezone", sa.Text(), server_default="UTC", nullable=False))
        batch_op.add_column(sa.Column("language", sa.Text(), server_default="en", nullable=False))
        batch_op.add_column(sa.Column("service_code", sa.Text(), server_default="", nullable=False))
    op.execute(
        "UPDATE radius_nas SET timezone = (SELECT t.timezone FROM tenant t WHERE t.id = radius_nas.tenant_id),"
        " language = (SELECT t.language FROM tenant t WHERE t.id = radius_nas.tenant_id)"
        " WHERE EXISTS (SELECT 1 FROM tenant t WHERE t.id = radius_nas.tenant_id)"
    )


def downgrade() -> None:
    with op.batch_alter_table("radius_nas", schema=None) as batch_op:
        batch_op.drop_column("service_code")
        batch_op.drop_column("language")
        batch_op.drop_column("timezone")

    op.create_table(
        "radius_quota",
        sa.Column("username", sa.TEXT(), nullable=False),
        sa.Column("subscription_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("metered", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("username", name=op.f("pk_radius_quota")),
    )
    with op.batch_alter_table("radius_quota", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_radius_quota_subscription_id"), ["subscription_id"], unique=False)

    op.execute(
        "INSERT INTO radius_quota (username, subscription_id, metered)"
        " SELECT username, subscription_id, metered FROM radius_user WHERE subscription_id <> 0"
    )
    with op.batch_alter_table("usage_day", schema=None) as batch_op:
        batch_op.drop_index("ix_usage_day_subscription")

    op.drop_table("usage_day")
    with op.batch_alter_table("radius_user", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_radius_user_subscription_id"))

    op.drop_table("radius_user")
