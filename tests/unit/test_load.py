"""Runbooks read from their directories: sound ones whole, spoiled ones with everything that is wrong told."""

import hashlib
import os
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from runbook_files import FILES, TOML, edited, told, write

from tui.runbook.files import LARGEST
from tui.runbook.findings import Finding, RunbookRefused
from tui.runbook.load import find_runbook, load, load_or_refuse
from tui.runbook.model import Expect, Expectation, Phase, Requires, Runbook, Safety, Script

CASES: list[dict[str, Any]] = tomllib.loads(
    Path(__file__).with_name("refused_runbooks.toml").read_text(encoding="utf-8")
)["case"]


def loaded(root: Path) -> Runbook:
    """The runbook, which must be sound."""
    runbook, findings = load_or_refuse(root)
    assert findings == ()
    return runbook


def texts(script: Script | None) -> list[str]:
    assert script is not None
    return [statement.text for statement in script.statements]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_tells_all_that_is_wrong(case: dict[str, Any], tmp_path: Path) -> None:
    toml = edited(*((old, new) for old, new in case.get("edits", [])))
    write(tmp_path, {"runbook.toml": toml, **case.get("files", {})})
    found = load(tmp_path)
    assert [str(finding) for finding in found.findings] == case["told"]
    errors = [finding for finding in found.findings if finding.severity == "error"]
    assert (found.runbook is None) == bool(errors)
    if errors:
        with pytest.raises(RunbookRefused) as refused:
            load_or_refuse(tmp_path)
        assert refused.value.findings == found.findings
        assert str(refused.value) == "\n".join(case["told"])


def test_reads_a_sound_runbook(tmp_path: Path) -> None:
    runbook = loaded(write(tmp_path / "accounts"))
    assert runbook.path == tmp_path / "accounts"
    assert runbook.slug == "accounts"
    assert runbook.name == "accounts to users"
    assert runbook.window == 3600.0
    assert runbook.requires == Requires(14, ("pgcrypto",))
    assert runbook.production == ("*prod*",)
    assert runbook.safety == Safety()

    backup, prepared, deploy = runbook.checklist
    assert (backup.phase, backup.required, backup.sql, backup.command) == (Phase.BEFORE, True, None, None)
    assert prepared.expect == Expect(Expectation.VALUE, 0)
    assert texts(prepared.sql) == ["SELECT count(*) FROM pg_prepared_xacts"]
    assert (deploy.phase, deploy.command, deploy.step) == (Phase.DURING, "true", "005")

    roles, rename, index = runbook.steps
    assert texts(roles.sql) == ["UPDATE accounts SET role = 'user'", "ALTER TABLE accounts ADD note text"]
    assert [roles.sql.place(i) for i in range(2)] == ["steps/004.sql:3", "steps/004.sql:4"]
    assert texts(roles.rollback) == ["UPDATE accounts SET role = 'account'"]
    assert (roles.transaction, roles.expected) == (True, (10.0, 20.0))
    assert roles.safety == Safety(max_blocked_for=30.0)
    assert (rename.rollback, rename.expected, rename.safety) == (None, None, Safety())
    assert not index.transaction
    assert texts(index.sql) == ["CREATE INDEX CONCURRENTLY users_role ON users (role)", "VACUUM users"]

    orphans, same = runbook.verifications
    assert orphans.sql.name == "runbook.toml:52"
    assert orphans.sql.place(0) == "runbook.toml:53"
    assert orphans.expect == Expect(Expectation.EQUALS, (("a", 1), ("b", 2)))
    assert (same.after, same.expect) == ("end", Expect(Expectation.SAME_AS_BEFORE, True))
    assert runbook.rollbacks[0].undoes == ("004", "005")


def test_takes_defaults_and_the_other_forms(tmp_path: Path) -> None:
    toml = """\
name = "least"
window = "1h"
production = true
[safety]
lock_timeout = "1s"
[[step]]
id = "1"
title = "t"
sql = "SELECT 1; SELECT 2"
expected = "20s"
safety.lock_retries = 0
[[verification]]
id = "v"
title = "t"
sql = "TABLE pg_class"
after = "back"
expect = { between = [1.5, inf] }
"""
    runbook, warnings = load_or_refuse(write(tmp_path, {"runbook.toml": toml}))
    assert runbook.requires == Requires(None, ())
    assert runbook.production is True
    assert runbook.steps[0].expected == (20.0, 20.0)
    assert runbook.steps[0].safety == Safety(lock_timeout=1.0, lock_retries=0)
    assert texts(runbook.steps[0].sql) == ["SELECT 1", "SELECT 2"]
    assert runbook.verifications[0].expect == Expect(Expectation.BETWEEN, (1.5, float("inf")))
    assert [(w.severity, w.line, w.item) for w in warnings] == [("warning", 6, "1")]
    assert 'step "1" is untested: no rollback, no verification' in str(warnings[0])


