-- To be run before the window: the place where a way back puts rows that the new application has written. Nobody but its
-- owner may look into it, because tokens of integrations may be among them.
BEGIN;
CREATE SCHEMA openinfo_kept;
CREATE TABLE openinfo_kept.rows (
  name text NOT NULL,
  id uuid NOT NULL,
  content jsonb NOT NULL,
  PRIMARY KEY (name, id)
);
COMMENT ON TABLE openinfo_kept.rows IS 'Rows of tables that a way back of the OpenInfo migration has dropped';
COMMIT;
