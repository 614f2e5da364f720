-- What FreeRADIUS needs to decide about one Access-Request, in one visit (docs/radius-policy.md).
--
-- It looks things up and does sums; it decides nothing: policy.d/duka_access does, in the order of the policy. Rows come
-- in the shape rlm_sql reads (id, name, attribute, value, op) and end in the reply list: reply attributes as they may be
-- sent, and values of ours (Duka-…, Cleartext-Password), which no packet can carry.
--
-- nas     source address of the packet
-- login   User-Name, already known to be a MAC or a login by its form
-- device  Calling-Station-Id, empty when it holds anything but printable ASCII
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

CREATE OR REPLACE FUNCTION duka_hours_left(hours text, zone text, moment bigint) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
    -- Seconds until the access hours end; 0 outside of them, NULL when they never end or there are none.
    DECLARE
        wall timestamp := to_timestamp(moment) AT TIME ZONE zone;
        monday timestamp := date_trunc('week', wall);
        minute integer := floor(extract(epoch FROM wall - monday) / 60);
        opens integer[];
        closes integer[];
        ends timestamp;
        final bigint;
    BEGIN
        IF hours = '' THEN
            RETURN NULL;
        END IF;
        SELECT array_agg(split_part(part, '-', 1)::integer ORDER BY place),
               array_agg(split_part(part, '-', 2)::integer ORDER BY place)
            INTO opens, closes FROM unnest(string_to_array(hours, ',')) WITH ORDINALITY AS windows (part, place);
        FOR i IN 1 .. array_length(opens, 1) LOOP
            IF minute >= opens[i] AND minute < closes[i] THEN
                ends := monday + closes[i] * interval '1 minute';
                IF closes[i] = 10080 AND opens[1] = 0 THEN
                    IF closes[1] = 10080 THEN
                        RETURN NULL;  -- the whole week
                    END IF;
                    ends := ends + closes[1] * interval '1 minute';
                END IF;
                final := extract(epoch FROM ends AT TIME ZONE zone);
                -- an hour that happens twice in autumn: the first time the clock shows it counts
                IF final - 3600 > moment AND to_timestamp(final - 3600) AT TIME ZONE zone = ends THEN
                    final := final - 3600;
                END IF;
                RETURN greatest(final - moment, 1);
            END IF;
        END LOOP;
        RETURN 0;
    END
$$;

