"""What alembic asks before it works: on which connection, and what the tables should look like."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy.dialects.postgresql import INET
from sqlalchemy.types import TypeDecorator, TypeEngine

from core.app import METADATA
from core.migrations import comparable, other_default


def render_item(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    """Write our own column types as what they are in the database: a revision must not change when our code does."""
    if kind == "type" and isinstance(item, TypeDecorator):
        return f"sa.{item.impl!r}"
    if kind == "type" and item._variant_mapping.get("postgresql") is not None:
        return _with_address(item, autogen)
    return False


def _with_address(item: TypeEngine[Any], autogen: AutogenContext) -> str:
    assert isinstance(item._variant_mapping["postgresql"], INET), "the only type that differs on PostgreSQL"
    autogen.imports.add("from sqlalchemy.dialects import postgresql")
    return "sa.Text().with_variant(postgresql.INET(), 'postgresql')"


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    include_object=comparable,
    render_item=render_item,
    render_as_batch=True,
    compare_type=True,
    compare_server_default=other_default,
    transactional_ddl=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
