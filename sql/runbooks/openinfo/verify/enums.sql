SELECT t.typname::text AS name, string_agg(e.enumlabel, ', ' ORDER BY e.enumsortorder) AS labels
FROM pg_type AS t JOIN pg_enum AS e ON e.enumtypid = t.oid
WHERE t.typnamespace = 'public'::regnamespace
  AND t.typname IN ('query_status', 'enrichment_status', 'delivery_status', 'export_status')
GROUP BY t.typname
ORDER BY 1
