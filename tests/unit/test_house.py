"""The rules of the house: who imports whom, style, types, and what README says of itself."""

import os
import re
import subprocess
import sys
import tomllib
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CONTRACTS = CONFIG["tool"]["importlinter"]["contracts"]
FLOORS: list[str] = CONTRACTS[0]["layers"]
LONGEST = 450
COMMAND = re.compile(r"python3 -m venv[^`]+?(?=\n(?:```|\Z)|\Z)")
# A home, a checkout, somebody's own tools: places of one machine.
FOREIGN_PATH = re.compile(
    r"(?<![\w.}])/(?:root|home|Users|mnt|work|workspace|builds?|opt(?!/homebrew))(?:/[\w.]|\b(?!/))"
)


def run(*command: str, cwd: Path = ROOT, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | {"NO_COLOR": "1"} | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def tool(name: str, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Runs a tool that is installed beside this Python."""
    return run(str(Path(sys.executable).parent / name), *arguments, **options)


def lint_imports(cwd: Path) -> subprocess.CompletedProcess[str]:
    return tool("lint-imports", "--no-logo", "--no-cache", cwd=cwd, PYTHONPATH=str(cwd))


@cache
def sources() -> dict[str, str]:
    """The project's own text files, by their path in the checkout."""
    found = [path for path in ROOT.iterdir() if path.is_file() and path.suffix in {".md", ".toml", ""}]
    for directory in ("tui", "sql", "tests", "screenshots", ".ci"):
        found += [path for path in (ROOT / directory).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8", errors="replace") for path in found}


def python_code() -> dict[str, str]:
    """The package's own modules, by their path in the checkout."""
    return {name: text for name, text in sources().items() if re.fullmatch(r"tui/.+\.py", name)}


def commands(text: str) -> list[str]:
    return [found.strip() for found in COMMAND.findall(text)]


class TestFloors:
    @pytest.fixture
    def house(self, tmp_path: Path) -> Path:
        """A package with our floors and our contracts, and nothing in it yet."""
        package = tmp_path / "tui"
        for floor in FLOORS:
            (package / floor).mkdir(parents=True)
            (package / floor / "__init__.py").touch()
        (package / "__init__.py").touch()
        (package / "postgres" / "rows.py").touch()
        (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
        return tmp_path

    def test_nothing_imports_upward(self) -> None:
        done = lint_imports(ROOT)
        assert done.returncode == 0, done.stdout + done.stderr

    def test_what_is_allowed(self, house: Path) -> None:
        (house / "tui" / "widgets" / "pane.py").write_text(
            "import textual\nimport tui.engine\nimport tui.postgres.rows\n"
        )
        (house / "tui" / "postgres" / "session.py").write_text("import psycopg\nimport tui.runbook\n")
        done = lint_imports(house)
        assert done.returncode == 0, done.stdout + done.stderr

    @pytest.mark.parametrize(
        ("floor", "imported", "contract"),
        [
            *((lower, f"tui.{upper}", CONTRACTS[0]) for upper, lower in pairwise(FLOORS)),
            ("engine", "textual", CONTRACTS[1]),
            ("demo", "textual.app", CONTRACTS[1]),
            ("engine", "psycopg", CONTRACTS[2]),
            ("screens", "psycopg.rows", CONTRACTS[2]),
            ("runbook", "psycopg", CONTRACTS[2]),
            ("widgets", "tui.postgres.session", CONTRACTS[3]),
        ],
    )
    def test_a_breach_is_seen(self, house: Path, floor: str, imported: str, contract: dict[str, Any]) -> None:
        (house / "tui" / "postgres" / "session.py").touch()
        (house / "tui" / floor / "breach.py").write_text(f"import {imported}\n", encoding="utf-8")
        done = lint_imports(house)
        assert done.returncode == 1
        assert f"{contract['name']} BROKEN" in done.stdout

    def test_a_module_on_no_floor_is_seen(self, house: Path) -> None:
        (house / "tui" / "helpers.py").touch()
        assert lint_imports(house).returncode == 1

    def test_the_contracts_name_every_floor(self) -> None:
        every = {f"tui.{floor}" for floor in FLOORS}
        apps = {"tui.app", "tui.watch", "tui.shell"}
        assert every - set(CONTRACTS[1]["source_modules"]) == {*apps, "tui.screens", "tui.widgets"}
        assert every - set(CONTRACTS[2]["source_modules"]) == {"tui.postgres"}


class TestWhatIsLoaded:
    @pytest.mark.parametrize(
        ("package", "absent"),
        [("engine", {"textual"}), ("postgres", {"textual"}), ("runbook", {"textual", "psycopg"})],
    )
    def test_a_floor_stands_without(self, package: str, absent: set[str]) -> None:
        code = f"""
import importlib, pkgutil, sys
import tui.{package} as floor
for module in pkgutil.walk_packages(floor.__path__, floor.__name__ + "."):
    importlib.import_module(module.name)
print(*sys.modules)
"""
        done = run(sys.executable, "-c", code)
        assert done.returncode == 0, done.stderr
        assert f"tui.{package}" in done.stdout.split()
        assert not absent & set(done.stdout.split())

    def test_the_version_is_told_at_once(self) -> None:
        done = run(sys.executable, "-X", "importtime", "-m", "tui", "--version")
        loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
        assert done.stdout.startswith("lockstep, version ")
        assert "click" in loaded
        assert not {"textual", "rich", "psycopg", "pydantic", "sqlparse"} & loaded


class TestStyle:
    def test_ruff(self) -> None:
        done = tool("ruff", "check", "--no-cache", ".")
        assert done.returncode == 0, done.stdout + done.stderr

    def test_format(self) -> None:
        done = tool("ruff", "format", "--check", "--no-cache", ".")
        assert done.returncode == 0, done.stdout + done.stderr

    def test_types(self) -> None:
        done = tool("mypy")
        assert done.returncode == 0, done.stdout + done.stderr

    def test_no_file_is_too_long(self) -> None:
        lengths = {name: text.count("\n") for name, text in python_code().items()}
        assert {name: length for name, length in lengths.items() if length > LONGEST} == {}

    def test_no_possessive_groups(self) -> None:
        """Debian 12's Python 3.11.2 matches ``(…)*+`` wrongly (python/cpython issue 106052, mended in 3.11.5)."""
        assert [name for name, text in python_code().items() if re.search(r"\)(?:[*+?]|\{[\d,]+\})\+", text)] == []

    def test_no_path_of_one_machine(self) -> None:
        found = [
            f"{name}:{number}: {line.strip()[:120]}"
            for name, text in sources().items()
            for number, line in enumerate(text.splitlines(), start=1)
            if FOREIGN_PATH.search(line)
        ]
        assert found == []


class TestFiles:
    @pytest.mark.parametrize(
        "path",
        sorted(path for part in ("monitor", "ledger", "operator") for path in (ROOT / "sql" / part).iterdir()),
        ids=lambda path: str(path.relative_to(ROOT / "sql")),
    )
    def test_every_query_is_used(self, path: Path) -> None:
        name, _, major = path.stem.partition("@")
        assert path.suffix == ".sql"
        assert re.search(rf'["/]{name}"', "\n".join(python_code().values())), f"no code names {path.name}"
        if major:
            assert major.isdecimal()
            assert path.with_name(f"{name}.sql").is_file(), "a variant stands beside the plain query"

    def test_typed_and_licensed(self) -> None:
        assert (ROOT / "tui" / "py.typed").is_file()
        assert sources()["LICENSE"].startswith("MIT License\n")
        assert CONFIG["project"]["license"] == "MIT"


class TestReadme:
    def test_the_check_runs_its_second_command(self) -> None:
        assert commands(sources()[".ci/run"]) == commands(sources()["README.md"])[1:2]
        assert os.access(ROOT / ".ci" / "run", os.X_OK)

    def test_its_two_commands_come_first(self) -> None:
        demo, tests = commands(sources()["README.md"])
        assert demo.endswith("lockstep demo")
        assert "'.[dev]'" in tests
        assert sources()["README.md"].index(tests) < 3000

    def test_its_links_lead_somewhere(self) -> None:
        links = re.findall(r"\]\((?!https?:|#)([^)]+)\)", sources()["README.md"])
        assert links
        assert [link for link in links if not (ROOT / link).exists()] == []
