"""Sessions by month and a function for freeradius.

On PostgreSQL `radacct` becomes a table of partitions: `radacct_month.open` holds the sessions that go on, and each month
has one for those that ended in it (decision 0013). They have a schema of their own, so that whoever lists the tables sees
one `radacct`, as stock.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SESSION = ["acctuniqueid", "acctstoptime"]

MONTHS = """
CREATE FUNCTION duka_radacct_months(first timestamptz, last timestamptz) RETURNS integer LANGUAGE plpgsql AS $$
-- Make the partitions that are missing for sessions that end between these moments; how many were made. What ended in a
-- month that had none has waited among the open ones and is moved.
DECLARE
  month timestamp := date_trunc('month', first AT TIME ZONE 'UTC');
  name text;
  made integer := 0;
BEGIN
  WHILE month <= last AT TIME ZONE 'UTC' LOOP
    name := to_char(month, '"y"YYYY"m"MM');
    IF to_regclass('radacct_month.' || name) IS NULL THEN
      PERFORM set_config('lock_timeout', '2s', true);
      LOCK TABLE radacct_month.open IN ACCESS EXCLUSIVE MODE;
      EXECUTE format('CREATE TABLE radacct_month.%I (LIKE radacct INCLUDING DEFAULTS)', name);
      EXECUTE format(
        'WITH moved AS (DELETE FROM radacct_month.open WHERE acctstoptime >= %L AND acctstoptime < %L RETURNING *)'
        ' INSERT INTO radacct_month.%I SELECT * FROM moved',
        month AT TIME ZONE 'UTC', (month + interval '1 month') AT TIME ZONE 'UTC', name);
      EXECUTE format(
        'ALTER TABLE radacct ATTACH PARTITION radacct_month.%I FOR VALUES FROM (%L) TO (%L)',
        name, month AT TIME ZONE 'UTC', (month + interval '1 month') AT TIME ZONE 'UTC');
      made := made + 1;
    END IF;
    month := month + interval '1 month';
  END LOOP;
  RETURN made;
END $$
"""

FORGET = """
CREATE FUNCTION duka_radacct_forget(before timestamptz) RETURNS integer LANGUAGE plpgsql AS $$
-- Drop the months that were over before this moment; how many were dropped. Open sessions stay.
DECLARE
  name text;
  dropped integer := 0;
BEGIN
  FOR name IN
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'radacct_month' AND c.relkind = 'r' AND c.relname ~ '^y[0-9]{4}m[0-9]{2}$'
      AND to_date(c.relname, '"y"YYYY"m"MM') + interval '1 month' <= before AT TIME ZONE 'UTC'
    ORDER BY c.relname
  LOOP
    PERFORM set_config('lock_timeout', '2s', true);
    EXECUTE format('DROP TABLE radacct_month.%I', name);
    dropped := dropped + 1;
  END LOOP;
  RETURN dropped;
END $$
"""

NUMBER = """
CREATE FUNCTION duka_number(word text) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
-- Digits as a number; anything else is 0.
SELECT CASE WHEN word <> '' AND length(word) <= 10 AND ltrim(word, '0123456789') = '' THEN word::bigint ELSE 0 END
$$
"""

LINE = r"""
CREATE FUNCTION duka_line(word text, longest integer) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
-- Something from outside, safe to show or log: no control or direction characters, bounded.
SELECT left(btrim(regexp_replace(coalesce(word, ''),
  '[\u0001-\u0020\u007f-\u00a0\u00ad\u0600-\u0605\u061c\u06dd\u070f\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f'
  '\u3000\ue000-\uf8ff\ufeff\ufff9-\ufffb\U000e0001-\U000e007f]+', ' ', 'g')), longest)
