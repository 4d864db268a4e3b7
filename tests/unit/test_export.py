"""The watch console's picture in a file: JSON that is whole, CSV that computes nothing, a file that overwrites none."""

import csv
import io
import json
import os
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tui.engine import export
from tui.engine.export import ExportFailed, Picture
from tui.engine.facts import Target
from tui.engine.filter import parse
from tui.engine.roster import ORDERS, roster
from tui.engine.sample import LockNode, LockTree, Sample, Source
from tui.postgres.rows import MONITOR, Counters, Lock, Progress, Session

SHOP = Target("db1.example", 5432, "app", "dba", 160014, None, False, 16384)
NIGHT = datetime(2026, 11, 21, 1, 44, 12, tzinfo=UTC)
BUILDING = Progress(5131, "CREATE INDEX", "clients", "building index: scanning table", 12400, 40960, "blocks", None)


def session(
    pid: int, name: str, query: str, state: str = "active", seconds: float | None = 2.0, **more: Any
) -> Session:
    started = datetime(2026, 11, 21, 1, 6, tzinfo=UTC)
    client, kind = "10.0.3.7", "client backend"
    base = Session(pid, None, started, "app", "app", name, client, state, "", "", seconds, seconds, None, kind, query)
    return replace(base, **more)


def node(pid: int, name: str, *children: LockNode, wants: str | None = None) -> LockNode:
    who = session(pid, name, "SELECT * FROM clients")
    return LockNode(pid, who, name, (), wants, 2.0, False, False, False, children)


def tree() -> LockTree:
    queue = (node(5204 + 3 * n, "web", wants="ACCESS SHARE on clients") for n in range(3))
    root = node(4242, "billing_report", node(5131, "us", *queue, wants="ACCESS EXCLUSIVE on clients"))
    return LockTree("billing holds clients", (root,), None, False, None, None, (), 0, None)


def sample(**changes: Any) -> Sample:
    base = Sample(
        at=NIGHT,
        cost=0.004,
        sessions=(
            session(4242, "billing_report", "SELECT * FROM clients", "idle in transaction", 842.0),
            session(5301, "web", "SELECT * FROM agents WHERE id = $1", "idle", None),
            session(5302, "web", "INSERT INTO requests (client_id) VALUES ($1)", "active", 0.1),
        ),
        locks=(),
        our_locks=(),
        progress=(),
        replicas=(),
        counters=Counters(3 * 10**9, 81000, 34, 200, False),
        blocked_sessions=3,
        oldest_wait=2.0,
        wal_rate=3.1e6,
        transaction_rate=212.0,
        replica_lag=None,
        tree=tree(),
        missing=(Source("replication", "no replica", NIGHT),),
    )
    return replace(base, **changes)


def picture(look: Sample, words: str = "", order: str = "transaction", **more: Any) -> Picture:
    wanted = parse(words)
    kept = wanted.kept(look.tree.roots)
    return replace(Picture(look, roster(look, wanted, order), kept, SHOP, words, order), **more)


def lock(pid: int, seconds: float | None, granted: bool = False) -> Lock:
    return Lock(pid, "relation", 1, 2, "t", "", "AccessShareLock", granted, False, seconds, "3/1")


class TestRoster:
    SESSIONS = (
        session(11, "Zebra", "a", "active", 5.0, database="b", state_seconds=1.0, wait_event="x"),
        session(12, "apple", "b", "idle", None, database="C", state_seconds=900.0),
        session(13, "mango", "c", "idle in transaction", 300.0, database="a", state_seconds=2.0),
        session(14, "berry", "d", "active", 5.0, database="a", state_seconds=0.5),
    )

    @pytest.mark.parametrize(
        ("order", "pids"),
        [
            ("transaction", [13, 11, 14, 12]),
            ("wait", [14, 13, 11, 12]),
            ("state", [12, 13, 11, 14]),
            ("pid", [11, 12, 13, 14]),
            ("database", [13, 14, 11, 12]),
            ("application", [12, 14, 13, 11]),
        ],
    )
    def test_orders(self, order: str, pids: list[int]) -> None:
        locks = (lock(14, 7.0), lock(13, 2.0), lock(11, 99.0, granted=True))
        found = roster(sample(sessions=self.SESSIONS, locks=locks), parse(""), order)
        assert [one.pid for one in found.sessions] == pids
        assert found.waits == {14: 7.0, 13: 2.0}
        assert found.hidden == 0

    def test_every_order_is_tried_above(self) -> None:
        orders = TestRoster.test_orders.pytestmark[0].args[1]  # type: ignore[attr-defined]
        assert [order for order, _ in orders] == list(ORDERS)

    def test_parallel_workers_are_counted_with_their_leader_and_wait_as_it(self) -> None:
        worker = session(15, "mango", "c", leader_pid=13, backend_type="parallel worker")
        found = roster(sample(sessions=(*self.SESSIONS, worker), locks=(lock(15, 3.0),)), parse(""), "wait")
        assert [one.pid for one in found.sessions] == [13, 11, 12, 14]
        assert found.workers == {13: 1}
        assert found.waits == {13: 3.0}

    def test_the_servers_own_processes_are_no_sessions_unless_they_wait(self) -> None:
        own: dict[str, Any] = {"user": "", "database": "", "state": ""}
        checkpointer = session(2, "", "", backend_type="checkpointer", **own)
        launcher = replace(checkpointer, pid=4, user="postgres", backend_type="logical replication launcher")
        sender = replace(checkpointer, pid=5, user="replicator", backend_type="walsender")
        startup = session(3, "", "", backend_type="startup", **own)
        found = roster(
            sample(sessions=(checkpointer, launcher, startup, sender), locks=(lock(3, None),)), parse(""), "pid"
        )
        assert [one.pid for one in found.sessions] == [3, 5]
        assert found.waits == {3: 0.0}

    def test_what_the_filter_keeps_back_is_counted(self) -> None:
        found = roster(sample(sessions=self.SESSIONS), parse("db:a"), "pid")
        assert [one.pid for one in found.sessions] == [13, 14]
        assert found.hidden == 2


