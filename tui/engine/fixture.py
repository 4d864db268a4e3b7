"""A runbook's own database before the migration, made statement by statement so that progress can be told."""

from collections.abc import Callable
from pathlib import Path

from tui.postgres.session import Dsn, PgSession, StatementFailed
from tui.runbook.statements import split


class FixtureFailed(Exception):
    """A fixture is missing or its SQL did not run: file, line and the server's message."""


def scripts(runbook: Path) -> list[Path]:
    """The fixture's SQL files in the order in which they run. Raises FixtureFailed when there are none."""
    found = sorted((runbook / "fixture").glob("*.sql"))
    if not found:
        raise FixtureFailed(f"{runbook.name} has no fixture: no SQL file in {runbook / 'fixture'}")
    return found


def extensions(runbook: Path) -> Path | None:
    """The fixture's stand-ins for extensions that the embedded server has not: control files and scripts."""
    found = runbook / "fixture" / "extension"
    return found if found.is_dir() else None


async def load(dsn: Dsn, runbook: Path, scale: float, progress: Callable[[int, int, str], None]) -> None:
    """Runs the fixture in an empty database; ``progress(done, all, file)`` before each statement and at the end.

    ``scale`` 1 is the size that the runbook's author chose. Raises FixtureFailed, CannotConnect, ConnectionLost.
    """
    work = [(path, statement) for path in scripts(runbook) for statement in split(path.read_text("utf-8"))]
    async with await PgSession.open(dsn, application_name="lockstep fixture") as session:
        await session.query("SELECT set_config('lockstep.scale', %(scale)s, false)", {"scale": f"{scale:g}"})
        for done, (path, statement) in enumerate(work):
            progress(done, len(work), path.name)
            try:
                await session.execute(statement.text)
            except StatementFailed as failure:
                line = statement.line + (failure.error.line or 1) - 1
                raise FixtureFailed(f"{path}:{line}: {failure.error.message}") from None
        # A database that is in use has its statistics.
        await session.execute("ANALYZE")
    progress(len(work), len(work), "done")
