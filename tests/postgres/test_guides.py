"""Two guides' own ways back, as written and corrected, and one that loses silently, by psql and pg_dump alone."""

import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import ndiff
from filecmp import cmp
from pathlib import Path

import pytest
from runbooks import opened

from tui.engine.fixture import load as load_fixture
from tui.postgres.embedded import EmbeddedServer
from tui.postgres.session import Dsn
from tui.runbook.load import load
from tui.runbook.model import Runbook

GUIDES = Path(__file__).resolve().parents[1] / "guides"
RUNBOOKS = sorted(path.parent.name for path in GUIDES.glob("*/runbook.toml"))
CORRECTED = [name for name in RUNBOOKS if name.endswith("-corrected")]
MANY_ERRORS = ("-v", "ON_ERROR_STOP=0")
ONE_TRANSACTION = ("--single-transaction",)

Psql = Callable[..., str]
PgDump = Callable[..., str]

ROWS = """
SELECT string_agg(format('SELECT %L, to_jsonb(t)::text FROM %s AS t', oid::regclass, oid::regclass), ' UNION ALL ')
FROM pg_class WHERE relkind = 'r' AND relnamespace::regnamespace::text !~ '^(pg_|information_schema$)'
"""
GUARD = """
CREATE FUNCTION storage.protect_delete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF coalesce(current_setting('storage.allow_delete_query', true), 'false') <> 'true' THEN
    RAISE EXCEPTION 'Direct deletion from storage tables is not allowed. Use the Storage API instead.'
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END
$$;
CREATE TRIGGER protect_buckets_delete BEFORE DELETE ON storage.buckets
  FOR EACH STATEMENT EXECUTE FUNCTION storage.protect_delete();
CREATE TRIGGER protect_objects_delete BEFORE DELETE ON storage.objects
  FOR EACH STATEMENT EXECUTE FUNCTION storage.protect_delete();
"""


@dataclass(frozen=True)
class State:
    """What pg_dump sees of the schema, and every row of every table, whatever the order of its columns."""

    schema: str
    rows: tuple[str, ...]


class Ground:
    """A database before one of the runbooks, and psql on it."""

    def __init__(self, dsn: str, name: str, psql: Psql, pg_dump: PgDump) -> None:
        self.root = GUIDES / name
        self.dsn = dsn
        self.book = sound(self.root)
        self._psql = psql
        self._pg_dump = pg_dump
        for path in sorted((self.root / "fixture").glob("*.sql")):
            psql(dsn, path)

    def sql(self, script: str, *arguments: str) -> str:
        return self._psql(self.dsn, script, *arguments)

    def file(self, name: str, *arguments: str) -> None:
        self._psql(self.dsn, self.root / name, *arguments)

    def forward(self, last: str = "003", first: str = "001") -> None:
        """Applies the steps from the first to the last one, each in a transaction, as Lockstep does."""
        for step in self.book.steps:
            if first <= step.id <= last:
                self.file(step.sql.name, *transaction(step.sql.text))

    def back(self, *steps: str) -> None:
        """Takes these steps back in this order, each by its own way back."""
        for step in steps:
            script = self.book.step(step).rollback
            assert script is not None
            self.file(script.name, *transaction(script.text))

    def turn_to(self, name: str) -> None:
        """The same database, from now on with this runbook's files."""
        self.root = GUIDES / name
        self.book = sound(self.root)

    def refused(self, name: str) -> list[str]:
        """What the server says when this file does not get through, from its ERROR on; and that nothing changed."""
        before = self.state()
        with pytest.raises(subprocess.CalledProcessError) as caught:
            self.file(name, *transaction((self.root / name).read_text("utf-8")))
        assert self.state() == before
        return told(caught.value.stderr)

    def state(self) -> State:
        rows = self.sql(self.sql(ROWS))
        return State(self._pg_dump(self.dsn, "--schema-only"), tuple(sorted(rows.split("\n"))))

    def tables(self) -> list[str]:
        query = "SELECT tablename FROM pg_tables WHERE schemaname IN ('public', 'dripiq_app') ORDER BY 1"
        return self.sql(query).split()


@pytest.fixture
def ground(database_each: str, psql: Psql, pg_dump: PgDump) -> Callable[[str], Ground]:
    """Makes the database before the runbook of this name, on every server in turn."""
    return lambda name: Ground(database_each, name, psql, pg_dump)


@pytest.fixture
def second(server18: EmbeddedServer) -> Iterator[str]:
    """The DSN of another empty database on the newest server."""
    yield server18.create_database("second")
    server18.drop_database("second")


