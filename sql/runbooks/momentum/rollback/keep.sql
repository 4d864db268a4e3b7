-- Included by 001, 002 and 003. What the new application wrote has no place in the database as it was before; the guide
-- deletes it. Here it is put aside first. Where keep_place.sql was not run, its table is made when there is something to
-- keep, and the comparison afterwards shows it as new.
CREATE FUNCTION pg_temp.keep(source text, rows text) RETURNS void
  LANGUAGE plpgsql
  AS $$
DECLARE
  n bigint;
BEGIN
  EXECUTE format('SELECT count(*) FROM (%s) AS kept', rows) INTO n;
  IF n = 0 THEN
    RETURN;
  END IF;
  IF to_regclass('momentum_kept.rows') IS NULL THEN
    CREATE SCHEMA IF NOT EXISTS momentum_kept;
    CREATE TABLE momentum_kept.rows (
      source text NOT NULL,
      kept_at timestamptz NOT NULL DEFAULT now(),
      row jsonb NOT NULL
    );
  END IF;
  EXECUTE format('INSERT INTO momentum_kept.rows (source, row) SELECT %L, to_jsonb(kept) FROM (%s) AS kept', source, rows);
  RAISE NOTICE '% rows of % are kept in momentum_kept.rows', n, source;
END;
$$;
