"""The tables RADIUS servers read and write: stock FreeRADIUS 3.2 columns, and three of ours beside them.

Plain tables, not capabilities: the embedded server, FreeRADIUS and the `radius_rows` adapter all speak SQL to them.
User names are MACs in upper case with colons; further tenants of one installation append `@<realm>` (decision 0009).
Source: FreeRADIUS raddb/mods-config/sql/main/postgresql/schema.sql; radius.md §4.1, §4.7.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Date,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    event,
    text,
)  # fmt: skip
from sqlalchemy.dialects.postgresql import INET

from core.db import Base, Id, Instant, SealedText

_Address = Text().with_variant(INET, "postgresql")


def _attributes(name: str, owner: str, operator: str) -> Table:
    return Table(
        name,
        Base.metadata,
        Column("id", Id, primary_key=True),
        Column(owner, Text, nullable=False, server_default=""),
        Column("attribute", Text, nullable=False, server_default=""),
        Column("op", String(2), nullable=False, server_default=operator),
        Column("value", Text, nullable=False, server_default=""),
        Index(f"ix_{name}_{owner}", owner, "attribute"),
    )


radcheck = _attributes("radcheck", "username", "==")
radreply = _attributes("radreply", "username", "=")
radgroupcheck = _attributes("radgroupcheck", "groupname", "==")
radgroupreply = _attributes("radgroupreply", "groupname", "=")

radusergroup = Table(
    "radusergroup",
    Base.metadata,
    Column("id", Id, primary_key=True),
    Column("username", Text, nullable=False, server_default=""),
    Column("groupname", Text, nullable=False, server_default=""),
    Column("priority", Integer, nullable=False, server_default="0"),
    Index("ix_radusergroup_username", "username"),
)

radacct = Table(
    "radacct",
    Base.metadata,
    Column("radacctid", Id, primary_key=True),
    Column("acctsessionid", Text, nullable=False),
    Column("acctuniqueid", Text, nullable=False),
    Column("username", Text),
    Column("groupname", Text),
    Column("realm", Text),
    Column("nasipaddress", _Address, nullable=False),
    Column("nasportid", Text),
    Column("nasporttype", Text),
    Column("acctstarttime", Instant),
    Column("acctupdatetime", Instant),
    Column("acctstoptime", Instant),
    Column("acctinterval", BigInteger),
    Column("acctsessiontime", BigInteger),
    Column("acctauthentic", Text),
    Column("connectinfo_start", Text),
    Column("connectinfo_stop", Text),
    Column("acctinputoctets", BigInteger),
    Column("acctoutputoctets", BigInteger),
    Column("calledstationid", Text),
    Column("callingstationid", Text),
    Column("acctterminatecause", Text),
    Column("servicetype", Text),
    Column("framedprotocol", Text),
    Column("framedipaddress", _Address),
    Column("framedipv6address", _Address),
    Column("framedipv6prefix", _Address),
    Column("framedinterfaceid", Text),
    Column("delegatedipv6prefix", _Address),
    Column("class", Text),
    UniqueConstraint("acctuniqueid", "acctstoptime", name="uq_radacct_session", postgresql_nulls_not_distinct=True),
    Index(
        "ix_radacct_open_username",
        "username",
        postgresql_where=text("acctstoptime IS NULL"),
        sqlite_where=text("acctstoptime IS NULL"),
    ),
    Index(
        "ix_radacct_open_nas",
        "nasipaddress",
        postgresql_where=text("acctstoptime IS NULL"),
        sqlite_where=text("acctstoptime IS NULL"),
    ),
    Index("ix_radacct_username_start", "username", "acctstarttime"),
)
"""Stock. On PostgreSQL it has partitions by month of the stop, and one for open sessions (decision 0013). Rows are found by
`acctuniqueid` and `acctstoptime`, which every partition has in one index; `radacctid` only counts."""

radpostauth = Table(
    "radpostauth",
    Base.metadata,
    Column("id", Id, primary_key=True),
    Column("username", Text, nullable=False),
    Column("pass", Text),
    Column("reply", Text),
    Column("calledstationid", Text),
    Column("callingstationid", Text),
    Column("authdate", Instant, nullable=False),
    Column("class", Text),
    Index("ix_radpostauth_username", "username", "id"),
)

nas = Table(
    "nas",
    Base.metadata,
    Column("id", Id, primary_key=True),
    Column("nasname", Text, nullable=False),
    Column("shortname", Text, nullable=False),
    Column("type", Text, nullable=False, server_default="other"),
    Column("ports", Integer),
    Column("secret", SealedText, nullable=False),
    Column("server", Text),
    Column("community", Text),
    Column("description", Text),
    Column("require_ma", String(4), nullable=False, server_default="auto"),
    Column("limit_proxy_state", String(4), nullable=False, server_default="auto"),
    UniqueConstraint("nasname", name="uq_nas_nasname"),
)

radius_nas = Table(
    "radius_nas",
    Base.metadata,
    Column("nasname", Text, primary_key=True),
    Column("tenant_id", Id, nullable=False),
    Column("router_id", Id, nullable=False, unique=True),
    Column("realm", Text, nullable=False, server_default=""),
    Column("mac_auth_password", SealedText, nullable=False),
    Column("demands_message_authenticator", Boolean, nullable=False, server_default=text("false")),
    Column("timezone", Text, nullable=False, server_default="UTC"),
    Column("language", Text, nullable=False, server_default="en"),
    Column("service_code", Text, nullable=False, server_default=""),
)
"""What the stock `nas` row cannot say: whose router this is, the secret that only it knows (radius.md §6), and how its ISP
counts days and speaks to customers. Kept in step with the tenant by `core.network`."""

radius_user = Table(
    "radius_user",
    Base.metadata,
    Column("username", Text, primary_key=True),
    Column("tenant_id", Id, nullable=False, server_default="0"),
    Column("service", String(8), nullable=False, server_default="mac"),
    Column("subscription_id", Id, nullable=False, index=True),
    Column("metered", Boolean, nullable=False),
    Column("language", Text, nullable=False, server_default="en"),
    Column("hours", Text, nullable=False, server_default=""),
    Column("timezone", Text, nullable=False, server_default="UTC"),
    Column("redirects", Boolean, nullable=False, server_default=text("false")),
    Column("blocked", String(12), nullable=False, server_default=""),
)
"""What stock rows cannot say of a user name (docs/radius-policy.md). `service`: mac · ppp · code. `subscription_id` 0: nobody
is charged. `hours`: minutes since Monday 00:00 in `timezone`, `480-1200,1920-2640`, empty for always. `blocked`: empty or
`suspended`. `redirects`: who is not let in gets a walled network instead. The remainder of a quota is computed at each request."""

usage_day = Table(
    "usage_day",
    Base.metadata,
    Column("tenant_id", Id, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("username", Text, primary_key=True),
    Column("subscription_id", Id, primary_key=True),
    Column("input_bytes", BigInteger, nullable=False, server_default="0"),
    Column("output_bytes", BigInteger, nullable=False, server_default="0"),
    Column("seconds", BigInteger, nullable=False, server_default="0"),
    Column("sessions", Integer, nullable=False, server_default="0"),
    Index("ix_usage_day_subscription", "subscription_id", "day"),
)
"""What was used, per name, subscription (0: nobody's) and day in the ISP's zone; added to with every accounting packet, so
that no screen ever sums `radacct`."""

FUNCTIONS = Path(__file__).parent / "data" / "duka_authorize.sql"
"""Functions that FreeRADIUS calls, and the cards they read (decision 0015), on PostgreSQL only. A revision that changes them
runs this file again."""


@event.listens_for(Base.metadata, "after_create")
def _functions(_target: object, connection: Connection, **_options: object) -> None:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(FUNCTIONS.read_text("utf-8"))


radius_log_file = Table(
    "radius_log_file",
    Base.metadata,
    Column("server", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("position", BigInteger().with_variant(Integer, "sqlite"), nullable=False, server_default="0"),
)
"""How many octets of a FreeRADIUS log file are in `radpostauth` already; written in the transaction that inserts them, so
that no line is there twice. `server` names one running FreeRADIUS, for there may be several."""

radius_report = Table(
    "radius_report",
    Base.metadata,
    Column("id", Id, primary_key=True),
    Column("heard_at", Instant, nullable=False, server_default=text("CURRENT_TIMESTAMP")),
    Column("line", Text, nullable=False),
)
"""Beginnings and ends of sessions that FreeRADIUS has answered and nobody has brought into the books yet, a line of
`deploy/freeradius/mods-enabled/reports` each. Short of a row in a busy second, empty otherwise (decision 0014)."""
