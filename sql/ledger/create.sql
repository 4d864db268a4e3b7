-- The ledger lies in the database that it speaks of, so that a step and its row are committed together or not at all.
CREATE SCHEMA IF NOT EXISTS lockstep;

COMMENT ON SCHEMA lockstep IS 'Lockstep''s ledger: which migration scripts are committed in this database';

-- One row an act, never changed: the newest row of a step tells where it stands.
-- statement: null, the whole script is committed; otherwise how far a script came that is not one transaction:
-- the number of its last statement, or of the last chunk of a batch, that is done (0: none yet). With begun, that
-- statement was about to be sent, and nobody has written yet how it ended.
-- rows, after: how many rows a batch has done and the key of the last one of this pass.
-- note: why a human settled the step by hand (script is then 'settle').
CREATE TABLE IF NOT EXISTS lockstep.act (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run             text NOT NULL,
    runbook         text NOT NULL,
    step            text NOT NULL,
    direction       text NOT NULL CHECK (direction IN ('forward', 'back')),
    script          text NOT NULL,
    statement       integer,
    begun           boolean NOT NULL DEFAULT false,
    rows            bigint,
    after           text[],
    sha256          text NOT NULL,
    meaning         text NOT NULL,
    runbook_sha256  text NOT NULL,
    runbook_meaning text NOT NULL,
    operator        text NOT NULL,
    client          text NOT NULL,
    seconds         double precision NOT NULL,
    note            text NOT NULL DEFAULT '',
    transaction_id  xid8 NOT NULL DEFAULT pg_current_xact_id(),
    recorded_at     timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- What a colleague on another machine must know besides: ticks, window, baselines, verdicts, as the events that told them.
CREATE TABLE IF NOT EXISTS lockstep.event (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run     text NOT NULL,
    runbook text NOT NULL,
    at      timestamptz NOT NULL,
    event   json NOT NULL
);

-- What the database was like before a run's first step, as the text of its fingerprint.
CREATE TABLE IF NOT EXISTS lockstep.fingerprint (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run      text NOT NULL,
    runbook  text NOT NULL,
    taken_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    body     text NOT NULL
);

CREATE INDEX IF NOT EXISTS event_runbook_id_idx ON lockstep.event (runbook, id);

CREATE INDEX IF NOT EXISTS act_runbook_step_id_idx ON lockstep.act (runbook, step, id);
