"""How the command line starts: help, wrong usage, refusals and their exit codes; and README's word on them."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import click
import pytest

from tui import __version__
from tui.cli import cli, run
from tui.paths import shipped_runbooks

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
COMMANDS = sorted(cli.commands)
NOWHERE = "host=127.0.0.1 port=1 user=dba dbname=app password=hunter2 connect_timeout=2"


class TestUsage:
    @pytest.mark.parametrize(
        "command", [[sys.executable, "-m", "tui"], [str(Path(sys.executable).parent / "lockstep")]]
    )
    def test_both_ways_to_start(self, command: list[str]) -> None:
        done = subprocess.run([*command, "--version"], capture_output=True, encoding="utf-8", stdin=subprocess.DEVNULL)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"lockstep, version {__version__}\n", "")

    def test_help_names_every_command(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(["--help"]) == 0
        listed = re.findall(r"^  ([a-z]+)  +\S", capsys.readouterr().out.partition("Commands:")[2], re.M)
        assert sorted(listed) == COMMANDS

    @pytest.mark.parametrize("command", COMMANDS)
    def test_every_command_and_option_has_help(self, command: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert run([command, "-h"]) == 0
        assert capsys.readouterr().out.startswith(f"Usage: lockstep {command} ")
        options = [p for p in cli.commands[command].params if isinstance(p, click.Option)]
        assert [option.name for option in options if not option.help] == []

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (["opne"], "No such command 'opne'"),
            (["status"], "Missing argument 'RUNBOOK'"),
            (["status", "--frob", "x"], "No such option"),
            (["demo", "--scale", "0"], "'--scale'"),
            (["run", "iso-agents-to-users", "--to", "099"], "there is no step 099; there are 004, 005, 006, 007"),
            (["run", "iso-agents-to-users", "--tick", "tea"], "there is no checklist item tea"),
            (["watch", "--filter", "user:x"], "no user: there are db: role: app: pid: state:"),
            (["watch", "iso-agents-to-users"], "unexpected extra argument"),
        ],
    )
    def test_wrong_usage(self, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(arguments) == 2
        captured = capsys.readouterr()
        assert told in captured.err
        assert captured.out == ""

    @pytest.mark.parametrize("command", [name for name in COMMANDS if name not in ("check", "watch")])
    def test_a_runbook_that_is_not_there(self, command: str, capsys: pytest.CaptureFixture[str]) -> None:
        more = {"settle": ["004", "applied", "--reason", "seen"]}
        assert run([command, "iso-agent-to-users", *more.get(command, [])]) == 2
        captured = capsys.readouterr()
        assert 'the nearest is "iso-agents-to-users"' in captured.err
        assert captured.out == ""

    def test_check_tells_it_as_data(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(["check", str(tmp_path), "--json"]) == 2
        finding, end = map(json.loads, capsys.readouterr().out.splitlines())
        assert (finding["kind"], finding["severity"]) == ("finding", "error")
        assert end == {"kind": "check", "ok": False, "steps": []}

    @pytest.mark.parametrize("command", ["check", "run", "verify", "rollback", "status"])
    def test_no_server_there(self, command: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert run([command, "iso-agents-to-users", "-d", NOWHERE]) == 3
        captured = capsys.readouterr()
        assert "127.0.0.1" in captured.err
        assert "hunter2" not in captured.err + captured.out

    def test_the_demo_lists_what_ships(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(["demo", "--list"]) == 0
        listed = capsys.readouterr().out.split()
        assert listed == sorted(path.name for path in shipped_runbooks().iterdir() if (path / "fixture").is_dir())


class TestLazy:
    """A start is as fast as what it imports: who asks for the version waits for no screen and no driver."""

    SLOW: ClassVar[set[str]] = {"textual", "psycopg", "pydantic", "sqlparse", "asyncio"}

    @pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["watch", "--help"]])
    def test_imports_only_what_it_needs(self, arguments: list[str]) -> None:
        script = (
            "import sys; from tui.cli import run; code = run(sys.argv[1:]); print(code, *sys.modules, file=sys.stderr)"
        )
        command = [sys.executable, "-c", script, *arguments]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True, stdin=subprocess.DEVNULL)
        code, *imported = done.stderr.split()
        assert code == "0"
        assert "tui.cli" in imported
        assert self.SLOW & set(imported) == set()


class TestReadme:
    def test_names_every_command_and_no_other(self) -> None:
        assert sorted(re.findall(r"^\| `lockstep ([a-z]+)", README, re.M)) == COMMANDS
        assert set(re.findall(r"\blockstep ([a-z]+)(?= [A-Z\[-]|`)", README)) == set(COMMANDS)

    def test_its_options_exist(self) -> None:
        for row in re.findall(r"^\| `lockstep .*", README, re.M):
            name = row.split()[2].strip("`")
            known = {option for parameter in cli.commands[name].params for option in parameter.opts}
            assert set(re.findall(r"(?<!\w)--?[a-z][a-z-]*", row)) <= known, row

    def test_its_runbook_is_sound(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        whole, backfill = re.findall(r"```toml\n(.*?)```", README, re.S)
        (fill,) = re.findall(r"```sql\n(.*?)```", README, re.S)
        example = f'{whole}\n{backfill}rollback = "rollback/006.sql"\n'.replace('after = "005"', 'after = "end"')
        (tmp_path / "runbook.toml").write_text(example, encoding="utf-8")
        for name in re.findall(r'"(\w+/\w+\.sql)"', example):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(fill if "fill" in name else "SELECT 1;\n", encoding="utf-8")
        assert run(["check", str(tmp_path)]) == 0
        assert "sound, 3 steps" in capsys.readouterr().err