$$
"""

ACCOUNT = r"""
CREATE FUNCTION duka_account(
  p_status text, p_nas text, p_session_id text, p_user_name text, p_calling_station text, p_called_station text,
  p_framed_ip text, p_nas_port_id text, p_nas_port_type text, p_session_time text, p_input_octets text,
  p_input_gigawords text, p_output_octets text, p_output_gigawords text, p_terminate_cause text, p_class text,
  p_delay_time text, p_heard_at text
) RETURNS text LANGUAGE plpgsql AS $$
-- One accounting packet: what core/network/accounting.py does with one (docs/radius-policy.md, Accounting).
DECLARE
  kind text;
  router record;
  received_at timestamptz;
  happened timestamptz;
  seconds bigint;
  received bigint;
  sent bigint;
  user_name text := coalesce(p_user_name, '');
  session_id text := coalesce(p_session_id, '');
  calling text := coalesce(p_calling_station, '');
  called text := coalesce(p_called_station, '');
  port_id text := coalesce(p_nas_port_id, '');
  cause text := coalesce(p_terminate_cause, '');
  klass text := coalesce(p_class, '');
  address inet;
  uid text;
  subscription_number bigint;
  found_one boolean;
  goes_on boolean := false;
  known_class text;
  known record;
  ended timestamptz;
  new_cause text;
  more_received bigint;
  more_sent bigint;
  more_seconds bigint;
  begun integer := 0;
