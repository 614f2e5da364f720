"""Cards for FreeRADIUS hold what `radius_user` says of a name, too: one lookup less per login (decision 0015). PostgreSQL only."""

from __future__ import annotations

from alembic import op

from core.radius_tables import FUNCTIONS

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(FUNCTIONS.read_text("utf-8"))


def downgrade() -> None:
    """The functions stay as they are: 0011 and 0005 take them away."""
