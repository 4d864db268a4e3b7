"""The fingerprint of a database of 3,000 tables against pg_dump -s of it, side by side on a server of our own.

``python tests/bench/fingerprint.py`` prints the seconds of each round, over one session and over two, and the ratios of
the medians.
"""

import asyncio
import statistics
import subprocess
import time
from contextlib import AsyncExitStack

import psycopg

from tui.postgres.embedded import EmbeddedServer
from tui.postgres.fingerprint import take
from tui.postgres.session import Dsn, PgSession

TABLES = 3_000
ROUNDS = 5
AIM = 0.5
# Ten columns, three indexes, four constraints, comments and grants: what tables of an application have.
TABLE = """
CREATE TABLE app.t{0} (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    parent_id bigint REFERENCES app.t{1} (id) ON DELETE CASCADE,
    name text NOT NULL,
    email character varying(200) NOT NULL UNIQUE,
    state character varying(20) DEFAULT 'new' NOT NULL CHECK (state IN ('new', 'open', 'done')),
    price numeric(12, 2) DEFAULT 0 CHECK (price >= 0),
    tags text[] DEFAULT '{{}}',
    body jsonb,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz
);
CREATE INDEX ON app.t{0} (parent_id) WHERE state = 'open';
COMMENT ON TABLE app.t{0} IS 'table {0}';
COMMENT ON COLUMN app.t{0}.email IS 'where to write to';
GRANT SELECT, INSERT ON app.t{0} TO app_reader;
"""


def fill(dsn: str) -> None:
    """Makes the tables; some hundred in a transaction, for each takes locks until its end."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE ROLE app_reader")
        connection.execute("CREATE SCHEMA app")
        for start in range(0, TABLES, 100):
            script = "".join(TABLE.format(number, max(0, number - 1)) for number in range(start, start + 100))
            connection.execute(script.encode())
        connection.execute("VACUUM ANALYZE")


def dump(server: EmbeddedServer, dsn: str) -> float:
    """Seconds that pg_dump -s takes."""
    began = time.monotonic()
    subprocess.run([server.bin / "pg_dump", "-s", dsn], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


async def ours(dsn: str, sessions: int) -> tuple[float, int]:
    """Seconds that the fingerprint takes, connections and text included, and how many objects it has."""
    began = time.monotonic()
    async with AsyncExitStack() as stack:
        opened = [
            await stack.enter_async_context(await PgSession.open(Dsn(dsn), application_name="bench"))
            for _ in range(sessions)
        ]
        taken = await take(opened[0], beside=opened[1] if sessions > 1 else None)
    taken.text()
    return time.monotonic() - began, len(taken.objects)


async def main() -> None:
    async with EmbeddedServer() as server:
        dsn = await asyncio.to_thread(server.create_database, "app")
        await asyncio.to_thread(fill, dsn)
        one, two, theirs = [], [], []
        for number in range(1, ROUNDS + 1):
            one.append((await ours(dsn, 1))[0])
            seconds, objects = await ours(dsn, 2)
            two.append(seconds)
            theirs.append(await asyncio.to_thread(dump, server, dsn))
            print(
                f"round {number}: fingerprint of {objects:,} objects over one session {one[-1]:.2f} s, "
                f"over two {two[-1]:.2f} s, pg_dump -s {theirs[-1]:.2f} s"
            )
    for sessions, seconds_each in (("one session", one), ("two sessions", two)):
        ratio = statistics.median(seconds_each) / statistics.median(theirs)
        print(f"{sessions}: ratio of the medians {ratio:.2f}: {'held' if ratio <= AIM else 'BROKEN'} (at most {AIM})")


if __name__ == "__main__":
    asyncio.run(main())