class TestJson:
    def test_it_is_one_object_with_everything(self) -> None:
        look = sample(progress=(BUILDING,), locks=(lock(5302, 1.5),))
        told = json.loads(export.as_json(picture(look, paused_since=NIGHT + timedelta(seconds=3))))
        assert told["kind"] == "watch"
        assert told["at"] == "2026-11-21T01:44:12+00:00"
        assert told["paused_since"] == "2026-11-21T01:44:15+00:00"
        assert told["target"] == {
            "host": "db1.example",
            "port": 5432,
            "database": "app",
            "user": "dba",
            "server_version": "16.14",
            "in_recovery": False,
        }
        assert told["sentence"] == look.tree.sentence
        (root,) = told["tree"]
        (ours,) = root["children"]
        assert (root["pid"], root["session"]["application_name"]) == (4242, "billing_report")
        assert ours["wants"] == "ACCESS EXCLUSIVE on clients"
        assert [child["pid"] for child in ours["children"]] == [5204, 5207, 5210]
        assert [one["pid"] for one in told["sessions"]] == [4242, 5302, 5301]
        assert told["sessions"][1]["lock_wait_seconds"] == 1.5
        assert told["sessions"][0]["lock_wait_seconds"] is None
        assert told["progress"][0]["command"] == "CREATE INDEX"
        assert told["progress"][0]["pace"] is None
        assert told["gauges"]["blocked_sessions"] == 3
        assert told["gauges"]["wal_rate"] == 3.1e6
        assert told["gauges"]["counters"]["max_connections"] == 200
        assert [(one["name"], one["why"]) for one in told["missing"]] == [("replication", "no replica")]

    def test_who_waits_for_a_session_and_for_a_prepared_transaction(self) -> None:
        waiter = replace(node(5131, "us"), blocked_by=frozenset({4242, "-1/77", 17}))
        look = sample(tree=replace(tree(), roots=(waiter,)))
        assert json.loads(export.as_json(picture(look)))["tree"][0]["blocked_by"] == [17, 4242, "-1/77"]

    def test_what_could_not_be_read_is_null_and_not_nobody(self) -> None:
        quiet = LockTree("nobody waits for a lock", (), None, False, None, None, (), 0, None)
        gone = Source(MONITOR, "connection refused", NIGHT)
        blind = sample(tree=quiet, sessions=(), blocked_sessions=None, missing=(gone,))
        told = json.loads(export.as_json(picture(blind)))
        assert [told[part] for part in ("sentence", "tree", "sessions", "progress")] == [None] * 4
        with pytest.raises(ExportFailed, match="who is connected is not known: connection refused"):
            export.as_csv(picture(blind))
        told = json.loads(export.as_json(picture(sample(tree=quiet, sessions=(), blocked_sessions=0, missing=()))))
        assert (told["sentence"], told["tree"], told["sessions"], told["progress"]) == (quiet.sentence, [], [], [])

    def test_every_figure_of_a_sample_is_in_it(self) -> None:
        """A gauge that is added to the sample must not be forgotten here."""
        told = json.loads(export.as_json(picture(sample())))
        fields = set(Sample.__dataclass_fields__)
        elsewhere = {"at", "sessions", "tree", "progress", "paces", "missing"}
        not_shown = {"locks", "our_locks", "in_the_way", "blocking", "prepared", "looked_at", "written"}
        assert set(told["gauges"]) == fields - elsewhere - not_shown

    def test_a_filter_is_told_with_what_it_hides(self) -> None:
        told = json.loads(export.as_json(picture(sample(), "db:nowhere", "pid")))
        assert told["filter"] == "db:nowhere"
        assert told["order"] == "pid"
        assert told["hidden"] == {"sessions": 3, "trees": 1}
        assert told["sessions"] == []
        assert told["tree"] == []

    def test_what_is_not_known_is_null(self) -> None:
        told = json.loads(export.as_json(picture(sample(counters=None, wal_rate=None), target=None)))
        assert told["target"] is None
        assert told["gauges"]["wal_rate"] is None
        assert told["gauges"]["counters"] is None

    def test_a_chain_that_is_deeper_than_any_encoder_says_what_is_left_out(self) -> None:
        look = sample()
        chain = node(1, "web")
        for pid in range(2, 3000):
            chain = node(pid, "web", chain)
        told = json.loads(export.as_json(replace(picture(look), trees=(chain,))))
        depth, deepest = 0, told["tree"][0]
        while deepest["children"]:
            depth, deepest = depth + 1, deepest["children"][0]
        assert depth == 100
        assert deepest["children_left_out"] == 1


