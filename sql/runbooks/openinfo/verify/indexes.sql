-- Named indexes that are missing, invalid or made otherwise: idx_*_workspace_id of every table, the foreign keys, GIN for
-- JSONB and topics, what is newest, what is due next. Empty is right.
WITH due (name, method, key, partial) AS (
  VALUES
    ('idx_billing_events_created_at', 'btree', 'workspace_id, created_at DESC', false),
    ('idx_billing_events_created_by', 'btree', 'created_by', false),
    ('idx_billing_events_workspace_id', 'btree', 'workspace_id', false),
    ('idx_credit_usage_created_at', 'btree', 'workspace_id, created_at DESC', false),
    ('idx_credit_usage_created_by', 'btree', 'created_by', false),
    ('idx_credit_usage_user_id', 'btree', 'user_id', false),
    ('idx_credit_usage_workspace_id', 'btree', 'workspace_id', false),
    ('idx_export_jobs_created_at', 'btree', 'workspace_id, created_at DESC', false),
    ('idx_export_jobs_created_by', 'btree', 'created_by', false),
    ('idx_export_jobs_expires_at', 'btree', 'expires_at', true), ('idx_export_jobs_filters', 'gin', 'filters', false),
    ('idx_export_jobs_user_id', 'btree', 'user_id', false),
    ('idx_export_jobs_workspace_id', 'btree', 'workspace_id', false),
    ('idx_global_topics_created_at', 'btree', 'created_at DESC', false),
    ('idx_global_topics_created_by', 'btree', 'created_by', false),
    ('idx_global_topics_topic', 'btree', 'lower(topic)', false),
    ('idx_global_topics_topic_tsv', 'gin', 'topic_tsv', false),
    ('idx_integrations_created_at', 'btree', 'workspace_id, created_at DESC', false),
    ('idx_integrations_created_by', 'btree', 'created_by', false),
    ('idx_integrations_workspace_id', 'btree', 'workspace_id', false),
    ('idx_leads_company_data', 'gin', 'company_data', false), ('idx_leads_contact_data', 'gin', 'contact_data', false),
    ('idx_leads_created_at', 'btree', 'workspace_id, created_at DESC', false),
    ('idx_leads_created_by', 'btree', 'created_by', false), ('idx_leads_pending', 'btree', 'created_at', true),
    ('idx_leads_query_id', 'btree', 'query_id', false), ('idx_leads_workspace_id', 'btree', 'workspace_id', false),
    ('idx_notification_preferences_created_at', 'btree', 'workspace_id, created_at DESC', false),
    ('idx_notification_preferences_created_by', 'btree', 'created_by', false),
    ('idx_notification_preferences_workspace_id', 'btree', 'workspace_id', false),
    ('idx_people_search_results_created_at', 'btree', 'workspace_id, created_at DESC', false),
    ('idx_people_search_results_created_by', 'btree', 'created_by', false),
    ('idx_people_search_results_person_data', 'gin', 'person_data', false),
    ('idx_people_search_results_user_id', 'btree', 'user_id', false),
    ('idx_people_search_results_workspace_id', 'btree', 'workspace_id', false),
    ('idx_queries_created_at', 'btree', 'workspace_id, created_at DESC', false),
    ('idx_queries_created_by', 'btree', 'created_by', false), ('idx_queries_filters', 'gin', 'filters', false),
    ('idx_queries_next_run_at', 'btree', 'next_run_at', true), ('idx_queries_topic_id', 'btree', 'topic_id', false),
    ('idx_queries_workspace_id', 'btree', 'workspace_id', false),
    ('idx_saved_people_searches_created_at', 'btree', 'workspace_id, created_at DESC', false),
    ('idx_saved_people_searches_created_by', 'btree', 'created_by', false),
    ('idx_saved_people_searches_filters', 'gin', 'filters', false),
    ('idx_saved_people_searches_next_run_at', 'btree', 'next_run_at', true),
    ('idx_saved_people_searches_user_id', 'btree', 'user_id', false),
    ('idx_saved_people_searches_workspace_id', 'btree', 'workspace_id', false),
    ('idx_saved_searches_created_at', 'btree', 'workspace_id, created_at DESC', false),
    ('idx_saved_searches_created_by', 'btree', 'created_by', false),
    ('idx_saved_searches_filters', 'gin', 'filters', false),
    ('idx_saved_searches_next_run_at', 'btree', 'next_run_at', true),
    ('idx_saved_searches_workspace_id', 'btree', 'workspace_id', false),
    ('idx_stripe_customers_created_at', 'btree', 'workspace_id, created_at DESC', false),
    ('idx_stripe_customers_created_by', 'btree', 'created_by', false),
    ('idx_stripe_customers_workspace_id', 'btree', 'workspace_id', false),
    ('idx_trends_created_at', 'btree', 'created_at DESC', false),
    ('idx_trends_created_by', 'btree', 'created_by', false), ('idx_trends_topic_id', 'btree', 'topic_id', false),
    ('idx_trends_week_start', 'btree', 'week_start DESC', false),
    ('idx_users_created_at', 'btree', 'workspace_id, created_at DESC', false),
    ('idx_users_created_by', 'btree', 'created_by', false), ('idx_users_email', 'btree', 'lower(email)', false),
    ('idx_users_workspace_id', 'btree', 'workspace_id', false),
    ('idx_workspaces_created_at', 'btree', 'created_at DESC', false),
    ('idx_workspaces_created_by', 'btree', 'created_by', false)
), found AS (
  SELECT c.relname::text AS name, m.amname::text AS method, i.indpred IS NOT NULL AS partial,
    i.indisvalid AND i.indisready AS usable,
    (SELECT string_agg(pg_get_indexdef(i.indexrelid, n, true)
       || CASE WHEN i.indoption[n - 1] & 1 = 1 THEN ' DESC' ELSE '' END, ', ' ORDER BY n)
     FROM generate_series(1, i.indnkeyatts) AS n) AS key
  FROM pg_index AS i
  JOIN pg_class AS c ON c.oid = i.indexrelid
  JOIN pg_am AS m ON m.oid = c.relam
  WHERE c.relnamespace = 'public'::regnamespace
)
SELECT due.name, CASE WHEN found.name IS NULL THEN 'is missing' WHEN NOT found.usable THEN 'is invalid'
  ELSE format('is %s on %s', found.method, found.key) END AS wrong
FROM due LEFT JOIN found USING (name)
WHERE found.name IS NULL OR NOT found.usable OR (due.method, due.key, due.partial) <> (found.method, found.key, found.partial)
ORDER BY 1