BEGIN
  kind := CASE p_status
    WHEN 'Interim-Update' THEN 'interim' WHEN 'Alive' THEN 'interim' WHEN '3' THEN 'interim'
    WHEN 'Start' THEN 'start' WHEN '1' THEN 'start' WHEN 'Stop' THEN 'stop' WHEN '2' THEN 'stop'
    WHEN 'Accounting-On' THEN 'boot' WHEN '7' THEN 'boot' WHEN 'Accounting-Off' THEN 'boot' WHEN '8' THEN 'boot' END;
  SELECT n.tenant_id, n.realm, n.timezone INTO router FROM radius_nas n WHERE n.nasname = p_nas;
  IF NOT FOUND OR kind IS NULL THEN
    RETURN 'ok';
  END IF;
  received_at := CASE
    WHEN p_heard_at ~ '^[0-9]{1,11}([.][0-9]{1,9})?$' THEN to_timestamp(p_heard_at::double precision)
    ELSE clock_timestamp() END;
  happened := received_at - make_interval(secs => least(duka_number(p_delay_time), 2592000));
  IF kind = 'boot' THEN
    UPDATE radacct SET acctstoptime = happened, acctterminatecause = 'NAS-Reboot'
    WHERE nasipaddress = p_nas::inet AND acctstoptime IS NULL AND acctstarttime < happened;
    RETURN 'ok';
  END IF;
  IF user_name || session_id || calling || called || port_id || cause || klass ~ '[^!-~]' THEN
    user_name := duka_line(user_name, 253);
    session_id := duka_line(session_id, 253);
    calling := duka_line(calling, 253);
    called := duka_line(called, 253);
    port_id := duka_line(port_id, 253);
    cause := duka_line(cause, 253);
    klass := duka_line(klass, 253);
  END IF;
  IF session_id = '' THEN
    RETURN 'ok';
  END IF;
  IF kind = 'interim' THEN
    PERFORM set_config('synchronous_commit', 'off', true);
  END IF;
  IF klass LIKE '0x64756b613a%' AND length(klass) <= 46 AND substr(klass, 13) ~ '^(3[0-9])+$' THEN
    klass := convert_from(decode(substr(klass, 3), 'hex'), 'UTF8');
  END IF;
  seconds := least(duka_number(p_session_time), 316224000);
  received := duka_number(p_input_gigawords) * 4294967296 + duka_number(p_input_octets);
  sent := duka_number(p_output_gigawords) * 4294967296 + duka_number(p_output_octets);
  IF received > 1000000000000000 OR sent > 1000000000000000 OR received + sent > 1000000000000000 THEN
    received := 0;
    sent := 0;
  END IF;
  IF p_framed_ip ~ '^(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])([.](25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])){3}$' THEN
    address := p_framed_ip::inet;
  END IF;
  uid := md5(user_name || '|' || session_id || '|' || p_nas);
  PERFORM pg_advisory_xact_lock(1685419873, ('x0' || left(uid, 7))::bit(32)::integer % 1024);

  IF kind = 'interim' THEN
    -- nine of ten: an open session goes on; who else writes totals holds the lock, so what is read here is what is changed
    UPDATE radacct r SET acctinputoctets = greatest(o.acctinputoctets, received),
      acctoutputoctets = greatest(o.acctoutputoctets, sent), acctsessiontime = greatest(o.acctsessiontime, seconds),
      acctupdatetime = greatest(o.acctupdatetime, happened), framedipaddress = coalesce(o.framedipaddress, address)
    FROM radacct o
    WHERE o.acctuniqueid = uid AND o.acctstoptime IS NULL AND r.acctuniqueid = uid AND r.acctstoptime IS NULL
      AND o.class <> ''
    RETURNING r.acctinputoctets - coalesce(o.acctinputoctets, 0), r.acctoutputoctets - coalesce(o.acctoutputoctets, 0),
      r.acctsessiontime - coalesce(o.acctsessiontime, 0), r.class
    INTO more_received, more_sent, more_seconds, known_class;
    goes_on := FOUND;
  END IF;
  IF goes_on THEN
    subscription_number := CASE WHEN known_class ~ '^duka:[0-9]{1,17}$' THEN substr(known_class, 6)::bigint END;
  ELSE
  SELECT r.acctstarttime AS started, coalesce(r.acctupdatetime, r.acctstarttime, received_at) AS heard, r.acctstoptime AS stopped,
    coalesce(r.acctinputoctets, 0) AS input, coalesce(r.acctoutputoctets, 0) AS output,
    coalesce(r.acctsessiontime, 0) AS lasted, coalesce(r.acctterminatecause, '') AS cause,
    coalesce(r.class, '') AS class, r.framedipaddress AS address
  INTO known FROM radacct r WHERE r.acctuniqueid = uid AND r.acctstoptime IS NULL FOR UPDATE;
  found_one := FOUND;
  IF NOT found_one THEN
    SELECT r.acctstarttime AS started, coalesce(r.acctupdatetime, r.acctstarttime, received_at) AS heard, r.acctstoptime AS stopped,
      coalesce(r.acctinputoctets, 0) AS input, coalesce(r.acctoutputoctets, 0) AS output,
      coalesce(r.acctsessiontime, 0) AS lasted, coalesce(r.acctterminatecause, '') AS cause,
      coalesce(r.class, '') AS class, r.framedipaddress AS address
    INTO known FROM radacct r
    WHERE r.acctuniqueid = uid AND (r.acctstoptime IS NULL OR r.acctstoptime >= received_at - interval '35 days')
    ORDER BY r.acctstoptime DESC NULLS FIRST LIMIT 1 FOR UPDATE;
    found_one := FOUND;
  END IF;
  IF found_one AND kind = 'start' AND happened > coalesce(known.stopped, known.heard) + interval '60 seconds' THEN
    -- the router uses the session's number again; the old session has ended
    UPDATE radacct SET acctstoptime = known.heard, acctterminatecause = 'Stale' WHERE acctuniqueid = uid AND acctstoptime IS NULL;
    found_one := false;
  END IF;
  IF klass ~ '^duka:[0-9]{1,17}$' THEN
    subscription_number := substr(klass, 6)::bigint;
  ELSIF NOT found_one OR known.class = '' THEN
    SELECT u.subscription_id INTO subscription_number FROM radius_user u
    WHERE u.username = user_name || CASE WHEN router.realm = '' THEN '' ELSE '@' || router.realm END;
    IF FOUND THEN
      klass := 'duka:' || subscription_number;
    END IF;
  END IF;

  IF NOT found_one THEN
    INSERT INTO radacct (
      acctsessionid, acctuniqueid, username, nasipaddress, nasportid, nasporttype, acctstarttime, acctupdatetime,
      acctstoptime, acctsessiontime, acctinputoctets, acctoutputoctets, calledstationid, callingstationid,
      acctterminatecause, framedipaddress, class)
    VALUES (
      session_id, uid, user_name, p_nas::inet, left(port_id, 64), left(coalesce(p_nas_port_type, ''), 32),
      happened - make_interval(secs => seconds), happened, CASE WHEN kind = 'stop' THEN happened END, seconds, received,
      sent, left(called, 64), calling, CASE WHEN kind = 'stop' THEN cause ELSE '' END, address, klass);
    IF kind = 'start' AND calling <> '' THEN
      UPDATE radacct SET acctstoptime = acctupdatetime, acctterminatecause = 'Stale'
      WHERE username = user_name AND callingstationid = calling AND host(nasipaddress) = p_nas AND acctuniqueid <> uid
        AND acctstoptime IS NULL AND acctstarttime < happened AND acctupdatetime <= happened;
    END IF;
    more_received := received;
    more_sent := sent;
    more_seconds := seconds;
    begun := 1;
  ELSE
    more_received := greatest(received - known.input, 0);
    more_sent := greatest(sent - known.output, 0);
    more_seconds := greatest(seconds - known.lasted, 0);
    IF known.class <> '' THEN
      klass := known.class;
      subscription_number := CASE WHEN klass ~ '^duka:[0-9]{1,17}$' THEN substr(klass, 6)::bigint END;
    END IF;
    ended := known.stopped;
    new_cause := known.cause;
    IF kind = 'stop' AND (known.stopped IS NULL OR known.cause IN ('Stale', 'NAS-Reboot')) THEN
      ended := happened;
      new_cause := cause;
    ELSIF kind = 'interim' AND known.cause IN ('Stale', 'NAS-Reboot') AND happened > known.stopped THEN
      ended := NULL;  -- it was only silent, not gone
      new_cause := '';
    END IF;
    IF known.stopped IS NOT NULL THEN
      UPDATE radacct SET acctinputoctets = known.input + more_received, acctoutputoctets = known.output + more_sent,
        acctsessiontime = known.lasted + more_seconds, acctupdatetime = greatest(known.heard, happened), class = klass,
        framedipaddress = coalesce(known.address, address), acctstoptime = ended, acctterminatecause = new_cause
      WHERE acctuniqueid = uid AND acctstoptime = known.stopped;
    ELSIF ended IS NOT NULL THEN
      UPDATE radacct SET acctinputoctets = known.input + more_received, acctoutputoctets = known.output + more_sent,
        acctsessiontime = known.lasted + more_seconds, acctupdatetime = greatest(known.heard, happened), class = klass,
        framedipaddress = coalesce(known.address, address), acctstoptime = ended, acctterminatecause = new_cause
      WHERE acctuniqueid = uid AND acctstoptime IS NULL;
    ELSE
      UPDATE radacct SET acctinputoctets = known.input + more_received, acctoutputoctets = known.output + more_sent,
        acctsessiontime = known.lasted + more_seconds, acctupdatetime = greatest(known.heard, happened), class = klass,
        framedipaddress = coalesce(known.address, address)
      WHERE acctuniqueid = uid AND acctstoptime IS NULL;
    END IF;
  END IF;
  END IF;

  IF begun + more_received + more_sent + more_seconds = 0 THEN
    RETURN 'ok';
  END IF;
  subscription_number := coalesce(subscription_number, 0);
  IF subscription_number > 0 THEN
    IF more_received + more_sent > 0 THEN
      UPDATE subscription SET used_bytes = used_bytes + more_received + more_sent
      WHERE id = subscription_number AND tenant_id = router.tenant_id;
    ELSE
      PERFORM 1 FROM subscription WHERE id = subscription_number AND tenant_id = router.tenant_id;
    END IF;
    IF NOT FOUND THEN
      subscription_number := 0;
    END IF;
  END IF;
  INSERT INTO usage_day AS d (tenant_id, day, username, subscription_id, input_bytes, output_bytes, seconds, sessions)
  VALUES (
    router.tenant_id, (happened AT TIME ZONE router.timezone)::date, user_name, subscription_number, more_received,
    more_sent, more_seconds, begun)
  ON CONFLICT (tenant_id, day, username, subscription_id) DO UPDATE SET
    input_bytes = d.input_bytes + excluded.input_bytes, output_bytes = d.output_bytes + excluded.output_bytes,
    seconds = d.seconds + excluded.seconds, sessions = d.sessions + excluded.sessions;
  RETURN 'ok';
