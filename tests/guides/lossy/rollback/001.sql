-- Makes the table anew, as somebody may who has its CREATE TABLE from old notes. Every statement succeeds and no row
-- changes, but the grants, the comments, a statistics target and a foreign key are gone, a trigger stays disabled, and
-- title and state stand the other way round.
BEGIN;

CREATE TEMPORARY TABLE tasks_kept ON COMMIT DROP AS TABLE dev.tasks;
DROP TABLE dev.tasks;

CREATE TABLE dev.tasks (
  id bigint PRIMARY KEY,
  user_id bigint,
  state text NOT NULL DEFAULT 'open',
  title text NOT NULL,
  changed_at timestamptz
);
CREATE INDEX tasks_user_id_idx ON dev.tasks (user_id);
CREATE TRIGGER tasks_changed_at BEFORE INSERT OR UPDATE ON dev.tasks FOR EACH ROW EXECUTE FUNCTION dev.set_changed_at();

-- Otherwise every task looks as if it had changed just now. Nothing enables it again.
ALTER TABLE dev.tasks DISABLE TRIGGER tasks_changed_at;
INSERT INTO dev.tasks (id, user_id, title, state, changed_at) SELECT id, user_id, title, state, changed_at FROM tasks_kept;

DROP TABLE dev.task_states;

COMMIT;
