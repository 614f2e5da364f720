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

CREATE OR REPLACE FUNCTION duka_authorize(nas_address text, login text, device text, moment bigint)
RETURNS TABLE (id integer, username text, attribute text, value text, op text) LANGUAGE plpgsql STABLE AS $$
    -- Written for speed: values are put together here, for a statement costs more than all of them.
    #variable_conflict use_column
    DECLARE
        router record;
        person record;
        pair record;
        key text;
        password text;
        expires text;
        several text;
        names text[];
        words text[];
        good boolean := true;
        singles text := ' ';
        own_timeout bigint;
        interim bigint;
        seconds_left bigint;
        hours_left bigint;
        sessions bigint;
    BEGIN
        SELECT r.tenant_id, r.realm, r.demands_message_authenticator, r.language, r.service_code
            INTO router FROM radius_nas r WHERE r.nasname = nas_address;
        IF NOT FOUND THEN
            RETURN;
        END IF;
        key := CASE WHEN router.realm = '' THEN login ELSE login || '@' || router.realm END;
        id := 1;
        username := login;
        op := ':=';
        attribute := 'Duka-Voice';
        value := router.language || ' ' || router.service_code;
        RETURN NEXT;
        IF NOT router.demands_message_authenticator THEN
            attribute := 'Duka-Learns-Signature';
            value := 'yes';
            RETURN NEXT;
        END IF;

        SELECT array_agg(c.attribute), array_agg(c.value) INTO names, words FROM radcheck c WHERE c.username = key;
        FOR i IN 1 .. coalesce(array_length(names, 1), 0) LOOP
            IF names[i] = 'Expiration' AND expires IS NULL THEN
                expires := words[i];
                good := good AND length(expires) BETWEEN 1 AND 10 AND translate(expires, '0123456789', '') = '';
            ELSIF names[i] = 'Cleartext-Password' AND password IS NULL THEN
                password := words[i];
                good := good AND duka_printable(password, 128);
            ELSIF names[i] = 'Simultaneous-Use' AND several IS NULL THEN
                several := words[i];
                good := good AND several ~ '^0*[1-9][0-9]{0,2}$' AND length(several) <= 10;
            ELSE
                good := false;
            END IF;
        END LOOP;
        IF login ~ '^[0-9A-F]{2}:' THEN
            password := '';  -- a device proves itself by its router's secret, which stands in the router's file
        END IF;
        IF password <> '' THEN
            attribute := 'Cleartext-Password';
            value := CASE WHEN password ~ '^[A-Za-z0-9]' AND strpos(password, '\') = 0 THEN password ELSE duka_quoted(password) END;
            RETURN NEXT;
        END IF;

        SELECT u.service, u.metered, u.language, u.hours, u.timezone, u.redirects, u.blocked,
               CASE WHEN u.metered THEN (SELECT s.quota_bytes - s.used_bytes FROM subscription s
                                         WHERE s.id = u.subscription_id AND s.tenant_id = router.tenant_id) END AS bytes_left
            INTO person FROM radius_user u WHERE u.username = key;
        IF NOT FOUND THEN
            IF names IS NOT NULL THEN
                attribute := 'Duka-Rows';
                value := 'some';
                RETURN NEXT;
            END IF;
            RETURN;
        END IF;
        IF person.language <> router.language THEN
            attribute := 'Duka-Own-Language';
            value := person.language;
            RETURN NEXT;
        END IF;
        IF names IS NULL THEN
            RETURN;
        END IF;
        attribute := 'Duka-Service';
        value := person.service;
        RETURN NEXT;

        FOR pair IN SELECT r.id AS number, r.attribute AS name, r.value AS said FROM radreply r WHERE r.username = key ORDER BY r.id LOOP
            IF NOT duka_value_understood(pair.name, pair.said) THEN
                good := false;
            ELSIF pair.name IN ('Mikrotik-Address-List', 'Framed-Route', 'Framed-IPv6-Prefix', 'Delegated-IPv6-Prefix') THEN
                id := pair.number;
                attribute := pair.name;
                value := CASE WHEN pair.said ~ '^[A-Za-z0-9]' AND strpos(pair.said, '\') = 0 THEN pair.said ELSE duka_quoted(pair.said) END;
                op := '+=';
                RETURN NEXT;
                op := ':=';
            ELSIF strpos(singles, ' ' || pair.name || ' ') > 0 THEN
                good := false;
            ELSE
                singles := singles || pair.name || ' ';
                IF pair.name = 'Session-Timeout' THEN
                    own_timeout := pair.said::bigint;
                ELSE
                    id := pair.number;
                    attribute := pair.name;
                    IF pair.name = 'Acct-Interim-Interval' THEN
                        interim := greatest(pair.said::bigint, 60);
                        value := interim;
                    ELSE
                        value := CASE WHEN pair.said ~ '^[A-Za-z0-9]' AND strpos(pair.said, '\') = 0 THEN pair.said ELSE duka_quoted(pair.said) END;
                    END IF;
                    RETURN NEXT;
                END IF;
            END IF;
        END LOOP;
        id := 1;
        attribute := 'Duka-Rows';
        IF expires IS NULL OR NOT good OR (person.hours <> '' AND NOT duka_hours_understood(person.hours, person.timezone)) THEN
            value := 'bad';
            RETURN NEXT;
            RETURN;
        END IF;
        value := 'good';
        RETURN NEXT;

        IF person.blocked <> '' THEN
            attribute := 'Duka-Blocked';
            value := 'yes';
            RETURN NEXT;
        END IF;
        IF person.metered THEN
            attribute := 'Duka-Data';
            value := CASE WHEN person.bytes_left > 0 THEN 'left' WHEN person.bytes_left <= 0 THEN 'used' ELSE 'unknown' END;
            RETURN NEXT;
            IF person.bytes_left > 0 THEN
                IF person.bytes_left & 4294967295 = 0 THEN
                    person.bytes_left := person.bytes_left - 1;
                END IF;
                attribute := 'Mikrotik-Total-Limit';
                value := person.bytes_left & 4294967295;
                RETURN NEXT;
                attribute := 'Mikrotik-Total-Limit-Gigawords';
                value := person.bytes_left >> 32;
                RETURN NEXT;
            END IF;
        END IF;
        IF person.hours <> '' THEN
            hours_left := duka_hours_left(person.hours, person.timezone, moment);
            IF hours_left = 0 THEN
                attribute := 'Duka-Hours';
                value := 'closed';
                RETURN NEXT;
            END IF;
        END IF;
        IF several IS NOT NULL THEN
            SELECT count(*) INTO sessions FROM radacct a
                JOIN radius_nas n ON n.nasname = host(a.nasipaddress) AND n.realm = router.realm
                WHERE a.username = login AND a.acctstoptime IS NULL AND coalesce(a.callingstationid, '') <> device
                AND coalesce(a.acctupdatetime, a.acctstarttime) >= to_timestamp(moment - 3 * coalesce(interim, 300));
            IF sessions >= several::integer THEN
                attribute := 'Duka-Sessions';
                value := 'full';
                RETURN NEXT;
            END IF;
        END IF;
        IF person.redirects THEN
            attribute := 'Duka-Redirects';
            value := 'yes';
            RETURN NEXT;
        END IF;
        seconds_left := expires::bigint - moment;
        IF seconds_left > 0 THEN
            attribute := 'Session-Timeout';
            value := least(own_timeout, seconds_left, hours_left, 2147483647);
            RETURN NEXT;
        END IF;
    END
$$;