@pytest.mark.parametrize(
    ("expect", "value"),
    [
        ("value = 'x'", "x"),
        ("value = true", True),
        ("value = 1.5", 1.5),
        ("rows = 0", 0),
        ("empty = true", True),
        ("equals = [[1, 'a', true]]", ((1, "a", True),)),
        ("between = [1, 1]", (1, 1)),
        ("between = ['2024-01-01', '2024-12-31']", ("2024-01-01", "2024-12-31")),
    ],
)
def test_reads_every_kind_of_expectation(expect: str, value: object, tmp_path: Path) -> None:
    write(tmp_path, {"runbook.toml": edited(("{ value = 0 }", f"{{ {expect} }}"))})
    assert loaded(tmp_path).item("prepared").expect == Expect(Expectation(expect.split()[0]), value)  # type: ignore[arg-type]


def test_a_rollback_of_its_own_and_a_shared_one_may_undo_the_same_step(tmp_path: Path) -> None:
    runbook = loaded(write(tmp_path))
    assert runbook.step("004").rollback is not None
    assert "004" in runbook.rollbacks[0].undoes


def test_a_finding_names_its_item(tmp_path: Path) -> None:
    write(tmp_path, {"runbook.toml": edited(('title = "Roles"', "title = 1")), "rollback/008.sql": "COMMIT; SELECT 1;"})
    assert [(f.file, f.line, f.item) for f in load(tmp_path).findings] == [
        ("runbook.toml", 31, "004"),
        ("rollback/008.sql", 1, "008"),
    ]


def test_a_finding_is_one_line_without_control_characters() -> None:
    finding = Finding("error", "a\nb.sql", 3, "x\x1b[31m\u202e", "m")
    assert str(finding) == "a\\u000ab.sql:3: error: x\\u001b[31m\\u202e; m"


class TestDirectory:
    def test_none(self, tmp_path: Path) -> None:
        assert told(tmp_path / "x") == [
            f"{tmp_path / 'x'}: error: there is no such directory; give the directory of a runbook"
        ]

    def test_a_file(self, tmp_path: Path) -> None:
        write(tmp_path)
        file = tmp_path / "runbook.toml"
        assert told(file) == [f'{file}: error: is no directory; give its directory: "{tmp_path}"']

    def test_without_a_runbook(self, tmp_path: Path) -> None:
        assert told(tmp_path) == [f'runbook.toml: error: there is no runbook.toml in "{tmp_path}"; create it']

    def test_without_a_runbook_but_one_below(self, tmp_path: Path) -> None:
        write(tmp_path / "accounts")
        (finding,) = load(tmp_path).findings
        assert finding.mend == 'give a directory that holds one: "accounts"'

    def test_with_a_name_that_cannot_be_shown(self, tmp_path: Path) -> None:
        (finding,) = load(write(tmp_path / "a\x1b[31m")).findings
        assert (finding.what, finding.line) == ("a runbook's directory needs a name that can be shown", None)

    @pytest.mark.parametrize("name", ["x" * 300, "a\0b", ""])
    def test_with_a_name_that_no_file_can_have(self, name: str) -> None:
        with pytest.raises(RunbookRefused):
            find_runbook(name)
        if name:
            assert load(Path(name)).runbook is None


