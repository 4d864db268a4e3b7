SELECT
    'text search configuration' AS kind,
    quote_ident(n.nspname) || '.' || quote_ident(c.cfgname) AS name,
    '' AS "on",
    'pg_ts_config ' || c.oid AS address,
    quote_ident(pg_get_userbyid(c.cfgowner)) AS owner,
    quote_ident(pn.nspname) || '.' || quote_ident(p.prsname) AS parser,
    (
        SELECT string_agg(t.alias || ': ' || m.dictionaries, E'\n' ORDER BY t.tokid)
        FROM ts_token_type(c.cfgparser) AS t
        JOIN (
            SELECT m.maptokentype, string_agg(m.mapdict::regdictionary::text, ', ' ORDER BY m.mapseqno) AS dictionaries
            FROM pg_ts_config_map m
            WHERE m.mapcfg = c.oid
            GROUP BY m.maptokentype
        ) m ON m.maptokentype = t.tokid
    ) AS mappings,
    NULL AS template,
    NULL AS options,
    NULL AS functions
FROM pg_ts_config c
JOIN pg_namespace n ON n.oid = c.cfgnamespace
JOIN pg_ts_parser p ON p.oid = c.cfgparser
JOIN pg_namespace pn ON pn.oid = p.prsnamespace
WHERE
    n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'lockstep')
    AND c.oid NOT IN (
        SELECT e.objid FROM pg_depend e
        WHERE e.refclassid = 'pg_extension'::regclass AND e.classid = 'pg_ts_config'::regclass AND e.deptype = 'e'
    )
UNION ALL
SELECT
    'text search dictionary',
    quote_ident(n.nspname) || '.' || quote_ident(d.dictname),
    '',
    'pg_ts_dict ' || d.oid,
    quote_ident(pg_get_userbyid(d.dictowner)),
    NULL,
    NULL,
    quote_ident(tn.nspname) || '.' || quote_ident(t.tmplname),
    d.dictinitoption,
    NULL
FROM pg_ts_dict d
JOIN pg_namespace n ON n.oid = d.dictnamespace
JOIN pg_ts_template t ON t.oid = d.dicttemplate
JOIN pg_namespace tn ON tn.oid = t.tmplnamespace
WHERE
    n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'lockstep')
    AND d.oid NOT IN (
        SELECT e.objid FROM pg_depend e
        WHERE e.refclassid = 'pg_extension'::regclass AND e.classid = 'pg_ts_dict'::regclass AND e.deptype = 'e'
    )
UNION ALL
SELECT
    'text search parser',
    quote_ident(n.nspname) || '.' || quote_ident(p.prsname),
    '',
    'pg_ts_parser ' || p.oid,
    NULL, NULL, NULL, NULL, NULL,
    concat_ws(', ', p.prsstart, p.prstoken, p.prsend, p.prsheadline, p.prslextype)
FROM pg_ts_parser p
JOIN pg_namespace n ON n.oid = p.prsnamespace
WHERE
    n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'lockstep')
    AND p.oid NOT IN (
        SELECT e.objid FROM pg_depend e
        WHERE e.refclassid = 'pg_extension'::regclass AND e.classid = 'pg_ts_parser'::regclass AND e.deptype = 'e'
    )
UNION ALL
SELECT
    'text search template',
    quote_ident(n.nspname) || '.' || quote_ident(t.tmplname),
    '',
    'pg_ts_template ' || t.oid,
    NULL, NULL, NULL, NULL, NULL,
    concat_ws(', ', t.tmplinit, t.tmpllexize)
FROM pg_ts_template t
JOIN pg_namespace n ON n.oid = t.tmplnamespace
WHERE
    n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'lockstep')
    AND t.oid NOT IN (
        SELECT e.objid FROM pg_depend e
        WHERE e.refclassid = 'pg_extension'::regclass AND e.classid = 'pg_ts_template'::regclass AND e.deptype = 'e'
    )
