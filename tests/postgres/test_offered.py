"""Stand-ins for extensions that a fixture brings along: found where the server can look elsewhere."""

from pathlib import Path

import psycopg
import pytest
from runbooks import execute

from tui.postgres.embedded import EmbeddedServer, installations

NEWEST = {one.major: one for one in installations() if one.source == "wheel"}


@pytest.fixture
def stand_in(tmp_path: Path) -> Path:
    (tmp_path / "tally.control").write_text("default_version = '1.0'\nrelocatable = true\n")
    (tmp_path / "tally--1.0.sql").write_text("CREATE FUNCTION tally() RETURNS int LANGUAGE sql RETURN 7;\n")
    return tmp_path


def test_from_18_on_it_is_found_beside_the_servers_own(stand_in: Path) -> None:
    # Nobody but we may read it where it lies.
    stand_in.chmod(0o700)
    with EmbeddedServer(NEWEST[18]) as server:
        assert server.offer(stand_in)
        dsn = server.create_database("app")
        execute(dsn, "CREATE EXTENSION tally", "DROP EXTENSION plpgsql", "CREATE EXTENSION plpgsql")
        with psycopg.connect(dsn) as connection:
            assert connection.execute("SELECT tally()").fetchone() == (7,)
        # It outlives a restart, as the databases do that have it.
        server.restart()
        execute(dsn, "DROP EXTENSION tally", "CREATE EXTENSION tally")


def test_before_18_nothing_is_offered(stand_in: Path) -> None:
    with EmbeddedServer(NEWEST[16]) as server:
        assert not server.offer(stand_in)
        with pytest.raises(psycopg.errors.FeatureNotSupported):
            execute(server.dsn(), "CREATE EXTENSION tally")