class TestFind:
    @pytest.fixture(autouse=True)
    def ships(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        write(tmp_path / "ship" / "accounts-to-users")
        write(tmp_path / "ship" / "split-orders")
        monkeypatch.setattr("tui.runbook.load.shipped_runbooks", lambda: tmp_path / "ship")
        monkeypatch.chdir(tmp_path)
        return tmp_path / "ship"

    def test_by_path(self, tmp_path: Path) -> None:
        assert find_runbook(str(write(tmp_path / "mine"))) == tmp_path / "mine"
        assert find_runbook("mine") == Path("mine")
        assert loaded(find_runbook("mine")).slug == "mine"

    def test_by_name(self, ships: Path) -> None:
        assert find_runbook("split-orders") == ships / "split-orders"

    def test_names_the_nearest_and_all(self) -> None:
        with pytest.raises(RunbookRefused) as refused:
            find_runbook("account-to-user")
        assert str(refused.value) == (
            "account-to-user: error: there is no such directory, and no runbook of that name ships; "
            'the nearest is "accounts-to-users"; these ship: accounts-to-users, split-orders'
        )

    def test_refuses_a_file(self, ships: Path) -> None:
        with pytest.raises(RunbookRefused, match="is no directory; give its directory"):
            find_runbook(str(ships / "split-orders" / "runbook.toml"))


class TestFiles:
    def test_links_inside_are_followed(self, tmp_path: Path) -> None:
        write(tmp_path, {"steps/005.sql": None})
        (tmp_path / "steps" / "005.sql").symlink_to("../rollback/008.sql")
        assert len(loaded(tmp_path).step("005").sql.statements) == 2

    def test_a_runbook_may_be_reached_by_a_link(self, tmp_path: Path) -> None:
        write(tmp_path / "v1")
        (tmp_path / "current").symlink_to("v1")
        assert loaded(tmp_path / "current").slug == "current"

    def test_a_link_that_leaves(self, tmp_path: Path) -> None:
        write(tmp_path / "rb", {"steps/005.sql": None})
        (tmp_path / "out.sql").write_text("SELECT 1;")
        (tmp_path / "rb" / "steps" / "005.sql").symlink_to(tmp_path / "out.sql")
        assert told(tmp_path / "rb") == [
            'runbook.toml:40: error: "steps/005.sql" is a link that leaves the runbook\'s directory; '
            "copy the file into the runbook"
        ]

    def test_a_link_to_itself(self, tmp_path: Path) -> None:
        write(tmp_path, {"steps/005.sql": None})
        (tmp_path / "steps" / "005.sql").symlink_to("005.sql")
        (line,) = told(tmp_path)
        assert line.startswith('runbook.toml:40: error: "steps/005.sql" cannot be read: ')

    def test_a_pipe(self, tmp_path: Path) -> None:
        write(tmp_path, {"steps/005.sql": None})
        os.mkfifo(tmp_path / "steps" / "005.sql")
        assert told(tmp_path) == ['runbook.toml:40: error: "steps/005.sql" is not a regular file; name a regular file']

    def test_a_directory_for_the_runbook_itself(self, tmp_path: Path) -> None:
        (tmp_path / "runbook.toml").mkdir()
        assert told(tmp_path) == ['runbook.toml: error: "runbook.toml" is a directory; name a file']

    def test_too_large(self, tmp_path: Path) -> None:
        write(tmp_path)
        os.truncate(tmp_path / "steps" / "005.sql", LARGEST + 1)
        (line,) = told(tmp_path)
        assert line.startswith("steps/005.sql: error: is larger than 64 MiB; ")

    @pytest.fixture
    def reachable(self) -> Iterator[Path]:
        """A directory that other users can reach, and the rights of one who is not root."""
        with tempfile.TemporaryDirectory() as directory:
            Path(directory).chmod(0o755)
            root = os.geteuid() == 0
            if root:
                os.seteuid(65534)
            try:
                yield Path(directory)
            finally:
                if root:
                    os.seteuid(0)

    def test_without_permission(self, reachable: Path) -> None:
        if os.geteuid() == 65534:
            os.seteuid(0)
            write(reachable)
            for file in ("steps/005.sql", "rollback/008.sql"):
                (reachable / file).chmod(0)
            os.seteuid(65534)
        else:
            write(reachable)
            for file in ("steps/005.sql", "rollback/008.sql"):
                (reachable / file).chmod(0)
        assert told(reachable) == [
            f'runbook.toml:{line}: error: "{name}" cannot be read: Permission denied; mend its name or its permissions'
            for line, name in ((40, "steps/005.sql"), (70, "rollback/008.sql"))
        ]


class TestEncoding:
    def test_line_and_column_of_the_first_wrong_byte(self, tmp_path: Path) -> None:
        write(tmp_path, {"steps/005.sql": b"SELECT 1;\r\nSELECT '\xc3\xa4\xff'", "runbook.toml": TOML})
        assert told(tmp_path) == ["steps/005.sql:2: error: is not UTF-8: byte 0xff at column 10; save it as UTF-8"]

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
    def test_utf_16(self, encoding: str, tmp_path: Path) -> None:
        write(tmp_path, {"steps/005.sql": "SELECT 1;".encode(encoding)})
        assert told(tmp_path) == ["steps/005.sql:1: error: is UTF-16, not UTF-8; save it as UTF-8"]
        write(tmp_path, {"runbook.toml": TOML.encode(encoding)})
        assert told(tmp_path) == ["runbook.toml:1: error: is UTF-16, not UTF-8; save it as UTF-8"]

    def test_windows_line_ends(self, tmp_path: Path) -> None:
        windows = {name: content.replace("\n", "\r\n") for name, content in FILES.items() if isinstance(content, str)}
        runbook, plain = loaded(write(tmp_path / "a", windows)), loaded(write(tmp_path / "b"))
        for step, same in zip(runbook.steps, plain.steps, strict=True):
            assert texts(step.sql) == texts(same.sql)
            assert [s.line for s in step.sql.statements] == [s.line for s in same.sql.statements]
        assert runbook.verifications[0].sql == plain.verifications[0].sql
        spoiled = {"runbook.toml": TOML.replace('"Roles"', "5").replace("\n", "\r\n")}
        assert told(write(tmp_path / "a", spoiled))[0].startswith("runbook.toml:31: ")

    def test_byte_order_marks(self, tmp_path: Path) -> None:
        mark = "\ufeff"
        write(tmp_path, {"runbook.toml": mark + TOML, "steps/004.sql": f"{mark}BEGIN;\nSELECT 1;\nCOMMIT;"})
        script = loaded(tmp_path).step("004").sql
        assert texts(script) == ["SELECT 1"]
        assert script.sha256 == hashlib.sha256((tmp_path / "steps" / "004.sql").read_bytes()).hexdigest()

    def test_a_mark_does_not_move_the_lines(self, tmp_path: Path) -> None:
        write(tmp_path, {"runbook.toml": "\ufeff" + edited(('title = "Roles"', "title = 1"))})
        assert told(tmp_path)[0].startswith("runbook.toml:31: ")


class TestScripts:
    def test_the_hash_is_that_of_the_file(self, tmp_path: Path) -> None:
        runbook = loaded(write(tmp_path))
        data = (tmp_path / "steps" / "004.sql").read_bytes()
        assert runbook.step("004").sql.sha256 == hashlib.sha256(data).hexdigest()

    def test_inclusions_come_in_their_place(self, tmp_path: Path) -> None:
        write(
            tmp_path,
            {
                "steps/004.sql": "\\set ON_ERROR_STOP on\nBEGIN;\nSELECT 1;\n\\ir parts/a.sql\n"
                "\\i 'steps/parts/b.sql'\nSELECT 4;\nCOMMIT;\n",
                "steps/parts/a.sql": "\ufeff-- a\nSELECT 2;\n\\ir b.sql\n",
                "steps/parts/b.sql": "SELECT 3;\n",
            },
        )
        script = loaded(tmp_path).step("004").sql
        assert texts(script) == ["SELECT 1", "SELECT 2", "SELECT 3", "SELECT 3", "SELECT 4"]
        assert [script.place(i) for i in range(5)] == [
            "steps/004.sql:3",
            "steps/parts/a.sql:2",
            "steps/parts/b.sql:1",
            "steps/parts/b.sql:1",
            "steps/004.sql:6",
        ]
        before = script.sha256
        (tmp_path / "steps" / "parts" / "b.sql").write_text("SELECT 3; -- changed\n")
        assert loaded(tmp_path).step("004").sql.sha256 != before

    def test_inline_sql_may_include(self, tmp_path: Path) -> None:
        write(tmp_path, {"runbook.toml": edited(('"verify/same.sql"', "'\\i verify/same.sql'"))})
        script = loaded(tmp_path).verification("same").sql
        assert (script.name, script.place(0)) == ("runbook.toml:62", "verify/same.sql:1")

    def test_inclusions_that_multiply_are_stopped(self, tmp_path: Path) -> None:
        doubling = {f"steps/{n}.sql": f"\\ir {n + 1}.sql\n\\ir {n + 1}.sql\n" for n in range(19)}
        write(tmp_path, {**doubling, "steps/19.sql": "SELECT 1;", "steps/005.sql": "\\ir 0.sql"})
        assert all("too deep, too many or too large; include less" in line for line in told(tmp_path))
        chain = {f"steps/{n}.sql": f"\\ir {n + 1}.sql\n" for n in range(3000)}
        write(tmp_path, {**chain, "steps/3000.sql": "SELECT 1;", "steps/005.sql": "\\ir 0.sql"})
        assert len(told(tmp_path)) == 1

    def test_copy_keeps_its_data(self, tmp_path: Path) -> None:
        write(tmp_path, {"steps/005.sql": "COPY t FROM stdin;\n1\ta;b\n\\N\tBEGIN\n\\.\nSELECT 1;\n"})
        copy, select = loaded(tmp_path).step("005").sql.statements
        assert copy.copy_data == "1\ta;b\n\\N\tBEGIN\n"
        assert (select.text, select.line) == ("SELECT 1", 5)

    @pytest.mark.parametrize(
        ("first", "last"),
        [
            ("BEGIN", "COMMIT"),
            ("start transaction", "end"),
            ("BEGIN WORK", "COMMIT TRANSACTION"),
            ("/**/begin", "end work"),
        ],
    )
    def test_a_plain_wrap_is_left_out(self, first: str, last: str, tmp_path: Path) -> None:
        write(tmp_path, {"steps/005.sql": f"{first};\nSELECT 1;\nSELECT 2;\n{last};\n-- end\n"})
        script = loaded(tmp_path).step("005").sql
        assert texts(script) == ["SELECT 1", "SELECT 2"]
        assert script.place(1) == "steps/005.sql:3"
