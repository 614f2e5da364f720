"""Devices by customer, also released ones."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

HELD = sa.text("released_at IS NULL")


def upgrade() -> None:
    with op.batch_alter_table("device", schema=None) as batch_op:
        batch_op.drop_index("ix_device_customer_held")
        batch_op.create_index("ix_device_customer", ["customer_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("device", schema=None) as batch_op:
        batch_op.drop_index("ix_device_customer")
        batch_op.create_index("ix_device_customer_held", ["customer_id"], postgresql_where=HELD, sqlite_where=HELD)
