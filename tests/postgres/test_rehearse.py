"""``lockstep rehearse`` as it is typed: the guides' rollbacks, the shipped runbook, exit codes and --json."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import INSTALLATIONS
from forks import run
from runbooks import execute, one, rows, write

from tui.engine.proofs import newest

GUIDES = Path(__file__).resolve().parents[1] / "guides"
MAJORS = sorted({one.major for one in INSTALLATIONS.values() if one.source == "wheel"})


def rehearse(*arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    return run("rehearse", *arguments, stdin=stdin, timeout=240)


def objects(stdout: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stdout.splitlines()]


def ways(found: dict[str, Any]) -> dict[tuple[str, str | None], dict[str, Any]]:
    return {(way["after"], way["to"]): way for way in found["ways_back"]}


def test_the_guides_rollback_of_001_fails_and_is_told() -> None:
    done = rehearse(str(GUIDES / "momentum-as-written"), "--json")
    assert done.returncode == 1, done.stderr
    found = objects(done.stdout)[-1]
    assert found["kind"] == "rehearsal"
    assert [(step["id"], step["state"], step["rollback"]) for step in found["steps"]] == [
        ("001", "applied", "failed"),
        ("002", "applied", "proven"),
        ("003", "applied", "proven"),
    ]
    told = ways(found)
    # By themselves 002 and 003 are undone as they should be: it is 001 that stands in the way of all.
    assert {key: way["verdict"] for key, way in told.items()} == {
        ("001", None): "failed",
        ("002", "001"): "proven",
        ("002", None): "failed",
        ("003", "002"): "proven",
        ("003", None): "failed",
    }
    error = told["001", None]["error"]
    assert error.startswith(
        "rollback/001_initial_schema.sql:2: DROP TABLE: "
        "cannot drop table organization_members because other objects depend on it"
    )
    assert "policy Admins can update organization on table organizations depends on" in error


def test_the_guides_rollback_of_004_fails_and_is_told() -> None:
    done = rehearse(str(GUIDES / "email-providers-as-written"))
    assert done.returncode == 1
    assert "after 003 → the start by whole" in done.stdout
    assert (
        "✗ rollback/rollback.sql:2: DROP TABLE: cannot drop table dripiq_app.email_provider_configs because other "
        "objects depend on it; constraint email_sender_identities_provider_config_id_fkey" in done.stdout
    )
    assert done.stdout.endswith("not proven\n")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["momentum-corrected", "email-providers-corrected"])
def test_a_corrected_rollback_is_proven(name: str) -> None:
    done = rehearse(str(GUIDES / name), "--json")
    assert done.returncode == 0, done.stdout[-2000:]
    found = objects(done.stdout)[-1]
    assert found["ok"] is True
    assert {step["rollback"] for step in found["steps"]} == {"proven"}
    assert not any(way["again"] for way in found["ways_back"])


LOST = """\
- comment on column dev.tasks.state is gone
- comment on table dev.tasks is gone
- constraint tasks_user_id_fkey on dev.tasks is gone
- grant INSERT on dev.tasks to tasks_app is gone
- grant SELECT on dev.tasks to tasks_app is gone
- grant SELECT on dev.tasks to tasks_report with grant option is gone
- grant UPDATE on column dev.tasks.state to tasks_app is gone
~ column dev.tasks.state: statistics target was 500, is the default
~ trigger tasks_changed_at on dev.tasks is disabled (was enabled)
~ columns of dev.tasks stand in another order"""


def test_what_a_rollback_loses_silently_is_named_object_by_object() -> None:
    done = rehearse(str(GUIDES / "lossy"))
    assert done.returncode == 1
    told = [line.strip() for line in done.stdout.splitlines() if line.startswith("      ")]
    assert len(told) == len(LOST.splitlines())
    for line, wanted in zip(told, LOST.splitlines(), strict=True):
        assert line.startswith(wanted)


@pytest.mark.parametrize("major", MAJORS)
def test_the_shipped_runbook_is_proven_from_every_stop_point(major: int) -> None:
    done = rehearse("iso-agents-to-users", "--server", str(major), "--scale", "0.02", "--json")
    assert done.returncode == 0, done.stderr[-2000:]
    *events, found = objects(done.stdout)
    assert found["server"] // 10000 == major
    assert [(way["after"], way["to"], way["scripts"], way["verdict"]) for way in found["ways_back"]] == [
        ("004", None, ["004"], "proven"),
        ("005", "004", ["005"], "proven"),
        ("005", None, ["005", "004"], "proven"),
        ("006", "005", ["006"], "proven"),
        ("006", None, ["006", "005", "004"], "proven"),
        ("007", "006", ["007"], "proven"),
        ("007", None, ["008"], "proven"),
    ]
    first = found["steps"][0]
    assert {"relation": "iso_agents", "mode": "ACCESS EXCLUSIVE"} in first["locks"]
    assert first["rewrites"] == ["iso_agents"]
    assert first["scans"] == ["iso_agents"]
    assert first["forward_seconds"] > 0
    assert first["rollback_seconds"] > 0
    assert first["differences"] == []
    assert [event["way"]["verdict"] for event in events if event["kind"] == "way_back_tried"] == ["proven"] * 7

    kept = newest("iso-agents-to-users")
    assert kept is not None
    assert kept.ok
    assert [step.step for step in kept.steps] == ["004", "005", "006", "007"]


def test_what_is_asked_for_and_cannot_be(tmp_path: Path) -> None:
    book = str(write(tmp_path / "small", {"1": "SELECT 1;"}, {"1": "SELECT 1;"}))
    bare = rehearse(book)
    assert bare.returncode == 2
    assert bare.stderr.splitlines()[-1].startswith("lockstep: small has no fixture: no SQL file in ")
    both = rehearse(book, "--fixture", "--like", "dbname=app")
    assert both.returncode == 2
    assert "choose one" in both.stderr
    neither = rehearse(book, "-d", "dbname=app")
    assert neither.returncode == 2
    assert "--clone" in neither.stderr
    for place in (["-d", "dbname=app", "--clone", "--server", "18"], ["--like", "dbname=app", "--scale", "2"]):
        pointless = rehearse(book, *place)
        assert pointless.returncode == 2
        assert "leave" in pointless.stderr
    nobody = rehearse(book, "-d", f"host={tmp_path} dbname=app", "--clone")
    assert nobody.returncode == 3
    version = rehearse("iso-agents-to-users", "--server", "9")
    assert version.returncode == 2
    assert "there is no PostgreSQL 9 on this machine" in version.stderr


# On a copy of a database, and on its schema

SMALL = {"1": "ALTER TABLE users ADD COLUMN phone text;"}
SMALL_BACK = {"1": "ALTER TABLE users DROP COLUMN phone;"}
CLONES = "SELECT count(*) FROM pg_database WHERE datname LIKE 'lockstep_rehearsal_%'"


@pytest.fixture
def users(database: str) -> str:
    execute(database, "CREATE TABLE users (id int PRIMARY KEY, name text)", "INSERT INTO users VALUES (1, 'one')")
    return database


def test_a_clone_is_rehearsed_on_and_gone_afterwards(tmp_path: Path, users: str) -> None:
    book = str(write(tmp_path / "small", SMALL, SMALL_BACK))
    done = rehearse(book, "-d", users, "--clone")
    assert done.returncode == 0, done.stderr
    assert "rehearsed on a clone of test_" in done.stdout
    assert done.stdout.endswith("all proven\n")
    assert one(users, CLONES) == 0
    assert rows(users, "SELECT attname::text FROM pg_attribute WHERE attrelid = 'users'::regclass AND attnum > 0") == [
        ("id",),
        ("name",),
    ]
    assert one(users, "SELECT count(*) FROM pg_namespace WHERE nspname = 'lockstep'") == 0


def test_a_copy_of_production_wants_its_name_typed(tmp_path: Path, users: str) -> None:
    book = str(write(tmp_path / "small", SMALL, SMALL_BACK, head="production = true"))
    refused = rehearse(book, "-d", users, "--clone")
    assert refused.returncode == 2
    assert "PRODUCTION: a copy of test_" in refused.stderr
    assert "that is not the database's name; nothing was done" in refused.stderr
    wrong = rehearse(book, "-d", users, "--clone", stdin="yes\n")
    assert wrong.returncode == 2
    name = str(one(users, "SELECT current_database()"))
    typed = rehearse(book, "-d", users, "--clone", stdin=f"{name}\n")
    assert typed.returncode == 0, typed.stderr


def test_what_a_copy_takes_is_told_before_it_is_made(tmp_path: Path, users: str) -> None:
    done = rehearse(str(write(tmp_path / "small", SMALL, SMALL_BACK)), "-d", users, "--clone")
    assert done.returncode == 0, done.stderr
    told, _, later = done.stderr.partition("copies test_")
    assert later
    assert "needs twice " in told
    assert "a full disk stops it; every new connection to test_" in told


def test_what_reaches_outside_of_a_copy_is_refused_before_it_is_asked_for(tmp_path: Path, users: str) -> None:
    book = write(
        tmp_path / "small", {"1": "SELECT 1;\nALTER SYSTEM SET work_mem = '5MB';"}, keys={"1": "transaction = false"}
    )
    refused = rehearse(str(book), "-d", users, "--clone")
    assert refused.returncode == 2
    assert "steps/1.sql:2: ALTER SYSTEM: that belongs to the whole server" in refused.stderr
    assert "Rehearse with --like or --fixture" in refused.stderr
    assert "make a copy" not in refused.stderr


def test_a_schema_is_rehearsed_on_elsewhere(tmp_path: Path, users: str) -> None:
    done = rehearse(str(write(tmp_path / "small", SMALL, SMALL_BACK)), "--like", users, "--json")
    assert done.returncode == 0, done.stderr
    found = objects(done.stdout)[-1]
    assert found["place"] == "like"
    assert found["steps"][0]["locks"] == [{"relation": "users", "mode": "ACCESS EXCLUSIVE"}]
    assert one(users, "SELECT count(*) FROM users") == 1
    assert one(users, "SELECT count(*) FROM pg_namespace WHERE nspname = 'lockstep'") == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_clone_outlives_no_end_of_its_rehearsal(number: signal.Signals, tmp_path: Path, users: str) -> None:
    book = str(write(tmp_path / "slow", {"1": "SELECT pg_sleep(60);"}, {"1": "SELECT 1;"}))
    command = [sys.executable, "-m", "tui", "rehearse", book, "-d", users, "--clone", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if b'"statement_started"' in line:
                break
        assert one(users, CLONES) != 0
        process.send_signal(number)
        code = process.wait(30)
    if number is signal.SIGKILL:
        # Nobody was left to take it away: the next rehearsal on this server does.
        after = rehearse(str(write(tmp_path / "small", SMALL, SMALL_BACK)), "-d", users, "--clone")
        assert after.returncode == 0, after.stderr
    else:
        assert code == 128 + number
    assert one(users, CLONES) == 0
