-- The ledger lies in the database that it speaks of, so that a step and its row are committed together or not at all.
CREATE SCHEMA IF NOT EXISTS lockstep;

COMMENT ON SCHEMA lockstep IS 'Lockstep''s ledger: which migration scripts are committed in this database';

-- One row an act, never changed: the newest row of a step tells where it stands.
-- statement: null, the whole script is committed; otherwise, in a script that runs outside a transaction,
-- the number of the last statement that is done (0: begun).
CREATE TABLE IF NOT EXISTS lockstep.act (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run            text NOT NULL,
    runbook        text NOT NULL,
    step           text NOT NULL,
    direction      text NOT NULL CHECK (direction IN ('forward', 'back')),
    script         text NOT NULL,
    statement      integer,
    sha256         text NOT NULL,
    operator       text NOT NULL,
    client         text NOT NULL,
    seconds        double precision NOT NULL,
    transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
    recorded_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX IF NOT EXISTS act_runbook_step_id_idx ON lockstep.act (runbook, step, id);
