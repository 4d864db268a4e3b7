"""No bad input brings a traceback: a runbook spoiled in any way is loaded, or refused with findings."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from runbook_files import FILES, TOML, write

from tui.runbook.load import load

SCRIPT = """\
-- every kind of token
\\set ON_ERROR_STOP on
BEGIN;
UPDATE t SET a = E'x\\'y', b = 'it''s', c = $$d;$$, d = $q$ $$ $q$ /* a /* b */ c */ WHERE "e f" > 1.5;
CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 2 END; END;
COPY t (a) FROM stdin;
1\tx
\\.
\\ir parts.sql
COMMIT;
"""
BITS = [
    '"',
    "'",
    '"""',
    "[",
    "]",
    "{",
    "}",
    "=",
    ".",
    ",",
    "#",
    "\\",
    "\n",
    "\r",
    "\0",
    "\ufeff",
    "\u202e",
    "é",
    "1",
    "-",
    " ",
]
BITS += [
    "[[step]]",
    "[safety]",
    "id",
    "step.",
    "--",
    "/*",
    "*/",
    "$$",
    ";",
    "(",
    ")",
    "\\i ",
    "\\ir ",
    "\\.",
    "..",
    "/",
    "end",
]


@st.composite
def spoiled(draw: st.DrawFn, text: str) -> str:
    """The text after one to four changes to its characters or lines."""
    for _ in range(draw(st.integers(1, 4))):
        lines = text.splitlines(keepends=True) or [""]
        line = draw(st.integers(0, len(lines) - 1))
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 12)))
        match draw(
            st.sampled_from(["delete", "insert", "replace", "double", "swap", "drop line", "double line", "move line"])
        ):
            case "delete":
                text = text[:start] + text[end:]
            case "insert":
                text = text[:start] + draw(st.sampled_from(BITS) | st.text(max_size=3)) + text[start:]
            case "replace":
                text = text[:start] + draw(st.sampled_from(BITS)) + text[end:]
            case "double":
                text = text[:end] + text[start:end] + text[end:]
            case "swap":
                text = text[:start] + text[start:end][::-1] + text[end:]
            case "drop line":
                text = "".join(lines[:line] + lines[line + 1 :])
            case "double line":
                text = "".join(lines[: line + 1] + lines[line:])
            case "move line":
                moved = lines.pop(line)
                lines.insert(draw(st.integers(0, len(lines))), moved)
                text = "".join(lines)
    return text


def judge(root: Path) -> None:
    """Load the runbook there; it is sound, or there is an error, and every finding is complete."""
    loaded = load(root)
    assert (loaded.runbook is None) == any(finding.severity == "error" for finding in loaded.findings)
    for finding in loaded.findings:
        assert finding.file
        assert finding.what
        assert finding.mend
        assert "\n" not in str(finding)


def judge_changed(changes: dict[str, str | bytes | None]) -> None:
    """Judge the sound runbook with these files changed."""
    with tempfile.TemporaryDirectory() as directory:
        judge(write(Path(directory), changes))


VALUES = [
    "0",
    "-1",
    "1.5",
    "nan",
    "-inf",
    "true",
    "''",
    "'x'",
    "' '",
    "'\\i'",
    "'.'",
    "'..'",
    "'a.sql'",
    "[]",
    "[[]]",
    "[1]",
]
VALUES += [
    "['']",
    "[{}]",
    "{}",
    "{ a = 1 }",
    "{ value = 0 }",
    "2024-01-01",
    "07:32:00",
    "2024-01-01T00:00:00Z",
    "9" * 400,
]


@pytest.mark.parametrize("line", [line for line in TOML.splitlines() if " = " in line])
def test_any_key_with_any_type(line: str, tmp_path: Path) -> None:
    key = line.partition(" = ")[0]
    write(tmp_path)
    for value in VALUES:
        (tmp_path / "runbook.toml").write_text(TOML.replace(f"{line}\n", f"{key} = {value}\n"), encoding="utf-8")
        judge(tmp_path)


def test_the_script_is_sound_before_it_is_spoiled() -> None:
    with tempfile.TemporaryDirectory() as directory:
        files = {"steps/004.sql": SCRIPT, "steps/parts.sql": "SELECT 1;"}
        assert load(write(Path(directory), files)).findings == ()


@settings(max_examples=400, deadline=None)
@given(spoiled(TOML))
def test_any_runbook_file(text: str) -> None:
    judge_changed({"runbook.toml": text.encode("utf-8", "surrogatepass")})


@settings(max_examples=200, deadline=None)
@given(spoiled(SCRIPT), st.sampled_from(sorted(name for name in FILES if name.endswith(".sql"))))
@example("", "steps/004.sql")
def test_any_script(text: str, name: str) -> None:
    folder = name.rpartition("/")[0]
    judge_changed({name: text.encode("utf-8", "surrogatepass"), f"{folder}/parts.sql": "SELECT 1;"})


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(sorted(FILES)))
def test_any_bytes(data: bytes, name: str) -> None:
    judge_changed({name: data})
