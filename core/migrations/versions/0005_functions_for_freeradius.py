"""Functions for FreeRADIUS, and how far its log has been read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from core.radius_tables import FUNCTIONS

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "radius_log_file",
        sa.Column("server", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("server", "name", name=op.f("pk_radius_log_file")),
    )
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(FUNCTIONS.read_text("utf-8"))


def downgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("DROP FUNCTION duka_authorize, duka_value_understood, duka_hours_left, duka_quoted")
    op.drop_table("radius_log_file")