class TestCsv:
    def read(self, *sessions: Session, **more: Any) -> list[dict[str, str]]:
        text = export.as_csv(picture(sample(sessions=sessions), **more))
        assert text.endswith("\r\n")
        return list(csv.DictReader(io.StringIO(text, newline="")))

    def test_the_list_as_it_is_shown(self) -> None:
        rows = self.read(
            session(1, "web", "SELECT 1,\n 2", "active", 1.5),
            session(2, "job", 'SELECT "x"', "idle", None),
            session(3, "web", "x"),
            words="app:web",
            order="pid",
        )
        assert [row["pid"] for row in rows] == ["1", "3"]
        assert rows[0]["query"] == "SELECT 1,\n 2"
        assert rows[0]["transaction_seconds"] == "1.5"
        assert rows[0]["lock_wait_seconds"] == ""
        assert rows[0]["backend_start"] == "2026-11-21T01:06:00+00:00"

    @pytest.mark.parametrize("start", ["=", "+", "-", "@", " =", "\t@"])
    def test_no_cell_is_a_formula(self, start: str) -> None:
        evil = f"{start}cmd|'/c calc'!A1"
        (row,) = self.read(session(1, evil, evil, database=evil, user=evil, client=evil, state=evil))
        for column in ("application", "query", "database", "role", "client", "state"):
            assert row[column] == f"'{evil}"

    def test_a_comment_is_the_usual_case_and_other_text_stays_as_it_is(self) -> None:
        rows = self.read(session(1, "web", "-- who\nSELECT 1"), session(2, "a=b", "SELECT -1 + 2"), order="pid")
        assert rows[0]["query"] == "'-- who\nSELECT 1"
        assert (rows[1]["application"], rows[1]["query"]) == ("a=b", "SELECT -1 + 2")


def test_text_is_the_panes_under_their_titles() -> None:
    assert export.as_text([("HEAD", ["a  ", "b"]), ("", ["c"]), ("LIST", [])]) == "HEAD\na\nb\n\nc\n\nLIST\n\n"


class TestFile:
    def test_its_name_is_the_moment_in_the_operators_own_zone(self) -> None:
        assert export.default_name(datetime(2026, 11, 21, 1, 31, 7, tzinfo=UTC)) == "lockstep-watch-20261121-013107"

    def test_the_suffix_comes_with_the_format(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", "/elsewhere")
        assert export.path_of("night", "json") == Path("night.json")
        assert export.path_of("night.json", "json") == Path("night.json")
        assert export.path_of(" night.json ", "csv") == Path("night.json.csv")
        assert export.path_of("~/night", "text") == Path("/elsewhere/night.txt")

    @pytest.mark.parametrize("name", ["", "  ", "/", "."])
    def test_no_name(self, name: str) -> None:
        with pytest.raises(ExportFailed, match="is no name of a file"):
            export.path_of(name, "csv")

    def test_it_is_for_its_owner_alone(self, tmp_path: Path) -> None:
        before = os.umask(0)
        try:
            export.write(tmp_path / "a.txt", "ä\udcff\n")
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o600
        assert (tmp_path / "a.txt").read_bytes() == "ä?\n".encode()

    def test_nothing_is_overwritten(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_text("mine")
        (tmp_path / "b.txt").symlink_to(tmp_path / "elsewhere")
        for name in ("a.txt", "b.txt"):
            with pytest.raises(ExportFailed, match="is there already and stays as it is"):
                export.write(tmp_path / name, "other")
        assert (tmp_path / "a.txt").read_text() == "mine"
        assert not (tmp_path / "elsewhere").exists()

    def test_why_it_cannot_be_written(self, tmp_path: Path) -> None:
        with pytest.raises(ExportFailed, match=r"cannot write .*/nowhere/a\.txt: No such file or directory"):
            export.write(tmp_path / "nowhere" / "a.txt", "x")

    def test_a_full_disk_leaves_nothing_behind(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(ExportFailed, match="No space left on device; nothing of it is left"):
            export.write(tmp_path / "a.txt", "x")
        assert list(tmp_path.iterdir()) == []
