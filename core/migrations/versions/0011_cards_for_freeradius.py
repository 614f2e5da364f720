"""Cards for FreeRADIUS: what the rows of a name say, understood when they are written (decision 0015). PostgreSQL only."""

from __future__ import annotations

from alembic import op

from core.radius_tables import FUNCTIONS

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(FUNCTIONS.read_text("utf-8"))


def downgrade() -> None:
    """`duka_authorize` stays, for 0005 takes it away; without cards it answers nobody."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION duka_rows_written CASCADE")
        op.execute("DROP FUNCTION duka_write_cards, duka_sent, duka_sessions_elsewhere")
        op.execute("DROP SCHEMA radius_card CASCADE")
