-- Settings for the rest of the transaction, with what they were before.
WITH before AS MATERIALIZED (
    SELECT s.name, s.value, current_setting(s.name) AS old
    FROM unnest(%(names)s::text[], %(values)s::text[]) AS s(name, value)
)
SELECT name, old, set_config(name, value, true) FROM before
