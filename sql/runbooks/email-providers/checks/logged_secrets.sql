-- Settings by which the server's log would get the values that the application stores: parameters of statements that are
-- logged, for their length, their duration or their failure.
SELECT name, setting FROM pg_settings
WHERE (name = 'log_statement' AND setting IN ('mod', 'all') AND current_setting('log_parameter_max_length', true) IS DISTINCT FROM '0')
  OR (name = 'log_min_duration_statement' AND setting <> '-1' AND current_setting('log_parameter_max_length', true) IS DISTINCT FROM '0')
  OR (name = 'log_parameter_max_length_on_error' AND setting <> '0')
  OR (name = 'auto_explain.log_min_duration' AND setting <> '-1' AND current_setting('auto_explain.log_parameter_max_length', true) IS DISTINCT FROM '0')