CREATE OR REPLACE FUNCTION duka_value_understood(attribute text, value text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    -- Whether a reply row may be sent to a router. An unknown name is not understood.
    SELECT CASE
        WHEN attribute IN ('Acct-Interim-Interval', 'Session-Timeout', 'Idle-Timeout', 'Port-Limit')
            THEN CASE WHEN value ~ '^[0-9]{1,10}$' THEN value::bigint BETWEEN 1 AND 2147483647 ELSE false END
        WHEN attribute = 'Class' THEN value ~ '^duka:[0-9]{1,18}$'
        WHEN attribute = 'Mikrotik-Rate-Limit'
            THEN value ~ '^[1-9][0-9]{0,9}[kM]?(/[1-9][0-9]{0,9}[kM]?)?( [1-9][0-9]{0,9}[kM]?(/[1-9][0-9]{0,9}[kM]?)?( [1-9][0-9]{0,9}[kM]?(/[1-9][0-9]{0,9}[kM]?)?( [0-9]{1,4}(/[0-9]{1,4})?( [1-8]( [1-9][0-9]{0,9}[kM]?(/[1-9][0-9]{0,9}[kM]?)?)?)?)?)?)?$'
        WHEN attribute IN ('Mikrotik-Address-List', 'Framed-Pool', 'Mikrotik-Group', 'Mikrotik-Mark-Id', 'Filter-Id',
                           'Mikrotik-Delegated-IPv6-Pool', 'Framed-IPv6-Pool')
            THEN octet_length(value) BETWEEN 1 AND 247 AND value !~ '[[:cntrl:]]'
        WHEN attribute = 'Framed-IP-Address'
            THEN value ~ '^((25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])$'
        WHEN attribute = 'Framed-Route'
            THEN octet_length(value) <= 247 AND value ~ '^[0-9a-fA-F.:]{2,45}/[0-9]{1,3}( [0-9a-fA-F.:]{2,45}( [0-9]{1,5})?)?$'
        WHEN attribute IN ('Framed-IPv6-Prefix', 'Delegated-IPv6-Prefix')
            THEN value ~ '^[0-9a-fA-F:]{2,39}/([0-9]{1,2}|1[01][0-9]|12[0-8])$'
        ELSE false END
$$;

CREATE OR REPLACE FUNCTION duka_authorize(nas_address text, login text, device text, moment bigint)
RETURNS TABLE (id integer, username text, attribute text, value text, op text) LANGUAGE plpgsql STABLE AS $$
    #variable_conflict use_column
    DECLARE
        router radius_nas;
        person radius_user;
        is_mac boolean := login ~ '^[0-9A-F]{2}(:[0-9A-F]{2}){5}$';
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
        quota bigint;
        used bigint;
        sessions bigint;
    BEGIN
        SELECT r.* INTO router FROM nas n JOIN radius_nas r ON r.nasname = n.nasname WHERE n.nasname = nas_address;
        IF NOT FOUND THEN
            RETURN;
        END IF;
        key := CASE WHEN router.realm = '' THEN login ELSE login || '@' || router.realm END;

        SELECT count(*),
               bool_and(CASE c.attribute
                   WHEN 'Expiration' THEN c.value ~ '^[0-9]{1,10}$'
                   WHEN 'Cleartext-Password' THEN octet_length(c.value) BETWEEN 1 AND 128 AND c.value !~ '[[:cntrl:]]'
                   WHEN 'Simultaneous-Use' THEN c.value ~ '^[1-9][0-9]{0,2}$'
                   ELSE false END),
               max(c.value) FILTER (WHERE c.attribute = 'Expiration'),
               max(c.value) FILTER (WHERE c.attribute = 'Cleartext-Password'),
               max(c.value) FILTER (WHERE c.attribute = 'Simultaneous-Use')
            INTO checks, understood, expires, password, several
            FROM radcheck c WHERE c.username = key;
        IF checks > 0 THEN
            SELECT u.* INTO person FROM radius_user u WHERE u.username = key;
        END IF;
        IF is_mac THEN
            password := router.mac_auth_password;
        END IF;

        RETURN QUERY VALUES
            (1, login, 'Duka-Language', coalesce(person.language, router.language), ':='),
            (1, login, 'Duka-Service-Code', duka_quoted(router.service_code), ':=');
        IF NOT router.demands_message_authenticator THEN
            RETURN QUERY VALUES (1, login, 'Duka-Learns-Signature', 'yes', ':=');
        END IF;
        IF coalesce(password, '') <> '' THEN
            RETURN QUERY VALUES (1, login, 'Cleartext-Password', duka_quoted(password), ':=');
        END IF;
        IF person.username IS NULL THEN
            RETURN;
        END IF;

        SELECT coalesce(bool_and(duka_value_understood(r.attribute, r.value)), true),
               max(CASE WHEN r.attribute = 'Session-Timeout' AND r.value ~ '^[0-9]{1,10}$' THEN r.value::bigint END),
               max(CASE WHEN r.attribute = 'Acct-Interim-Interval' AND r.value ~ '^[0-9]{1,10}$' THEN r.value::bigint END)
            INTO replies_understood, own_timeout, interim
            FROM radreply r WHERE r.username = key;
        IF expires IS NULL OR NOT understood OR NOT replies_understood THEN
            RETURN QUERY VALUES (1, login, 'Duka-Service', person.service::text, ':='), (1, login, 'Duka-Rows', 'bad', ':=');
            RETURN;
        END IF;

        seconds_left := greatest(expires::bigint - moment, 0);
        IF person.hours <> '' THEN
            hours_left := duka_hours_left(person.hours, person.timezone, moment);
        END IF;
        IF person.metered THEN
            SELECT s.quota_bytes, s.used_bytes INTO quota, used FROM subscription s WHERE s.id = person.subscription_id;
            bytes_left := greatest(quota - used, 0);
            RETURN QUERY VALUES
                (1, login, 'Duka-Data', CASE WHEN bytes_left IS NULL THEN 'unknown' WHEN bytes_left = 0 THEN 'used' ELSE 'left' END, ':=');
        END IF;
        IF several IS NOT NULL THEN
            SELECT count(*) INTO sessions FROM radacct a
                JOIN radius_nas n ON n.nasname = host(a.nasipaddress) AND n.tenant_id = router.tenant_id
                WHERE a.username = login AND a.acctstoptime IS NULL AND coalesce(a.callingstationid, '') <> device
                AND a.acctupdatetime > to_timestamp(moment - 3 * greatest(coalesce(interim, 300), 60));
            IF sessions >= several::integer THEN
                RETURN QUERY VALUES (1, login, 'Duka-Sessions', 'full', ':=');
            END IF;
        END IF;
        RETURN QUERY VALUES
            (1, login, 'Duka-Service', person.service::text, ':='),
            (1, login, 'Duka-Rows', 'good', ':='),
            (1, login, 'Duka-Time', CASE WHEN seconds_left = 0 THEN 'over' ELSE 'left' END, ':=');
        IF person.blocked <> '' THEN
            RETURN QUERY VALUES (1, login, 'Duka-Blocked', 'yes', ':=');
        END IF;
        IF hours_left = 0 THEN
            RETURN QUERY VALUES (1, login, 'Duka-Hours', 'closed', ':=');
        END IF;
        IF person.redirects THEN
            RETURN QUERY VALUES (1, login, 'Duka-Redirects', 'yes', ':=');
        END IF;
        RETURN QUERY
            SELECT r.id::integer, login, r.attribute,
                CASE WHEN r.attribute = 'Acct-Interim-Interval' THEN greatest(r.value::bigint, 60)::text ELSE duka_quoted(r.value) END,
                CASE WHEN r.attribute IN ('Mikrotik-Address-List', 'Framed-Route', 'Framed-IPv6-Prefix', 'Delegated-IPv6-Prefix')
                    THEN '+=' ELSE ':=' END
            FROM radreply r WHERE r.username = key AND r.attribute <> 'Session-Timeout' ORDER BY r.id;
        RETURN QUERY VALUES
            (1, login, 'Session-Timeout', least(own_timeout, nullif(seconds_left, 0), nullif(hours_left, 0), 2147483647)::text, ':=');
        IF bytes_left > 0 THEN
            bytes_left := CASE WHEN bytes_left & 4294967295 = 0 THEN bytes_left - 1 ELSE bytes_left END;
            RETURN QUERY VALUES
                (1, login, 'Mikrotik-Total-Limit', (bytes_left & 4294967295)::text, ':='),
                (1, login, 'Mikrotik-Total-Limit-Gigawords', (bytes_left >> 32)::text, ':=');
        END IF;
    END
$$;
