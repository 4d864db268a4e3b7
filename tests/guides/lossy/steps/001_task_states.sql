BEGIN;
CREATE TABLE dev.task_states (name text PRIMARY KEY);
INSERT INTO dev.task_states (name) VALUES ('open'), ('done'), ('dropped');
ALTER TABLE dev.tasks ADD CONSTRAINT tasks_state_fkey FOREIGN KEY (state) REFERENCES dev.task_states (name);
COMMIT;
