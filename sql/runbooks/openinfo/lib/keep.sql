-- Included by the ways back. Dropping a table must not lose what the new application wrote: its rows go to
-- openinfo_kept.rows as JSON, the next attempt puts them back (put_back.sql). An empty table leaves nothing behind.
-- Kept without a time, so that the same rows kept again are the same: a rehearsal on a copy of a database that has some
-- already would else call every way back lossy.
CREATE FUNCTION pg_temp.keep(name text) RETURNS void
  LANGUAGE plpgsql
  AS $$
DECLARE
  there bigint;
  kept bigint;
BEGIN
  EXECUTE format('SELECT count(*) FROM public.%I', name) INTO there;
  IF there = 0 THEN
    RETURN;
  END IF;
  -- Made before the window as the checklist asks for; else now, and then it is the one thing more than before.
  IF to_regclass('openinfo_kept.rows') IS NULL THEN
    CREATE SCHEMA IF NOT EXISTS openinfo_kept;
    CREATE TABLE openinfo_kept.rows (
      name text NOT NULL,
      id uuid NOT NULL,
      content jsonb NOT NULL,
      PRIMARY KEY (name, id)
    );
    COMMENT ON TABLE openinfo_kept.rows IS 'Rows of tables that a way back of the OpenInfo migration has dropped';
  END IF;
  EXECUTE format(
    'INSERT INTO openinfo_kept.rows (name, id, content) SELECT %1$L, t.id, to_jsonb(t) FROM public.%1$I AS t
     ON CONFLICT (name, id) DO UPDATE SET content = excluded.content', name);
  GET DIAGNOSTICS kept = ROW_COUNT;
  IF kept <> there THEN
    RAISE EXCEPTION '% of % rows of public.% would be lost', there - kept, there, name;
  END IF;
  RAISE NOTICE '% rows of public.% are kept in openinfo_kept.rows', kept, name;
END;
$$;
