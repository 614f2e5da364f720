-- What FreeRADIUS needs to decide about one Access-Request, in one visit (docs/radius-policy.md).
--
-- It looks things up and does sums; it decides nothing: policy.d/duka_access does, in the order of the policy. Rows come
-- in the shape rlm_sql reads (id, name, attribute, value, op) and end in the reply list: reply attributes as they may be
-- sent, and values of ours (Duka-…, Cleartext-Password), which no packet can carry.
--
-- nas     source address of the packet
-- login   User-Name, already known to be a MAC or a login by its form
-- device  Calling-Station-Id, cleared of what is not printable ASCII
-- moment  when the packet came in, epoch seconds
--
-- No row at all: the router is not registered, and nobody is answered.

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
        WHEN attribute IN ('Acct-Interim-Interval', 'Session-Timeout', 'Idle-Timeout', 'Port-Limit')
            THEN CASE WHEN value ~ '^[0-9]{1,10}$' THEN value::bigint BETWEEN 1 AND 2147483647 ELSE false END
        WHEN attribute = 'Class' THEN value ~ '^duka:[0-9]{1,19}$'
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

CREATE OR REPLACE FUNCTION duka_authorize(nas_address text, login text, device text, moment bigint)
RETURNS TABLE (id integer, username text, attribute text, value text, op text) LANGUAGE plpgsql STABLE AS $$
    #variable_conflict use_column
    DECLARE
        router radius_nas;
        person radius_user;
        key text;
        password text;
        expires text;
        several text;
        checks integer;
        understood boolean;
        replies_understood boolean;
        own_timeout bigint;
        interim bigint;
        seconds_left bigint;
        hours_left bigint;
        bytes_left bigint;
        sessions bigint;
    BEGIN
        SELECT r.* INTO router FROM nas n JOIN radius_nas r ON r.nasname = n.nasname WHERE n.nasname = nas_address;
        IF NOT FOUND THEN
            RETURN;
        END IF;
        key := CASE WHEN router.realm = '' THEN login ELSE login || '@' || router.realm END;
        SELECT u.* INTO person FROM radius_user u WHERE u.username = key;
        SELECT count(*),
               bool_and(CASE c.attribute
                   WHEN 'Expiration' THEN c.value ~ '^[0-9]{1,10}$'
                   WHEN 'Cleartext-Password' THEN duka_printable(c.value, 128)
                   WHEN 'Simultaneous-Use' THEN c.value ~ '^[0-9]{1,10}$' AND c.value::bigint BETWEEN 1 AND 999
                   ELSE false END) AND count(DISTINCT c.attribute) = count(*),
               min(c.value) FILTER (WHERE c.attribute = 'Expiration'),
               min(c.value) FILTER (WHERE c.attribute = 'Cleartext-Password'),
               min(c.value) FILTER (WHERE c.attribute = 'Simultaneous-Use')
            INTO checks, understood, expires, password, several
            FROM radcheck c WHERE c.username = key;
        IF login ~ '^[0-9A-F]{2}:' THEN
            password := router.mac_auth_password;
        END IF;

        RETURN QUERY VALUES
            (1, login, 'Duka-Language', router.language, ':='),
            (1, login, 'Duka-Service-Code', duka_quoted(router.service_code), ':=');
        IF NOT router.demands_message_authenticator THEN
            RETURN QUERY VALUES (1, login, 'Duka-Learns-Signature', 'yes', ':=');
        END IF;
        IF coalesce(password, '') <> '' THEN
            RETURN QUERY VALUES (1, login, 'Cleartext-Password', duka_quoted(password), ':=');
        END IF;
        IF checks > 0 THEN
            RETURN QUERY VALUES (1, login, 'Duka-Checks', 'some', ':=');
        END IF;
        IF person.username IS NULL THEN
            RETURN;
        END IF;
        RETURN QUERY VALUES
            (1, login, 'Duka-Service', person.service::text, ':='),
            (1, login, 'Duka-Own-Language', person.language, ':=');
        IF checks = 0 THEN
            RETURN;
        END IF;

        SELECT bool_and(duka_value_understood(r.attribute, r.value))
                   AND count(*) FILTER (WHERE r.attribute NOT IN ('Mikrotik-Address-List', 'Framed-Route', 'Framed-IPv6-Prefix', 'Delegated-IPv6-Prefix'))
                       = count(DISTINCT r.attribute) FILTER (WHERE r.attribute NOT IN ('Mikrotik-Address-List', 'Framed-Route', 'Framed-IPv6-Prefix', 'Delegated-IPv6-Prefix')),
               min(CASE WHEN r.attribute = 'Session-Timeout' AND r.value ~ '^[0-9]{1,10}$' THEN r.value::bigint END),
               min(CASE WHEN r.attribute = 'Acct-Interim-Interval' AND r.value ~ '^[0-9]{1,10}$' THEN r.value::bigint END)
            INTO replies_understood, own_timeout, interim
            FROM radreply r WHERE r.username = key;
        IF expires IS NULL OR NOT understood OR NOT coalesce(replies_understood, true)
            OR (person.hours <> '' AND NOT duka_hours_understood(person.hours, person.timezone)) THEN
            RETURN QUERY VALUES (1, login, 'Duka-Rows', 'bad', ':=');
            RETURN;
        END IF;
        interim := CASE WHEN interim < 60 THEN 60 ELSE interim END;

        seconds_left := expires::bigint - moment;
        RETURN QUERY VALUES (1, login, 'Duka-Rows', 'good', ':=');
        IF person.blocked <> '' THEN
            RETURN QUERY VALUES (1, login, 'Duka-Blocked', 'yes', ':=');
        END IF;
        IF seconds_left > 0 THEN
            RETURN QUERY VALUES (1, login, 'Duka-Time', 'left', ':=');
        END IF;
        IF person.metered THEN
            SELECT s.quota_bytes - s.used_bytes INTO bytes_left FROM subscription s
                WHERE s.id = person.subscription_id AND s.tenant_id = router.tenant_id;
            RETURN QUERY VALUES
                (1, login, 'Duka-Data', CASE WHEN bytes_left > 0 THEN 'left' WHEN bytes_left <= 0 THEN 'used' ELSE 'unknown' END, ':=');
        END IF;
        IF person.hours <> '' THEN
            hours_left := duka_hours_left(person.hours, person.timezone, moment);
            IF hours_left = 0 THEN
                RETURN QUERY VALUES (1, login, 'Duka-Hours', 'closed', ':=');
            END IF;
        END IF;
        IF several IS NOT NULL THEN
            SELECT count(*) INTO sessions FROM radacct a
                JOIN radius_nas n ON n.nasname = host(a.nasipaddress) AND n.realm = router.realm
                WHERE a.username = login AND a.acctstoptime IS NULL AND coalesce(a.callingstationid, '') <> device
                AND coalesce(a.acctupdatetime, a.acctstarttime) >= to_timestamp(moment - 3 * coalesce(interim, 300));
            IF sessions >= several::integer THEN
                RETURN QUERY VALUES (1, login, 'Duka-Sessions', 'full', ':=');
            END IF;
        END IF;
        IF person.redirects THEN
            RETURN QUERY VALUES (1, login, 'Duka-Redirects', 'yes', ':=');
        END IF;
        RETURN QUERY
            SELECT r.id::integer, login, r.attribute,
                CASE WHEN r.attribute = 'Acct-Interim-Interval' THEN interim::text ELSE duka_quoted(r.value) END,
                CASE WHEN r.attribute IN ('Mikrotik-Address-List', 'Framed-Route', 'Framed-IPv6-Prefix', 'Delegated-IPv6-Prefix')
                    THEN '+=' ELSE ':=' END
            FROM radreply r WHERE r.username = key AND r.attribute <> 'Session-Timeout' ORDER BY r.id;
        IF seconds_left > 0 THEN
            RETURN QUERY VALUES
                (1, login, 'Session-Timeout', least(own_timeout, seconds_left, hours_left, 2147483647)::text, ':=');
        END IF;
        IF bytes_left > 0 THEN
            bytes_left := CASE WHEN bytes_left & 4294967295 = 0 THEN bytes_left - 1 ELSE bytes_left END;
            RETURN QUERY VALUES
                (1, login, 'Mikrotik-Total-Limit', (bytes_left & 4294967295)::text, ':='),
                (1, login, 'Mikrotik-Total-Limit-Gigawords', (bytes_left >> 32)::text, ':=');
        END IF;
    END
$$;
