-- The user mappings of this database, each as the statement that drops it: with them a rehearsal reaches other servers.
SELECT format(
    'DROP USER MAPPING IF EXISTS FOR %s SERVER %I',
    CASE WHEN m.umuser = 0 THEN 'PUBLIC' ELSE quote_ident(m.usename) END,
    m.srvname
)
FROM pg_catalog.pg_user_mappings AS m
ORDER BY m.srvname, m.usename
