"""What a package may say about access."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STORED = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "login",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("password", sa.LargeBinary(), nullable=False),
        sa.Column("extras", STORED, server_default=sa.text("'{}'"), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tenant_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name=op.f("fk_login_customer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_login")),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_login_tenant_id_name")),
    )
    with op.batch_alter_table("login", schema=None) as batch_op:
        batch_op.create_index("ix_login_customer", ["customer_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_login_tenant_id"), ["tenant_id"], unique=False)

    with op.batch_alter_table("customer", schema=None) as batch_op:
        batch_op.add_column(sa.Column("auto_renews", sa.Boolean(), server_default=sa.text("(false)"), nullable=False))

    with op.batch_alter_table("device", schema=None) as batch_op:
        batch_op.add_column(sa.Column("extras", STORED, server_default=sa.text("'{}'"), nullable=False))

    with op.batch_alter_table("package", schema=None) as batch_op:
        batch_op.add_column(sa.Column("service", sa.String(length=8), server_default="mac", nullable=False))
        batch_op.add_column(sa.Column("profile", STORED, server_default=sa.text("'{}'"), nullable=False))

    with op.batch_alter_table("radpostauth", schema=None) as batch_op:
        batch_op.create_index("ix_radpostauth_username", ["username", "id"], unique=False)

    with op.batch_alter_table("subscription", schema=None) as batch_op:
        batch_op.add_column(sa.Column("service", sa.String(length=8), server_default="mac", nullable=False))
        batch_op.add_column(sa.Column("profile", STORED, server_default=sa.text("'{}'"), nullable=False))
        batch_op.add_column(sa.Column("slows", sa.Boolean(), server_default=sa.text("(false)"), nullable=False))
        batch_op.add_column(sa.Column("slowed_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("over_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("remind_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("renew_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.drop_index("ix_subscription_ends")
        batch_op.drop_index("ix_subscription_exhausted")

    op.execute("UPDATE subscription SET over_at = ends_at")
    with op.batch_alter_table("subscription", schema=None) as batch_op:
        batch_op.alter_column("over_at", existing_type=sa.DateTime(timezone=True), nullable=False)
        batch_op.create_index(
            "ix_subscription_exhausted",
            ["id"],
            unique=False,
            postgresql_where=sa.text(
                "closed_at IS NULL AND suspended_at IS NULL AND slowed_at IS NULL AND used_bytes >= quota_bytes"
            ),
            sqlite_where=sa.text(
                "closed_at IS NULL AND suspended_at IS NULL AND slowed_at IS NULL AND used_bytes >= quota_bytes"
            ),
        )
        batch_op.create_index("ix_subscription_customer", ["customer_id", "id"], unique=False)
        batch_op.create_index(
            "ix_subscription_over",
            ["over_at"],
            unique=False,
            postgresql_where=sa.text("closed_at IS NULL"),
            sqlite_where=sa.text("closed_at IS NULL"),
        )
        batch_op.create_index(
            "ix_subscription_remind",
            ["remind_at"],
            unique=False,
            postgresql_where=sa.text("closed_at IS NULL AND remind_at IS NOT NULL"),
            sqlite_where=sa.text("closed_at IS NULL AND remind_at IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_subscription_renew",
            ["renew_at"],
            unique=False,
            postgresql_where=sa.text("closed_at IS NULL AND renew_at IS NOT NULL"),
            sqlite_where=sa.text("closed_at IS NULL AND renew_at IS NOT NULL"),
        )


def downgrade() -> None:
    with op.batch_alter_table("subscription", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_subscription_renew",
            postgresql_where=sa.text("closed_at IS NULL AND renew_at IS NOT NULL"),
            sqlite_where=sa.text("closed_at IS NULL AND renew_at IS NOT NULL"),
        )
        batch_op.drop_index(
            "ix_subscription_remind",
            postgresql_where=sa.text("closed_at IS NULL AND remind_at IS NOT NULL"),
            sqlite_where=sa.text("closed_at IS NULL AND remind_at IS NOT NULL"),
        )
        batch_op.drop_index(
            "ix_subscription_over",
            postgresql_where=sa.text("closed_at IS NULL"),
            sqlite_where=sa.text("closed_at IS NULL"),
        )
        batch_op.drop_index("ix_subscription_customer")
        batch_op.drop_index("ix_subscription_exhausted")
        batch_op.drop_column("renew_at")
        batch_op.drop_column("remind_at")
        batch_op.drop_column("over_at")
        batch_op.drop_column("slowed_at")
        batch_op.drop_column("slows")
        batch_op.drop_column("profile")
        batch_op.drop_column("service")
        batch_op.create_index(
            "ix_subscription_ends",
            ["ends_at"],
            unique=False,
            postgresql_where=sa.text("closed_at IS NULL"),
            sqlite_where=sa.text("closed_at IS NULL"),
        )
        batch_op.create_index(
            "ix_subscription_exhausted",
            ["id"],
            unique=False,
            postgresql_where=sa.text("closed_at IS NULL AND suspended_at IS NULL AND used_bytes >= quota_bytes"),
            sqlite_where=sa.text("closed_at IS NULL AND suspended_at IS NULL AND used_bytes >= quota_bytes"),
        )

    with op.batch_alter_table("radpostauth", schema=None) as batch_op:
        batch_op.drop_index("ix_radpostauth_username")

    with op.batch_alter_table("package", schema=None) as batch_op:
        batch_op.drop_column("profile")
        batch_op.drop_column("service")

    with op.batch_alter_table("device", schema=None) as batch_op:
        batch_op.drop_column("extras")

    with op.batch_alter_table("customer", schema=None) as batch_op:
        batch_op.drop_column("auto_renews")

    with op.batch_alter_table("login", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_login_tenant_id"))
        batch_op.drop_index("ix_login_customer")

    op.drop_table("login")
