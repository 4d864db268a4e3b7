-- Included by 006. Two workspaces with a row in every table, each asked for as a member of the one and of the other. It
-- happens in a subtransaction that always ends in an exception: nothing of it stays. If a row of another workspace is
-- seen, written or taken, the step fails and is not committed. Later, with real rows, verify/isolation.sql asks again.
DO $isolation$
DECLARE
  account uuid[];
  workspace uuid[];
  person uuid[];
  query uuid[];
  topic uuid;
  made uuid;
  name text;
  key text;
  seen bigint;
  foreign_rows bigint;
  wrong text[] := '{}';
  verdict text;
BEGIN
  BEGIN
    -- Accounts that are there already; a project without any gets two for the moment.
    account := ARRAY(SELECT a.id FROM auth.users AS a
      WHERE NOT EXISTS (SELECT FROM public.users AS u WHERE u.auth_user_id = a.id) ORDER BY a.id LIMIT 2);
    WHILE cardinality(account) < 2 LOOP
      account := account || gen_random_uuid();
      INSERT INTO auth.users (id, email) VALUES (account[cardinality(account)], account[cardinality(account)] || '@proof.invalid');
    END LOOP;

    INSERT INTO public.global_topics (topic) VALUES ('proof ' || account[1]) RETURNING id INTO topic;
    FOR i IN 1..2 LOOP
      INSERT INTO public.workspaces (name, slug) VALUES ('Proof', 'proof-' || account[i]) RETURNING id INTO made;
      workspace := workspace || made;
      INSERT INTO public.users (workspace_id, auth_user_id) VALUES (workspace[i], account[i]) RETURNING id INTO made;
      person := person || made;
      INSERT INTO public.queries (workspace_id, topic_id, name) VALUES (workspace[i], topic, 'Proof') RETURNING id INTO made;
      query := query || made;
      INSERT INTO public.saved_searches (workspace_id, name) VALUES (workspace[i], 'Proof');
      INSERT INTO public.leads (workspace_id, query_id) VALUES (workspace[i], query[i]);
      PERFORM public.record_credit_usage(person[i], 'proof');
      INSERT INTO public.export_jobs (workspace_id, user_id) VALUES (workspace[i], person[i]);
      INSERT INTO public.people_search_results (workspace_id, user_id, person_data) VALUES (workspace[i], person[i], '{}');
      INSERT INTO public.saved_people_searches (workspace_id, user_id, name) VALUES (workspace[i], person[i], 'Proof');
      INSERT INTO public.integrations (workspace_id, provider, name) VALUES (workspace[i], 'proof', 'Proof');
      INSERT INTO public.billing_events (workspace_id, event_type, stripe_event_id) VALUES (workspace[i], 'proof', 'proof ' || account[i]);
      INSERT INTO public.notification_preferences (workspace_id, user_id) VALUES (workspace[i], person[i]);
      INSERT INTO public.stripe_customers (workspace_id, stripe_customer_id) VALUES (workspace[i], 'proof ' || account[i]);
    END LOOP;

    FOR i IN 1..2 LOOP
      PERFORM set_config('request.jwt.claims', json_build_object('sub', account[i], 'role', 'authenticated')::text, true);
      PERFORM set_config('role', 'authenticated', true);
      IF public.get_user_workspace_id() IS DISTINCT FROM workspace[i] THEN
        wrong := wrong || 'get_user_workspace_id() does not tell the own workspace'::text;
      END IF;
      FOREACH name IN ARRAY ARRAY['workspaces', 'users', 'queries', 'saved_searches', 'leads', 'credit_usage', 'export_jobs',
        'people_search_results', 'saved_people_searches', 'integrations', 'billing_events', 'notification_preferences',
        'stripe_customers']
      LOOP
        key := CASE name WHEN 'workspaces' THEN 'id' ELSE 'workspace_id' END;
        EXECUTE format('SELECT count(*), count(*) FILTER (WHERE %I <> %L) FROM public.%I', key, workspace[i], name)
          INTO seen, foreign_rows;
        IF (seen, foreign_rows) <> (1, 0) THEN
          wrong := wrong || format('%s: a member sees %s rows, %s of them of another workspace', name, seen, foreign_rows);
        END IF;
      END LOOP;

      -- The other one's rows, by their ids.
      UPDATE public.queries SET name = 'taken' WHERE id = query[3 - i];
      IF FOUND THEN
        wrong := wrong || 'queries: a member changes a row of another workspace'::text;
      END IF;
      DELETE FROM public.leads WHERE workspace_id = workspace[3 - i];
      IF FOUND THEN
        wrong := wrong || 'leads: a member deletes a row of another workspace'::text;
      END IF;
      BEGIN
        INSERT INTO public.saved_searches (workspace_id, name) VALUES (workspace[3 - i], 'put there');
        wrong := wrong || 'saved_searches: a member writes into another workspace'::text;
      EXCEPTION WHEN insufficient_privilege THEN
        NULL;
      END;
      PERFORM set_config('role', 'none', true);
    END LOOP;

    -- Past row security, as the server works: keys alone must hold a lead to its own workspace's query.
    BEGIN
      INSERT INTO public.leads (workspace_id, query_id) VALUES (workspace[1], query[2]);
      wrong := wrong || 'leads: a lead hangs on another workspace''s query'::text;
    EXCEPTION WHEN foreign_key_violation THEN
      NULL;
    END;
    RAISE EXCEPTION USING ERRCODE = 'OI001', MESSAGE = array_to_string(wrong, '; ');
  EXCEPTION WHEN SQLSTATE 'OI001' THEN
    verdict := SQLERRM;
  END;
  IF verdict <> '' THEN
    RAISE EXCEPTION 'workspaces are not isolated: %', verdict;
  END IF;
  RAISE NOTICE 'two members of two workspaces: each sees the own row of 13 tables and no other';
END
$isolation$;
