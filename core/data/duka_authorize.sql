-- What FreeRADIUS needs to decide about one Access-Request, in one visit (docs/radius-policy.md).
--
-- What rows say is understood when they are written and kept as one card per name (decision 0015); here a card is read and
-- compared with the moment. This file may be run again at any time; revisions from 0011 on do.

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

CREATE OR REPLACE FUNCTION duka_hours_understood(hours text, zone text) RETURNS boolean LANGUAGE plpgsql STABLE STRICT AS $$
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

DROP TABLE IF EXISTS radius_card.card;  -- of any earlier shape; all cards are made below

CREATE TABLE radius_card.card (
    username text PRIMARY KEY,
    standing text NOT NULL DEFAULT 'unknown', -- why nobody gets in at any moment: unknown, not_paid, bad_rows, suspended; or empty
    services text[] NOT NULL DEFAULT '{}',    -- which may ask: hotspot, dhcp, ppp; of what is unknown or not paid, all
    words text NOT NULL DEFAULT '- -',        -- the second and third of Duka-Card
    expires bigint,                           -- Expiration, epoch seconds
    hours text,                               -- access hours; NULL: always
    timezone text,                            -- and where their clock hangs
    several integer,                          -- Simultaneous-Use
    own_timeout bigint,                       -- Session-Timeout
    interim bigint,                           -- Acct-Interim-Interval
    metered_on bigint,                        -- the subscription whose data it uses; NULL: not metered
    attributes text[] NOT NULL DEFAULT '{}',  -- the answer: Duka-Card, the password of a login, replies in order of their id (when
                                              -- all are good), and what is computed at the moment
    ops text[] NOT NULL DEFAULT '{}',         -- how they are joined to a packet
    said text[] NOT NULL DEFAULT '{}'         -- values of password and replies, as rlm_sql reads them
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
            standing = CASE
                WHEN NOT c.found THEN 'unknown'
                WHEN u.service IS NULL THEN 'not_paid'
                WHEN NOT c.good OR NOT r.good OR u.hours <> '' AND NOT duka_hours_understood(u.hours, u.timezone) THEN 'bad_rows'
                WHEN u.blocked <> '' THEN 'suspended'
                ELSE '' END,
            services = CASE
                WHEN NOT c.found OR u.service IS NULL THEN ARRAY['hotspot', 'dhcp', 'ppp']
                WHEN u.service = 'mac' THEN ARRAY['hotspot', 'dhcp']
                WHEN u.service = 'ppp' THEN ARRAY['ppp']
                WHEN u.service = 'code' THEN ARRAY['hotspot']
                ELSE '{}' END,
            words = CASE WHEN u.redirects THEN 'walled ' ELSE '- ' END || coalesce(u.language, '-'),
            expires = CASE WHEN c.good THEN c.expires::bigint END,
            hours = CASE WHEN u.hours <> '' AND duka_hours_understood(u.hours, u.timezone) THEN u.hours END,
            timezone = u.timezone,
            several = CASE WHEN c.good THEN c.several::integer END,
            own_timeout = CASE WHEN r.good THEN r.own_timeout::bigint END,
            interim = CASE WHEN r.good AND r.interim <> '' THEN greatest(r.interim::bigint, 60) END,
            metered_on = CASE WHEN u.metered THEN u.subscription_id END,
            attributes = ARRAY['Duka-Card'] || CASE WHEN c.password <> '' THEN ARRAY['Cleartext-Password'] END
                || CASE WHEN r.good THEN r.attributes END || ARRAY['Session-Timeout']
                || CASE WHEN u.metered THEN ARRAY['Mikrotik-Total-Limit', 'Mikrotik-Total-Limit-Gigawords'] END,
            ops = ARRAY[':='] || CASE WHEN c.password <> '' THEN ARRAY[':='] END
                || CASE WHEN r.good THEN r.ops END || ARRAY[':='] || CASE WHEN u.metered THEN ARRAY[':=', ':='] END,
            said = '{}' || CASE WHEN c.password <> '' THEN ARRAY[c.password] END || CASE WHEN r.good THEN r.said END
        FROM unnest(names) AS n (username)
        LEFT JOIN radius_user AS u ON u.username = n.username
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
                duka_sent(min(value) FILTER (WHERE attribute = 'Cleartext-Password' AND substr(username, 3, 1) <> ':')) AS password,  -- a device's is in its router's file
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
        DELETE FROM radius_card.card AS k WHERE k.username = ANY (names) AND k.standing = 'unknown'
            AND NOT EXISTS (SELECT FROM radreply WHERE radreply.username = k.username)
            AND NOT EXISTS (SELECT FROM radius_user WHERE radius_user.username = k.username);
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
            PERFORM duka_write_cards(ARRAY(
                SELECT username FROM radcheck UNION SELECT username FROM radreply UNION SELECT username FROM radius_user
            ));
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
        FOREACH written IN ARRAY ARRAY['radcheck', 'radreply', 'radius_user'] LOOP
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

SELECT duka_write_cards(ARRAY(
    SELECT username FROM radcheck UNION SELECT username FROM radreply UNION SELECT username FROM radius_user
));

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
    -- A connection makes its plan once (deploy/freeradius/mods-enabled/sql), which is why this is one statement. What is left
    -- to pay per login is mostly setting up its expressions: each of them counts, evaluated or not. OFFSET 0 keeps the parts
    -- apart, so that nothing is computed twice.
    SELECT NULL::integer, NULL::text,
        unnest(CASE h.state WHEN 'open' THEN h.attributes ELSE h.attributes[:1 + cardinality(h.said)] END
            || CASE WHEN h.learns THEN ARRAY['Duka-Learns-Signature'] END),
        unnest((h.state || h.words) || h.said
            || CASE WHEN h.state <> 'open' THEN NULL
                WHEN h.bytes_left IS NULL THEN ARRAY[h.seconds_left::text]
                ELSE ARRAY[h.seconds_left, coalesce(nullif(h.bytes_left & 4294967295, 0), 4294967295), (h.bytes_left - 1) >> 32]::text[] END
            || CASE WHEN h.learns THEN ARRAY['yes'] END),
        unnest(CASE h.state WHEN 'open' THEN h.ops ELSE h.ops[:1 + cardinality(h.said)] END
            || CASE WHEN h.learns THEN ARRAY[':='] END)
    FROM (
        SELECT CASE
                WHEN k.username IS NULL THEN 'unknown'
                WHEN asked <> ALL (k.services) THEN 'wrong_service'
                WHEN k.standing <> '' THEN k.standing
                WHEN k.expires <= moment THEN 'expired'
                WHEN k.metered_on IS NOT NULL AND s.quota_bytes IS NULL THEN 'quota_unknown'
                WHEN s.quota_bytes <= s.used_bytes THEN 'data_used_up'
                WHEN k.hours IS NOT NULL AND duka_hours_left(k.hours, k.timezone, moment) = 0 THEN 'outside_hours'
                WHEN k.several IS NOT NULL
                    AND k.several <= duka_sessions_elsewhere(login, n.realm, device, moment - 3 * coalesce(k.interim, 300))
                    THEN 'too_many_sessions'
                ELSE 'open' END AS state,
            ' ' || coalesce(k.words, '- -') || ' ' || n.language || ' ' || n.service_code AS words,
            NOT n.demands_message_authenticator AS learns,
            s.quota_bytes - s.used_bytes AS bytes_left,
            least(k.own_timeout, k.expires - moment, CASE WHEN k.hours IS NOT NULL THEN duka_hours_left(k.hours, k.timezone, moment) END,
                2147483647) AS seconds_left,
            coalesce(k.attributes, ARRAY['Duka-Card']) AS attributes, coalesce(k.ops, ARRAY[':=']) AS ops, coalesce(k.said, '{}') AS said
        FROM radius_nas AS n
        LEFT JOIN radius_card.card AS k ON k.username = CASE WHEN n.realm = '' THEN login ELSE login || '@' || n.realm END
        LEFT JOIN subscription AS s ON s.id = k.metered_on AND s.tenant_id = n.tenant_id
        WHERE n.nasname = nas_address
        OFFSET 0
    ) AS h
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