def sound(root: Path) -> Runbook:
    loaded = load(root)
    assert loaded.runbook is not None, loaded.findings
    return loaded.runbook


def transaction(script: str) -> Sequence[str]:
    """What makes psql run the script in one transaction; nothing where it begins one itself."""
    return () if "BEGIN;" in script.splitlines() else ONE_TRANSACTION


def told(stderr: str) -> list[str]:
    """psql's messages without the notices, and without the directory of the file."""
    lines = [line for line in stderr.splitlines() if "NOTICE:" not in line and not line.startswith("HINT:")]
    return [line.removeprefix("psql:").rpartition("/")[2] if line.startswith("psql:") else line for line in lines]


def changes(before: str, after: str) -> list[str]:
    """The lines of a dump that went and came, without blank lines and comments."""
    return [
        line
        for line in ndiff(before.splitlines(), after.splitlines())
        if line.startswith(("-", "+")) and line[2:] and not line[2:].startswith("--")
    ]


class TestFiles:
    @pytest.mark.parametrize("name", RUNBOOKS)
    def test_it_is_sound(self, name: str) -> None:
        findings = load(GUIDES / name).findings
        assert [finding for finding in findings if finding.severity == "error"] == []

    @pytest.mark.parametrize("name", CORRECTED)
    def test_only_the_way_back_differs(self, name: str) -> None:
        ours, theirs = GUIDES / name, GUIDES / name.replace("-corrected", "-as-written")
        files = [path.relative_to(ours) for part in ("fixture", "steps") for path in sorted((ours / part).iterdir())]
        assert files
        assert all(cmp(ours / path, theirs / path, shallow=False) for path in files)
        assert len(files) == sum(1 for part in ("fixture", "steps") for _ in (theirs / part).iterdir())

    @pytest.mark.parametrize("name", RUNBOOKS)
    async def test_the_loader_makes_what_psql_makes(
        self, name: str, database: str, second: str, psql: Psql, pg_dump: PgDump
    ) -> None:
        await load_fixture(Dsn(second), GUIDES / name, 1, lambda done, of, file: None)
        by_psql = Ground(database, name, psql, pg_dump)
        assert pg_dump(second, "--schema-only") == by_psql.state().schema

    @pytest.mark.parametrize("name", RUNBOOKS)
    async def test_forward_everything_is_green(self, name: str, database: str) -> None:
        await load_fixture(Dsn(database), GUIDES / name, 1, lambda done, of, file: None)
        async with opened(GUIDES / name, database) as live:
            assert await live.to_end() == 0


class TestCorrected:
    @pytest.mark.parametrize("name", CORRECTED)
    def test_back_from_every_stop_point_and_forward_again(self, name: str, ground: Callable[[str], Ground]) -> None:
        here = ground(name)
        states = [here.state()]
        for step in here.book.steps:
            here.forward(step.id, first=step.id)
            states.append(here.state())
            assert states[-1] != states[-2]
        for number in reversed(range(len(here.book.steps))):
            here.back(here.book.steps[number].id)
            assert here.state() == states[number]
        here.forward()
        again = here.state()
        assert again.schema == states[-1].schema
        # The second time gives new ids and new times: only how many rows there are can be the same.
        assert len(again.rows) == len(states[-1].rows)

    def test_the_whole_way_back_in_one(self, ground: Callable[[str], Ground]) -> None:
        here = ground("email-providers-corrected")
        before = here.state()
        (whole,) = here.book.rollbacks
        for _ in range(2):
            here.forward()
            here.file(whole.sql.name)
            assert here.state() == before


