-- This database as a copy of it has to be, and what this role may do with it. to_jsonb: columns that older servers lack.
SELECT
    d.datname,
    pg_catalog.pg_get_userbyid(d.datdba) AS owner,
    pg_catalog.pg_encoding_to_char(d.encoding) AS encoding,
    d.datcollate,
    d.datctype,
    coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') AS provider,
    coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale') AS locale,
    d.datconnlimit,
    pg_catalog.pg_database_size(d.oid) AS bytes,
    (SELECT r.rolname FROM pg_catalog.pg_roles AS r WHERE r.oid = 10) AS bootstrap,
    me.rolsuper OR me.rolcreatedb AS may_create,
    pg_catalog.pg_has_role(d.datdba, 'USAGE') AS may_copy
FROM pg_catalog.pg_database AS d, pg_catalog.pg_roles AS me
WHERE d.datname = current_database() AND me.rolname = current_user
