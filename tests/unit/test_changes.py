"""Files that changed after they were applied: which, since when, by how much; and what is no change."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from runbook_files import FILES, TOML, write

from tui.engine.changes import changes, words
from tui.engine.facts import Change, LedgerStep, Position
from tui.runbook.load import load_or_refuse
from tui.runbook.meaning import meaning, runbook_meaning
from tui.runbook.model import Runbook

SCRIPTS = {name: text for name, text in FILES.items() if isinstance(text, str)}
AT = datetime(2026, 11, 20, 1, 31, 7, tzinfo=UTC)
Book = Callable[..., Runbook]


@pytest.fixture
def book(tmp_path: Path) -> Book:
    """Writes the sound runbook with these files changed, and reads it."""

    def made(**files: str) -> Runbook:
        named = {
            name.replace("__", "/").replace("_sql", ".sql").replace("_toml", ".toml"): t for name, t in files.items()
        }
        return load_or_refuse(write(tmp_path / "accounts", named))[0]

    return made


def row(runbook: Runbook, step: str, **fields: object) -> LedgerStep:
    """The row that applying the step wrote."""
    script = runbook.step(step).sql
    plain = LedgerStep(
        step,
        True,
        AT,
        "dba1",
        1.5,
        script.sha256,
        script=step,
        meaning=meaning(script),
        runbook_sha256=runbook.toml_sha256,
        runbook_meaning=runbook_meaning(runbook),
    )
    return replace(plain, **fields)  # type: ignore[arg-type]


def back(runbook: Runbook, script: str, step: str, **fields: object) -> LedgerStep:
    """The row of a way back that was begun."""
    rollbacks = {r.id: r.sql for r in runbook.rollbacks}
    sql = rollbacks.get(script) or runbook.step(step).rollback
    assert sql is not None
    told: dict[str, object] = {"applied": False, "undoing": True, "script": script, "sha256": sql.sha256}
    return row(runbook, step, **(told | {"meaning": meaning(sql), "completed": 1} | fields))


def all_of(runbook: Runbook) -> list[LedgerStep]:
    return [row(runbook, step.id) for step in runbook.steps]


def test_nothing_changed(book: Book) -> None:
    runbook = book()
    assert changes(runbook, all_of(runbook)) == ()
    assert changes(runbook, []) == ()
    assert changes(book(), reversed(all_of(runbook))) == ()


def test_a_script_by_comments_alone(book: Book) -> None:
    before = book()
    after = book(steps__005_sql="-- renames\nALTER  TABLE accounts\n  RENAME TO users;\n")
    (change,) = changes(after, all_of(before))
    then, now = before.step("005").sql.sha256, after.step("005").sql.sha256
    assert change == Change("steps/005.sql", "005", "comments", then, now, AT)
    assert words(change) == (
        "steps/005.sql changed after 005 was applied (2026-11-20 01:31 UTC): comments and white space alone; "
        f"sha256 {then[:12]} then, {now[:12]} now"
    )


def test_a_script_by_more(book: Book) -> None:
    before = book()
    after = book(steps__005_sql="ALTER TABLE accounts RENAME TO Users;\n")
    (change,) = changes(after, all_of(before))
    assert change.kind == "more"
    assert ": more than comments and white space; sha256 " in words(change)


def test_every_changed_file_in_the_runbooks_order_and_the_runbook_last(book: Book) -> None:
    before = book()
    toml = TOML.replace('title = "Rename"', 'title = "Rename it"')
    after = book(steps__006_sql="VACUUM;", steps__004_sql=f"{SCRIPTS['steps/004.sql']}-- x", runbook_toml=toml)
    found = changes(after, reversed(all_of(before)))
    assert [(c.file, c.step, c.kind) for c in found] == [
        ("steps/004.sql", "004", "comments"),
        ("steps/006.sql", "006", "more"),
        ("runbook.toml", "", "more"),
    ]
    assert words(found[2]) == (
        "runbook.toml changed after the last step was applied (2026-11-20 01:31 UTC): more than comments and white "
        f"space; sha256 {before.toml_sha256[:12]} then, {after.toml_sha256[:12]} now"
    )


def test_what_an_inclusion_holds_belongs_to_the_script(book: Book) -> None:
    ours = {"steps__005_sql": "\\ir parts/a.sql\n"}
    before = book(steps__parts__a_sql="ALTER TABLE accounts RENAME TO users;", **ours)
    after = book(steps__parts__a_sql="ALTER TABLE accounts RENAME TO users; -- x", **ours)
    assert [(c.file, c.kind) for c in changes(after, all_of(before))] == [("steps/005.sql", "comments")]


def test_the_runbook_is_compared_with_the_newest_row(book: Book) -> None:
    before = book()
    after = book(runbook_toml=f"{TOML}\n# seen by dba2\n")
    old, new = row(before, "004"), row(after, "005", at=AT + timedelta(minutes=5))
    assert changes(after, [new, old]) == ()
    (change,) = changes(before, [old, new])
    assert (change.file, change.kind, change.applied_at) == ("runbook.toml", "comments", new.at)
    # Rolled back since: what counts is what stands.
    gone = replace(new, applied=False)
    assert changes(before, [old, gone]) == ()


def test_rolled_back_and_settled_steps_may_change(book: Book) -> None:
    before = book()
    after = book(steps__005_sql="SELECT 1;", runbook_toml=f"{TOML}# x")
    assert changes(after, [row(before, "005", applied=False)]) == ()
    assert changes(after, [row(before, "005", applied=False, settled=True, script="settle")]) == ()


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"completed": 1}, True),
        ({"completed": 0, "begun": 1}, True),
        ({"completed": 0}, False),
        ({"completed": 3, "position": Position(3000, ("17",))}, True),
        ({"completed": 0, "position": Position(0, None)}, False),
    ],
)
def test_a_script_that_was_begun(book: Book, fields: dict[str, object], told: bool) -> None:
    before = book()
    after = book(steps__006_sql=f"{SCRIPTS['steps/006.sql']}\n-- x\n")
    found = changes(after, [row(before, "006", applied=False, **fields)])
    assert [(c.file, c.kind, c.partly) for c in found] == [("steps/006.sql", "comments", True)] * told
    for change in found:
        assert "steps/006.sql changed after it was begun for step 006 (2026-11-20 01:31 UTC): " in words(change)


def test_a_way_back_that_was_begun(book: Book) -> None:
    before = book()
    after = book(steps__006_sql="VACUUM;", rollback__006_sql="DROP INDEX users_role;\n")
    assert changes(before, [back(before, "006", "006")]) == ()
    (change,) = changes(after, [back(before, "006", "006")])
    assert (change.file, change.step, change.kind, change.partly) == ("rollback/006.sql", "006", "more", True)


def test_a_shared_way_back_that_was_begun(book: Book) -> None:
    before = book()
    name = "008"
    undone = next(r.undoes for r in before.rollbacks if r.id == name)
    begun = [back(before, name, step) for step in undone]
    assert changes(before, begun) == ()
    after = book(rollback__008_sql=f"{SCRIPTS['rollback/008.sql']}-- x")
    assert len(begun) > 1
    assert [(c.file, c.kind) for c in changes(after, begun)] == [("rollback/008.sql", "comments")]


def test_a_row_that_knows_less(book: Book) -> None:
    before = book()
    after = book(steps__005_sql="ALTER TABLE accounts RENAME TO users; -- x", runbook_toml=f"{TOML}# x")
    nothing = row(before, "005", sha256="", meaning="", runbook_sha256="", runbook_meaning="")
    assert changes(after, [nothing]) == ()
    (change,) = changes(after, [replace(nothing, sha256="0" * 64)])
    assert (change.kind, change.applied_sha256) == ("more", "0" * 64)


def test_a_step_that_the_runbook_has_no_more(book: Book) -> None:
    before = book()
    gone = replace(row(before, "005"), step="005b")
    assert changes(before, [gone]) == ()
