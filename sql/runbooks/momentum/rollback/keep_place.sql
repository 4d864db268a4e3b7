-- To be run before the night: where going back puts aside what the new application wrote. Made beforehand it is part of what
-- was there before, and the comparison after the way back finds nothing new. Nobody of the API may read it.
CREATE SCHEMA IF NOT EXISTS momentum_kept;
CREATE TABLE IF NOT EXISTS momentum_kept.rows (
  source text NOT NULL,
  kept_at timestamptz NOT NULL DEFAULT now(),
  row jsonb NOT NULL
);
