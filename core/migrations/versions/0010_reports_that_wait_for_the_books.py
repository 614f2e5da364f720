"""Reports that wait for the books.

FreeRADIUS writes reports down, and `radius.collector` brings them into the books in groups (decision 0014): the function that
did it packet by packet is gone.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "radius_report",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("heard_at", sa.DateTime(timezone=True), server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_radius_report")),
    )
    if op.get_bind().dialect.name == "postgresql":
        earlier = _revision_0004()
        op.execute(f"DROP FUNCTION duka_account({earlier.ARGUMENTS})")
        op.execute("DROP FUNCTION duka_line(text, integer)")
        op.execute("DROP FUNCTION duka_number(text)")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        earlier = _revision_0004()
        for function in (earlier.NUMBER, earlier.LINE, earlier.ACCOUNT):
            op.get_bind().exec_driver_sql(function.replace("%", "%%"))
    op.drop_table("radius_report")


def _revision_0004() -> ModuleType:
    """Where the functions stand."""
    return import_module("core.migrations.versions.0004_sessions_by_month_and_a_function_for_freeradius")