class TestMomentum:
    FIRST = "rollback/001_initial_schema.sql"
    THIRD = "rollback/003_storage_buckets.sql"

    def test_as_written_the_first_step_stays(self, ground: Callable[[str], Ground]) -> None:
        here = ground("momentum-as-written")
        here.forward("001")
        first = here.state()
        here.forward("002", first="002")
        second = here.state()
        here.forward("003", first="003")
        here.back("003")
        assert here.state() == second
        here.back("002")
        assert here.state() == first
        assert here.refused(self.FIRST) == [
            "001_initial_schema.sql:2: ERROR:  "
            "cannot drop table organization_members because other objects depend on it",
            "DETAIL:  policy Members can view organization on table organizations "
            "depends on table organization_members",
            "policy Admins can update organization on table organizations depends on table organization_members",
        ]

    def test_as_written_without_a_transaction_half_of_it_stays(self, ground: Callable[[str], Ground]) -> None:
        here = ground("momentum-as-written")
        here.forward("001")
        here.file(self.FIRST, *MANY_ERRORS)
        assert here.tables() == ["organization_members", "organizations", "profiles"]

    def test_a_file_that_was_uploaded_since(self, ground: Callable[[str], Ground]) -> None:
        here = ground("momentum-as-written")
        before = here.state()
        here.forward()
        here.sql("INSERT INTO storage.objects (bucket_id, name) VALUES ('logos', 'a.svg'), ('private', 'b/c.pdf')")
        assert here.refused(self.THIRD) == [
            '003_storage_buckets.sql:6: ERROR:  update or delete on table "buckets" '
            'violates foreign key constraint "objects_bucketId_fkey" on table "objects"',
            'DETAIL:  Key (id)=(logos) is still referenced from table "objects".',
        ]
        here.turn_to("momentum-corrected")
        here.back("003", "002", "001")
        assert here.state() == before

    def test_a_storage_that_guards_its_rows(self, ground: Callable[[str], Ground]) -> None:
        here = ground("momentum-as-written")
        here.sql(GUARD)
        before = here.state()
        here.forward()
        assert here.refused(self.THIRD)[0] == (
            "003_storage_buckets.sql:6: ERROR:  "
            "Direct deletion from storage tables is not allowed. Use the Storage API instead."
        )
        here.turn_to("momentum-corrected")
        here.back("003", "002", "001")
        assert here.state() == before


class TestEmailProviders:
    BACK = "rollback/rollback.sql"

    def test_as_written_it_fails(self, ground: Callable[[str], Ground]) -> None:
        here = ground("email-providers-as-written")
        here.forward()
        assert here.refused(self.BACK) == [
            "rollback.sql:2: ERROR:  "
            "cannot drop table dripiq_app.email_provider_configs because other objects depend on it",
            "DETAIL:  constraint email_sender_identities_provider_config_id_fkey on table "
            "dripiq_app.email_sender_identities depends on table dripiq_app.email_provider_configs",
        ]

    def test_as_written_without_a_transaction_a_second_time_gets_through_and_loses(
        self, ground: Callable[[str], Ground]
    ) -> None:
        here = ground("email-providers-as-written")
        before = here.state()
        here.forward()
        here.file(self.BACK, *MANY_ERRORS)
        assert here.tables() == ["email_provider_configs", "email_sender_identities", "tenants"]
        here.file(self.BACK)
        after = here.state()
        assert after.rows == before.rows
        assert changes(before.schema, after.schema) == [
            "-     sendgrid_sender_id text NOT NULL,",
            "+     sendgrid_sender_id text,",
        ]

    def test_senders_of_the_new_kind_are_not_passed_over(self, ground: Callable[[str], Ground]) -> None:
        here = ground("email-providers-corrected")
        here.forward()
        here.sql(
            "INSERT INTO dripiq_app.email_sender_identities (tenant_id, from_email) VALUES ('tenant3', 'x@example.org')"
        )
        for name in (self.BACK, "rollback/002.sql"):
            (message,) = here.refused(name)
            assert message.endswith(
                'column "sendgrid_sender_id" of relation "email_sender_identities" contains null values'
            )


SILENT = [
    "+     state text DEFAULT 'open'::text NOT NULL,",
    "-     state text DEFAULT 'open'::text NOT NULL,",
    "- ALTER TABLE ONLY dev.tasks ALTER COLUMN state SET STATISTICS 500;",
    "- COMMENT ON TABLE dev.tasks IS 'What is to be done, and by whom';",
    "- COMMENT ON COLUMN dev.tasks.state IS 'open, done or dropped';",
    "+ ALTER TABLE dev.tasks DISABLE TRIGGER tasks_changed_at;",
    "- ALTER TABLE ONLY dev.tasks",
    "-     ADD CONSTRAINT tasks_user_id_fkey FOREIGN KEY (user_id) REFERENCES dev.users(id) ON DELETE SET NULL;",
    "- GRANT SELECT,INSERT ON TABLE dev.tasks TO tasks_app;",
    "- GRANT SELECT ON TABLE dev.tasks TO tasks_report WITH GRANT OPTION;",
    "- GRANT UPDATE(state) ON TABLE dev.tasks TO tasks_app;",
]
"""What pg_dump no longer says after the way back of ``lossy``, and what it says instead."""


def test_the_silent_losses(ground: Callable[[str], Ground]) -> None:
    here = ground("lossy")
    before = here.state()
    here.forward()
    here.back("001")
    after = here.state()
    assert after.rows == before.rows
    assert changes(before.schema, after.schema) == SILENT
