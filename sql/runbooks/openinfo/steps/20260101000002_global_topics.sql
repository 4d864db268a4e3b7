-- 002: topics that all workspaces share, and how they move from week to week.
BEGIN;

\ir ../lib/put_back.sql

CREATE TABLE public.global_topics (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  topic text NOT NULL CONSTRAINT global_topics_topic_not_empty CHECK (topic ~ '[^[:space:]]'),
  category text NOT NULL DEFAULT 'other' CONSTRAINT global_topics_category_not_empty CHECK (category ~ '[^[:space:]]'),
  current_volume integer NOT NULL DEFAULT 0 CONSTRAINT global_topics_current_volume_positive CHECK (current_volume >= 0),
  trend_direction text NOT NULL DEFAULT 'stable'
    CONSTRAINT global_topics_trend_direction_known CHECK (trend_direction IN ('up', 'down', 'stable', 'new')),
  -- Unlimited: from 1 to 2,000 searches is 199,900 %, and a job that overflows stops for all topics.
  change_percent numeric,
  -- 'simple' and not 'english': as English text the topic "IT" is a stop word and cannot be found.
  topic_tsv tsvector GENERATED ALWAYS AS (to_tsvector('simple'::regconfig, topic)) STORED,
  created_by uuid DEFAULT public.get_user_id()
    CONSTRAINT global_topics_created_by_fkey REFERENCES public.users (id) ON DELETE SET NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE public.global_topics IS 'Topics to follow, the same for all workspaces';
COMMENT ON COLUMN public.global_topics.change_percent IS 'Against the week before; null where that had nothing to compare with';

CREATE TABLE public.trends (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  topic_id uuid NOT NULL CONSTRAINT trends_topic_id_fkey REFERENCES public.global_topics (id) ON DELETE CASCADE,
  week_start date NOT NULL CONSTRAINT trends_week_start_monday CHECK (extract(isodow FROM week_start) = 1),
  volume integer NOT NULL CONSTRAINT trends_volume_positive CHECK (volume >= 0),
  change_percent numeric,
  created_by uuid DEFAULT public.get_user_id() CONSTRAINT trends_created_by_fkey REFERENCES public.users (id) ON DELETE SET NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT trends_topic_id_week_start_key UNIQUE (topic_id, week_start)
);
COMMENT ON TABLE public.trends IS 'One row a topic and week: what global_topics.current_volume was when the week was closed';

SELECT pg_temp.put_back('global_topics');
SELECT pg_temp.put_back('trends');
DROP FUNCTION pg_temp.put_back(text, text);

CREATE UNIQUE INDEX idx_global_topics_topic ON public.global_topics (lower(topic));
CREATE INDEX idx_global_topics_topic_tsv ON public.global_topics USING gin (topic_tsv);
CREATE INDEX idx_global_topics_created_by ON public.global_topics (created_by);
CREATE INDEX idx_global_topics_created_at ON public.global_topics (created_at DESC);
CREATE INDEX idx_trends_topic_id ON public.trends (topic_id);
CREATE INDEX idx_trends_week_start ON public.trends (week_start DESC);
CREATE INDEX idx_trends_created_by ON public.trends (created_by);
CREATE INDEX idx_trends_created_at ON public.trends (created_at DESC);

CREATE TRIGGER set_global_topics_updated_at BEFORE UPDATE ON public.global_topics
  FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();
CREATE TRIGGER set_trends_updated_at BEFORE UPDATE ON public.trends
  FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();

-- For a field that completes while somebody types: every word may be the beginning of one. What was typed is cut into
-- words by the same parser as the topics and quoted, so no operator of tsquery in it means anything.
CREATE FUNCTION public.search_topics(query text, max_results integer DEFAULT 10)
  RETURNS TABLE (id uuid, topic text, category text, current_volume integer, trend_direction text, rank real)
  LANGUAGE sql STABLE SET search_path = ''
  AS $$
  WITH typed AS (
    SELECT string_agg('''' || replace(replace(word, '\', '\\'), '''', '''''') || ''':*', ' & ')::tsquery AS words
    FROM unnest(tsvector_to_array(to_tsvector('simple'::regconfig, coalesce(query, '')))) AS word
  )
  SELECT t.id, t.topic, t.category, t.current_volume, t.trend_direction, ts_rank(t.topic_tsv, typed.words) AS rank
  FROM typed JOIN public.global_topics AS t ON t.topic_tsv @@ typed.words
  ORDER BY rank DESC, t.current_volume DESC, t.topic, t.id
  LIMIT least(greatest(coalesce(max_results, 10), 0), 100)
$$;
COMMENT ON FUNCTION public.search_topics(text, integer) IS
  'Topics that have a word beginning with each word typed, best first, at most 100';

-- Cron, weekly. Closes the week that has just ended: asked for on Monday, it is the one before. Running it twice in a
-- week writes the same row again, and never compares a week with itself.
CREATE FUNCTION public.update_topic_trends() RETURNS integer
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
  AS $$
DECLARE
  closed date := date_trunc('week', now() AT TIME ZONE 'UTC')::date - 7;
  topics integer;
BEGIN
  INSERT INTO public.trends AS t (topic_id, week_start, volume, change_percent)
  SELECT g.id, closed, g.current_volume, CASE WHEN g.current_volume = before.volume THEN 0
    ELSE round(100.0 * (g.current_volume - before.volume) / nullif(before.volume, 0), 2) END
  FROM public.global_topics AS g
  LEFT JOIN LATERAL (
    SELECT volume FROM public.trends WHERE topic_id = g.id AND week_start < closed ORDER BY week_start DESC LIMIT 1
  ) AS before ON true
  ON CONFLICT (topic_id, week_start) DO UPDATE SET volume = excluded.volume, change_percent = excluded.change_percent;
  GET DIAGNOSTICS topics = ROW_COUNT;

  UPDATE public.global_topics AS g
  SET change_percent = t.change_percent,
      trend_direction = CASE WHEN t.change_percent IS NULL THEN 'new' WHEN t.change_percent >= 10 THEN 'up'
        WHEN t.change_percent <= -10 THEN 'down' ELSE 'stable' END
  FROM public.trends AS t
  WHERE t.topic_id = g.id AND t.week_start = closed;
  RETURN topics;
END;
$$;
COMMENT ON FUNCTION public.update_topic_trends() IS 'Cron, weekly on Monday; gives how many topics have a row for the week that ended';

REVOKE ALL ON public.global_topics, public.trends FROM PUBLIC, anon, authenticated;
REVOKE ALL ON FUNCTION public.search_topics(text, integer), public.update_topic_trends() FROM PUBLIC, anon, authenticated;
GRANT EXECUTE ON FUNCTION public.search_topics(text, integer) TO authenticated, service_role;
GRANT EXECUTE ON FUNCTION public.update_topic_trends() TO service_role;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.global_topics, public.trends TO service_role;
GRANT SELECT ON public.global_topics, public.trends TO authenticated;

ALTER TABLE public.global_topics ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.trends ENABLE ROW LEVEL SECURITY;
CREATE POLICY "Shared by all workspaces" ON public.global_topics FOR SELECT TO authenticated USING (true);
CREATE POLICY "Shared by all workspaces" ON public.trends FOR SELECT TO authenticated USING (true);

DO $recorded$
BEGIN
  IF to_regclass('supabase_migrations.schema_migrations') IS NOT NULL THEN
    INSERT INTO supabase_migrations.schema_migrations (version, name) VALUES ('20260101000002', 'global_topics');
  END IF;
END
$recorded$;
NOTIFY pgrst, 'reload schema';

COMMIT;
