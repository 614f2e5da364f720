-- What FreeRADIUS needs to decide about one Access-Request, in one visit (docs/radius-policy.md).
--
-- What rows say is understood when they are written and kept as one card per name (decision 0015); here a card is read and
-- compared with the moment. This file may be run again at any time; revision 0011 is the first that does.

CREATE OR REPLACE FUNCTION duka_quoted(value text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    -- rlm_sql reads backslashes as escapes, and a value in quotes as something to take apart or to run
    SELECT CASE
        WHEN left(value, 1) IN ('"', '''', '`')
            THEN '\' || lpad(CASE left(value, 1) WHEN '"' THEN '42' WHEN '''' THEN '47' ELSE '140' END, 3, '0')
                || replace(substr(value, 2), '\', '\\')
        ELSE replace(value, '\', '\\') END
$$;

CREATE OR REPLACE FUNCTION duka_printable(value text, octets_max integer) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT octet_length(value) BETWEEN 1 AND octets_max
        AND value !~ '[\u0001-\u001f\u007f-\u00a0\u00ad\u2000-\u200f\u2028-\u202f\u2060-\u206f\u3000\ufeff]'
$$;

CREATE OR REPLACE FUNCTION duka_is_network(value text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
    -- prefix/length with no bit set behind the prefix
    BEGIN
        RETURN value ~ '^[0-9a-fA-F.:]+/[0-9]{1,3}$' AND value::cidr IS NOT NULL;
    EXCEPTION WHEN data_exception THEN
        RETURN false;
    END
$$;

CREATE OR REPLACE FUNCTION duka_value_understood(attribute text, value text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    -- Whether a reply row may be sent to a router. An unknown name is not understood.
    SELECT CASE
        WHEN attribute = 'Mikrotik-Rate-Limit'
            THEN value ~ '^[1-9][0-9]{0,9}[kM]?(/[1-9][0-9]{0,9}[kM]?)?( [1-9][0-9]{0,9}[kM]?(/[1-9][0-9]{0,9}[kM]?)?( [1-9][0-9]{0,9}[kM]?(/[1-9][0-9]{0,9}[kM]?)?( [0-9]{1,4}(/[0-9]{1,4})?( [1-8]( [1-9][0-9]{0,9}[kM]?(/[1-9][0-9]{0,9}[kM]?)?)?)?)?)?)?$'
        WHEN attribute = 'Class'
            THEN starts_with(value, 'duka:') AND length(value) BETWEEN 6 AND 24 AND translate(substr(value, 6), '0123456789', '') = ''
        WHEN attribute IN ('Acct-Interim-Interval', 'Session-Timeout', 'Idle-Timeout', 'Port-Limit')
            THEN CASE WHEN length(value) BETWEEN 1 AND 10 AND translate(value, '0123456789', '') = ''
                THEN value::bigint BETWEEN 1 AND 2147483647 ELSE false END
        WHEN attribute IN ('Mikrotik-Address-List', 'Framed-Pool', 'Mikrotik-Group', 'Mikrotik-Mark-Id', 'Filter-Id',
                           'Mikrotik-Delegated-IPv6-Pool', 'Framed-IPv6-Pool')
            THEN duka_printable(value, 247)
        WHEN attribute = 'Framed-IP-Address'
            THEN value ~ '^((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])$'
        WHEN attribute = 'Framed-Route'
            THEN value ~ '^[0-9.]+/[0-9]{1,2}( ((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])( [0-9]{1,10})?)?$'
                AND duka_is_network(split_part(value, ' ', 1))
        WHEN attribute IN ('Framed-IPv6-Prefix', 'Delegated-IPv6-Prefix')
            THEN position(':' IN value) > 0 AND duka_is_network(value)
        ELSE false END
$$;

CREATE OR REPLACE FUNCTION duka_hours_understood(hours text, zone text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
    -- Sorted windows that do not touch, within one week, in a zone that exists.
    DECLARE
        edges integer[];
    BEGIN
        IF hours !~ '^[0-9]{1,5}-[0-9]{1,5}(,[0-9]{1,5}-[0-9]{1,5})*$' THEN
            RETURN false;
        END IF;
        edges := string_to_array(translate(hours, '-', ','), ',')::integer[];
        FOR i IN 2 .. array_length(edges, 1) LOOP
            IF edges[i] <= edges[i - 1] THEN
                RETURN false;
            END IF;
        END LOOP;
        RETURN edges[array_length(edges, 1)] <= 10080 AND now() AT TIME ZONE zone IS NOT NULL;
    EXCEPTION WHEN invalid_parameter_value THEN
        RETURN false;
    END
$$;

CREATE OR REPLACE FUNCTION duka_hours_left(hours text, zone text, moment bigint) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
    -- Seconds until the wall clock in this zone shows a minute outside of these hours: 0 when it does now, NULL when it
    -- never will. Where the clock is changed meanwhile, it is looked at again at that second.
    DECLARE
        edges integer[] := string_to_array(translate(hours, '-', ','), ',')::integer[];
        looked_at bigint := moment;
        wall timestamp;
        monday timestamp;
        minute integer;
        closes integer;
        ends bigint;
        ahead bigint;
        middle bigint;
    BEGIN
        FOR change IN 0 .. 4 LOOP
            wall := to_timestamp(looked_at) AT TIME ZONE zone;
            monday := date_trunc('week', wall);
            minute := floor(extract(epoch FROM wall - monday) / 60);
            closes := NULL;
            FOR i IN 1 .. array_length(edges, 1) BY 2 LOOP
                IF minute >= edges[i] AND minute < edges[i + 1] THEN
                    closes := edges[i + 1];
                END IF;
            END LOOP;
            IF closes IS NULL THEN
                RETURN looked_at - moment;
            END IF;
            IF closes = 10080 AND edges[1] = 0 THEN  -- on into the next week
                IF edges[2] = 10080 THEN
                    RETURN NULL;
                END IF;
                closes := closes + edges[2];
            END IF;
            ahead := extract(epoch FROM wall AT TIME ZONE 'UTC') - looked_at;
            ends := extract(epoch FROM (monday + closes * interval '1 minute') AT TIME ZONE 'UTC') - ahead;
            IF extract(epoch FROM (to_timestamp(ends) AT TIME ZONE zone) AT TIME ZONE 'UTC') - ends = ahead THEN
                RETURN ends - moment;
            END IF;
            WHILE ends - looked_at > 1 LOOP
                middle := (looked_at + ends) / 2;
                IF extract(epoch FROM (to_timestamp(middle) AT TIME ZONE zone) AT TIME ZONE 'UTC') - middle = ahead THEN
                    looked_at := middle;
                ELSE
                    ends := middle;
                END IF;
            END LOOP;
            looked_at := ends;
        END LOOP;
        RETURN looked_at - moment;
    END
$$;

CREATE OR REPLACE FUNCTION duka_sent(value text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN value ~ '^[A-Za-z0-9]' AND strpos(value, '\') = 0 THEN value ELSE duka_quoted(value) END
$$;

-- ---- cards -----------------------------------------------------------------------------------------------------------------

CREATE SCHEMA IF NOT EXISTS radius_card;

CREATE TABLE IF NOT EXISTS radius_card.card (
    username text PRIMARY KEY,
    checked boolean NOT NULL DEFAULT false,  -- there are rows in radcheck
    good boolean NOT NULL DEFAULT false,     -- all rows are understood, and stand once where they may stand once
    expires bigint,                          -- Expiration, epoch seconds
    password text NOT NULL DEFAULT '',       -- Cleartext-Password; this and the replies as rlm_sql reads them
    several integer,                         -- Simultaneous-Use
    own_timeout bigint,                      -- Session-Timeout
    interim bigint,                          -- Acct-Interim-Interval
    attributes text[] NOT NULL DEFAULT '{}', -- the other replies in order of their id, when all rows are good:
    said text[] NOT NULL DEFAULT '{}',       -- their values
    ops text[] NOT NULL DEFAULT '{}'         -- and how they are joined to a packet
) WITH (fillfactor = 60);

CREATE OR REPLACE FUNCTION duka_write_cards(names text[]) RETURNS void LANGUAGE plpgsql AS $$
    -- Make the cards of these names say what their rows say. Who writes rows of the same name waits here for the other's
    -- end, and only then looks at the rows, in a statement of its own: the last one has seen everything. (Where a
    -- transaction does not see what others commit, the first statement is a serialization failure instead.)
    BEGIN
        IF cardinality(names) = 0 THEN
            RETURN;
        END IF;
        INSERT INTO radius_card.card (username) SELECT DISTINCT name FROM unnest(names) AS name ORDER BY name
            ON CONFLICT (username) DO UPDATE SET username = excluded.username WHERE false;  -- locks, and writes nothing
        UPDATE radius_card.card AS k SET
            checked = c.found, good = c.good AND r.good, password = duka_sent(coalesce(c.password, '')),
            expires = CASE WHEN c.good THEN c.expires::bigint END, several = CASE WHEN c.good THEN c.several::integer END,
            own_timeout = CASE WHEN r.good THEN r.own_timeout::bigint END,
            interim = CASE WHEN r.good AND r.interim <> '' THEN greatest(r.interim::bigint, 60) END,
            attributes = CASE WHEN r.good THEN coalesce(r.attributes, '{}') ELSE '{}' END,
            said = CASE WHEN r.good THEN coalesce(r.said, '{}') ELSE '{}' END,
            ops = CASE WHEN r.good THEN coalesce(r.ops, '{}') ELSE '{}' END
        FROM (
            SELECT name AS username FROM unnest(names) AS name
        ) AS n
        CROSS JOIN LATERAL (
            SELECT count(*) > 0 AS found,
                count(*) FILTER (WHERE attribute = 'Expiration') = 1
                    AND count(*) FILTER (WHERE attribute = 'Cleartext-Password') <= 1
                    AND count(*) FILTER (WHERE attribute = 'Simultaneous-Use') <= 1
                    AND bool_and(CASE attribute
                        WHEN 'Expiration' THEN length(value) BETWEEN 1 AND 10 AND translate(value, '0123456789', '') = ''
                        WHEN 'Cleartext-Password' THEN duka_printable(value, 128)
                        WHEN 'Simultaneous-Use' THEN value ~ '^0*[1-9][0-9]{0,2}$' AND length(value) <= 10
                        ELSE false END) AS good,
                min(value) FILTER (WHERE attribute = 'Expiration') AS expires,
                min(value) FILTER (WHERE attribute = 'Cleartext-Password') AS password,
                min(value) FILTER (WHERE attribute = 'Simultaneous-Use') AS several
            FROM radcheck WHERE radcheck.username = n.username
        ) AS c
        CROSS JOIN LATERAL (
            SELECT coalesce(bool_and(duka_value_understood(attribute, value)), true)
                    AND count(*) FILTER (WHERE NOT many) = count(DISTINCT attribute) FILTER (WHERE NOT many) AS good,
                min(value) FILTER (WHERE attribute = 'Session-Timeout') AS own_timeout,
                min(value) FILTER (WHERE attribute = 'Acct-Interim-Interval') AS interim,
                array_agg(attribute) FILTER (WHERE sent) AS attributes,
                array_agg(
                    CASE WHEN attribute = 'Acct-Interim-Interval' AND duka_value_understood(attribute, value)
                        THEN greatest(value::bigint, 60)::text ELSE duka_sent(value) END
                ) FILTER (WHERE sent) AS said,
                array_agg(CASE WHEN many THEN '+=' ELSE ':=' END) FILTER (WHERE sent) AS ops
            FROM (
                SELECT id, attribute, value, attribute <> 'Session-Timeout' AS sent,
                    attribute IN ('Mikrotik-Address-List', 'Framed-Route', 'Framed-IPv6-Prefix', 'Delegated-IPv6-Prefix') AS many
                FROM radreply WHERE radreply.username = n.username ORDER BY id
            ) AS reply
        ) AS r
        WHERE k.username = n.username;
        DELETE FROM radius_card.card AS k WHERE k.username = ANY (names) AND NOT k.checked
            AND NOT EXISTS (SELECT FROM radreply WHERE radreply.username = k.username);
    END
$$;

CREATE OR REPLACE FUNCTION duka_rows_written() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    -- Whoever wrote them, and whatever else they may write.
    BEGIN
        IF TG_OP = 'INSERT' THEN
            PERFORM duka_write_cards(ARRAY(SELECT DISTINCT username FROM fresh));
        ELSIF TG_OP = 'DELETE' THEN
            PERFORM duka_write_cards(ARRAY(SELECT DISTINCT username FROM gone));
        ELSIF TG_OP = 'UPDATE' THEN
            PERFORM duka_write_cards(ARRAY(SELECT username FROM fresh UNION SELECT username FROM gone));
        ELSE
            DELETE FROM radius_card.card;
            PERFORM duka_write_cards(ARRAY(SELECT username FROM radcheck UNION SELECT username FROM radreply));
        END IF;
        RETURN NULL;
    END
$$;

DO $$
    -- Triggers that fire for everybody, and look at these tables only, whatever the writer's search path.
    DECLARE
        written text;
        event text;
    BEGIN
        EXECUTE 'ALTER FUNCTION duka_rows_written() SET search_path = ' || quote_ident(current_schema()) || ', pg_temp';
        FOREACH written IN ARRAY ARRAY['radcheck', 'radreply'] LOOP
            FOREACH event IN ARRAY ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE'] LOOP
                EXECUTE 'CREATE OR REPLACE TRIGGER duka_' || lower(event) || ' AFTER ' || event || ' ON ' || written
                    || CASE event
                        WHEN 'INSERT' THEN ' REFERENCING NEW TABLE AS fresh'
                        WHEN 'UPDATE' THEN ' REFERENCING OLD TABLE AS gone NEW TABLE AS fresh'
                        WHEN 'DELETE' THEN ' REFERENCING OLD TABLE AS gone' ELSE '' END
                    || ' EXECUTE FUNCTION duka_rows_written()';
                EXECUTE 'ALTER TABLE ' || written || ' ENABLE ALWAYS TRIGGER duka_' || lower(event);
            END LOOP;
        END LOOP;
    END
$$;

SELECT duka_write_cards(ARRAY(SELECT username FROM radcheck UNION SELECT username FROM radreply));

-- ---- the question --------------------------------------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION duka_sessions_elsewhere(login text, router_realm text, device text, heard_since bigint)
RETURNS bigint LANGUAGE plpgsql STABLE AS $$
    BEGIN
        RETURN (
            SELECT count(*) FROM radacct AS a
            JOIN radius_nas AS n ON n.nasname = host(a.nasipaddress) AND n.realm = router_realm
            WHERE a.username = login AND a.acctstoptime IS NULL AND coalesce(a.callingstationid, '') <> device
                AND coalesce(a.acctupdatetime, a.acctstarttime) >= to_timestamp(heard_since)
        );
    END
$$;

DROP FUNCTION IF EXISTS duka_authorize(text, text, text, bigint);

CREATE OR REPLACE FUNCTION duka_authorize(nas_address text, login text, asked text, device text, moment bigint)
RETURNS TABLE (id integer, username text, attribute text, value text, op text) LANGUAGE sql STABLE AS $$
    -- Rows in the shape rlm_sql reads (id, name, attribute, value, op). They end in the reply list: reply attributes as they
    -- may be sent, and values of ours (Duka-…, Cleartext-Password), which no packet can carry. Duka-Card is in five words:
    -- checks 9 to 17 of the policy (`open`, or the reason of the first that fails; `unknown` without rows in radcheck),
    -- whether a walled network is offered (`walled`, `-`), the user's language (`-` without one), the router's, and the
    -- code to dial. No row at all: the router is not registered, and nobody is answered.
    --
    -- nas_address  source address of the packet
    -- login        User-Name, already known to be a MAC or a login by its form
    -- asked        hotspot, ppp or dhcp
    -- device       Calling-Station-Id, cleared of what is not printable ASCII
    -- moment       when the packet came in, epoch seconds
    --
    -- A connection makes its plan once (deploy/freeradius/mods-enabled/sql), which is why this is one statement. OFFSET 0
    -- keeps the parts apart, so that nothing is computed twice.
    SELECT NULL::integer, NULL::text, unnest(a.attributes), unnest(a.said), unnest(a.ops) FROM (
        SELECT
            CASE WHEN f.password = '' THEN ARRAY['Duka-Card'] ELSE ARRAY['Duka-Card', 'Cleartext-Password'] END || f.attributes
                || CASE WHEN f.state = 'open' THEN ARRAY['Session-Timeout'] END
                || CASE WHEN f.metered AND f.state = 'open' THEN ARRAY['Mikrotik-Total-Limit', 'Mikrotik-Total-Limit-Gigawords'] END
                || CASE WHEN NOT f.demands_message_authenticator THEN ARRAY['Duka-Learns-Signature'] END AS attributes,
            ARRAY[
                concat_ws(' ', f.state, CASE WHEN f.redirects THEN 'walled' ELSE '-' END, coalesce(f.language, '-'), f.router_language, f.service_code)
            ] || CASE WHEN f.password <> '' THEN ARRAY[f.password] END || f.said
                || CASE WHEN f.state = 'open' THEN ARRAY[least(f.own_timeout, f.expires - moment, f.hours_left, 2147483647)::text] END
                || CASE WHEN f.metered AND f.state = 'open' THEN ARRAY[(f.sayable & 4294967295)::text, (f.sayable >> 32)::text] END
                || CASE WHEN NOT f.demands_message_authenticator THEN ARRAY['yes'] END AS said,
            CASE WHEN f.password = '' THEN ARRAY[':='] ELSE ARRAY[':=', ':='] END || f.ops
                || CASE WHEN f.state = 'open' THEN ARRAY[':='] END
                || CASE WHEN f.metered AND f.state = 'open' THEN ARRAY[':=', ':='] END
                || CASE WHEN NOT f.demands_message_authenticator THEN ARRAY[':='] END AS ops
        FROM (
            SELECT h.*, CASE
                WHEN h.checked IS NOT TRUE THEN 'unknown'
                WHEN h.service IS NULL THEN 'not_paid'
                WHEN NOT CASE h.service
                    WHEN 'mac' THEN asked <> 'ppp' WHEN 'ppp' THEN asked = 'ppp' WHEN 'code' THEN asked = 'hotspot' ELSE false
                    END THEN 'wrong_service'
                WHEN NOT h.good OR h.hours_left < 0 THEN 'bad_rows'
                WHEN h.blocked <> '' THEN 'suspended'
                WHEN h.expires <= moment THEN 'expired'
                WHEN h.metered AND h.bytes_left IS NULL THEN 'quota_unknown'
                WHEN h.metered AND h.bytes_left <= 0 THEN 'data_used_up'
                WHEN h.hours_left = 0 THEN 'outside_hours'
                WHEN h.several IS NOT NULL
                    AND h.several <= duka_sessions_elsewhere(login, h.realm, device, moment - 3 * coalesce(h.interim, 300))
                    THEN 'too_many_sessions'
                ELSE 'open' END AS state,
                h.bytes_left - CASE WHEN h.bytes_left & 4294967295 = 0 THEN 1 ELSE 0 END AS sayable
            FROM (
                SELECT n.realm, n.language AS router_language, n.service_code, n.demands_message_authenticator,
                    CASE WHEN substr(login, 3, 1) = ':' THEN '' ELSE coalesce(c.password, '') END AS password,  -- a device's is in its router's file
                    c.checked, c.good, c.expires, c.several, c.own_timeout, c.interim, c.attributes, c.said, c.ops,
                    u.service, u.metered, u.language, u.redirects, u.blocked,
                    CASE WHEN u.hours <> '' THEN
                        CASE WHEN duka_hours_understood(u.hours, u.timezone) THEN duka_hours_left(u.hours, u.timezone, moment) ELSE -1 END
                    END AS hours_left,
                    s.quota_bytes - s.used_bytes AS bytes_left
                FROM radius_nas AS n
                LEFT JOIN radius_card.card AS c ON c.username = CASE WHEN n.realm = '' THEN login ELSE login || '@' || n.realm END
                LEFT JOIN radius_user AS u ON u.username = CASE WHEN n.realm = '' THEN login ELSE login || '@' || n.realm END
                LEFT JOIN subscription AS s ON u.metered AND s.id = u.subscription_id AND s.tenant_id = n.tenant_id
                WHERE n.nasname = nas_address
                OFFSET 0
            ) AS h
            OFFSET 0
        ) AS f
        OFFSET 0
    ) AS a
$$;

-- ---- vouchers --------------------------------------------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION duka_claim_voucher(nas_address text, device text, hashed text, moment bigint) RETURNS text
LANGUAGE plpgsql AS $$
    -- What becomes of a voucher code typed on a router's own login page (decision 0022): the words of
    -- core/vouchers/claims.py, in the same order, with the same limits. Empty: the router is not registered.
    --
    -- nas_address  source address of the packet
    -- device       its MAC, as User-Name and Calling-Station-Id say it
    -- hashed       SHA-256 of what was typed, as core/codes.py writes a code, in hexadecimal: no log sees a code
    -- moment       when the packet came in, epoch seconds
    DECLARE
        instant timestamptz := to_timestamp(moment);
        since timestamptz := instant - interval '1 hour';
        sought bytea := decode(hashed, 'hex');
        place record;
        found_one record;
        won bigint;
    BEGIN
        SELECT n.tenant_id, n.router_id INTO place FROM radius_nas AS n WHERE n.nasname = nas_address;
        IF NOT FOUND THEN
            RETURN '';
        END IF;
        IF (SELECT count(*) FROM voucher_guess AS g WHERE g.tenant_id = place.tenant_id AND g.mac = device AND g.at > since) >= 10
            OR (SELECT count(*) FROM voucher_guess AS g WHERE g.tenant_id = place.tenant_id AND g.router_id = place.router_id AND g.at > since) >= 200
        THEN
            RETURN 'too_many_codes';
        END IF;
        UPDATE voucher AS v SET claimed_at = instant, claimed_by = device
            WHERE v.tenant_id = place.tenant_id AND v.digest = sought
                AND v.claimed_at IS NULL AND v.redeemed_at IS NULL AND v.voided_at IS NULL
                AND (v.expires_at IS NULL OR v.expires_at > instant)
                AND v.package_id IN (SELECT p.id FROM package AS p WHERE p.service = 'mac')
            RETURNING v.id INTO won;
        IF won IS NOT NULL THEN
            INSERT INTO audit_entry (tenant_id, at, actor, event, subject_type, subject_id, facts)
                VALUES (place.tenant_id, instant, 'system', 'voucher.claimed', 'voucher', won,
                    json_build_object('mac', device, 'router', place.router_id));
            INSERT INTO promise (tenant_id, queue, kind, payload, created_at, due_at, attempts)
                VALUES (place.tenant_id, 'money', 'RedeemClaim', json_build_object('voucher_id', won), instant, instant, 0);
            RETURN 'claimed';
        END IF;
        SELECT v.* INTO found_one FROM voucher AS v
            WHERE v.tenant_id = place.tenant_id AND v.digest = sought;
        IF NOT FOUND THEN
            INSERT INTO voucher_guess (tenant_id, router_id, mac, at) VALUES (place.tenant_id, place.router_id, device, instant);
            RETURN 'unknown_voucher';
        END IF;
        RETURN CASE
            WHEN found_one.claimed_by = device AND found_one.redeemed_at IS NOT NULL THEN 'own'
            WHEN found_one.claimed_by = device AND found_one.claimed_at IS NOT NULL
                THEN CASE WHEN instant < found_one.claimed_at + interval '15 minutes' THEN 'claimed' ELSE 'voucher_stuck' END
            WHEN found_one.claimed_at IS NOT NULL OR found_one.redeemed_at IS NOT NULL THEN 'voucher_used'
            WHEN found_one.voided_at IS NOT NULL OR found_one.expires_at <= instant THEN 'voucher_expired'
            ELSE 'wrong_service' END;
    END
$$;
