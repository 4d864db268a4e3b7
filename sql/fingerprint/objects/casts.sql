SELECT
    'cast' AS kind,
    '(' || format_type(c.castsource, NULL) || ' AS ' || format_type(c.casttarget, NULL) || ')' AS name,
    '' AS "on",
    'pg_cast ' || c.oid AS address,
    NULLIF(c.castfunc, 0)::regprocedure AS "function",
    CASE c.castcontext WHEN 'e' THEN 'explicit' WHEN 'a' THEN 'assignment' ELSE 'implicit' END AS context,
    CASE c.castmethod WHEN 'f' THEN 'function' WHEN 'i' THEN 'inout' ELSE 'binary' END AS method
FROM pg_cast c
WHERE
    -- What initdb made has lower numbers (FirstNormalObjectId in access/transam.h); casts have no schema to tell by.
    c.oid >= 16384
    AND c.oid NOT IN (
        SELECT e.objid FROM pg_depend e
        WHERE e.refclassid = 'pg_extension'::regclass AND e.classid = 'pg_cast'::regclass AND e.deptype = 'e'
    )
    -- A range's cast to its multirange comes with the range.
    AND NOT EXISTS (
        SELECT FROM pg_depend i WHERE i.classid = 'pg_cast'::regclass AND i.objid = c.oid AND i.deptype = 'i'
    )