END $$
"""

ARGUMENTS = ", ".join(["text"] * 18)


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        with op.batch_alter_table("radacct") as batch:
            batch.drop_constraint("uq_radacct_acctuniqueid", type_="unique")
            batch.create_unique_constraint("uq_radacct_session", SESSION)
        return
    op.execute("CREATE SCHEMA radacct_month")
    here = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    op.execute("ALTER SEQUENCE radacct_radacctid_seq OWNED BY NONE")
    op.execute("ALTER TABLE radacct SET SCHEMA radacct_month")
    op.execute("ALTER TABLE radacct_month.radacct RENAME TO before_0004")
    op.execute(
        f"CREATE TABLE {here}.radacct (LIKE radacct_month.before_0004 INCLUDING DEFAULTS) PARTITION BY RANGE (acctstoptime)"
    )
    op.execute("ALTER SEQUENCE radacct_radacctid_seq OWNED BY radacct.radacctid")
    op.execute(
        "ALTER TABLE radacct ADD CONSTRAINT uq_radacct_session UNIQUE NULLS NOT DISTINCT (acctuniqueid, acctstoptime)"
    )
    _indexes()
    op.execute("CREATE TABLE radacct_month.open PARTITION OF radacct DEFAULT WITH (fillfactor = 60)")
    op.execute("ALTER TABLE usage_day SET (fillfactor = 70)")
    for function in (MONTHS, FORGET, NUMBER, LINE, ACCOUNT):
        op.get_bind().exec_driver_sql(function.replace("%", "%%"))
    op.execute(
        "SELECT duka_radacct_months("
        " coalesce((SELECT greatest(min(acctstoptime), now() - interval '24 months') FROM radacct_month.before_0004), now()),"
        " now() + interval '3 months')"
    )
    op.execute("INSERT INTO radacct SELECT * FROM radacct_month.before_0004")
    op.execute("DROP TABLE radacct_month.before_0004")


def downgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        with op.batch_alter_table("radacct") as batch:
            batch.drop_constraint("uq_radacct_session", type_="unique")
            batch.create_unique_constraint("uq_radacct_acctuniqueid", ["acctuniqueid"])
        return
    op.execute("ALTER TABLE usage_day RESET (fillfactor)")
    op.execute(f"DROP FUNCTION duka_account({ARGUMENTS})")
    op.execute("DROP FUNCTION duka_line(text, integer)")
    op.execute("DROP FUNCTION duka_number(text)")
    op.execute("DROP FUNCTION duka_radacct_forget(timestamptz)")
    op.execute("DROP FUNCTION duka_radacct_months(timestamptz, timestamptz)")
    op.execute("CREATE TABLE radacct_plain (LIKE radacct INCLUDING DEFAULTS)")
    op.execute("INSERT INTO radacct_plain SELECT * FROM radacct")
    op.execute("ALTER SEQUENCE radacct_radacctid_seq OWNED BY radacct_plain.radacctid")
    op.execute("DROP TABLE radacct")
    op.execute("DROP SCHEMA radacct_month")
    op.execute("ALTER TABLE radacct_plain RENAME TO radacct")
    op.execute("ALTER TABLE radacct ADD CONSTRAINT pk_radacct PRIMARY KEY (radacctid)")
    op.execute("ALTER TABLE radacct ADD CONSTRAINT uq_radacct_acctuniqueid UNIQUE (acctuniqueid)")
    _indexes()


def _indexes() -> None:
    still_open = sa.text("acctstoptime IS NULL")
    op.create_index("ix_radacct_open_username", "radacct", ["username"], postgresql_where=still_open)
    op.create_index("ix_radacct_open_nas", "radacct", ["nasipaddress"], postgresql_where=still_open)
    op.create_index("ix_radacct_username_start", "radacct", ["username", "acctstarttime"])
