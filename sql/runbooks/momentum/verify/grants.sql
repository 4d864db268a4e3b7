-- Who of the API's roles may do what. Nothing else holds TRUNCATE back: no policy does.
SELECT c.relname::text AS table, pg_get_userbyid(a.grantee)::text AS grantee,
  string_agg(a.privilege_type, ' ' ORDER BY a.privilege_type) AS privileges
FROM pg_class AS c, LATERAL aclexplode(c.relacl) AS a
WHERE c.oid IN (to_regclass('public.profiles'), to_regclass('public.deliverables'), to_regclass('public.organizations'),
    to_regclass('public.organization_members'), to_regclass('public.brand_settings'), to_regclass('public.zoom_credentials'),
    to_regclass('public.legacy_left_behind'))
  AND (a.grantee = 0 OR pg_get_userbyid(a.grantee) IN ('anon', 'authenticated'))
GROUP BY 1, 2
ORDER BY 1, 2
