"""A charge touches no index.

The index for used-up data had `used_bytes` in its condition, so PostgreSQL wrote into every index of a subscription with
every charge. Now the database itself keeps whether it is used up, which hardly ever changes, and leaves room beside each row
for its next version. (PostgreSQL writes the table anew for this, once.)
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0006"
branch_labels = None
depends_on = None

NAME = "ix_subscription_exhausted"
RUNS = "closed_at IS NULL AND suspended_at IS NULL AND slowed_at IS NULL AND "
BEFORE = sa.text(RUNS + "used_bytes >= quota_bytes")
FILLED_PERCENT = 80


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"ALTER TABLE subscription SET (fillfactor = {FILLED_PERCENT})")
    with op.batch_alter_table("subscription", schema=None) as batch_op:
        batch_op.drop_index(NAME)
        batch_op.add_column(sa.Column("spent", sa.Boolean(), sa.Computed("used_bytes >= quota_bytes", persisted=True)))
        batch_op.create_index(
            NAME, ["id"], postgresql_where=sa.text(RUNS + "spent"), sqlite_where=sa.text(RUNS + "spent = 1")
        )


def downgrade() -> None:
    with op.batch_alter_table("subscription", schema=None) as batch_op:
        batch_op.drop_index(NAME)
        batch_op.drop_column("spent")
        batch_op.create_index(NAME, ["id"], postgresql_where=BEFORE, sqlite_where=BEFORE)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE subscription RESET (fillfactor)")
