"""The files of ``sql/fingerprint`` as queries that give texts: the server makes each object's lines itself.

A text per object and not a value per fact is what is transferred, in one string a file.
"""

import asyncio
import re
from collections import deque
from collections.abc import Callable, Sequence
from hashlib import sha256
from secrets import token_urlsafe

from tui.paths import sql_root

from .catalog_text import CatalogObject, fact_text
from .one_form import may_differ, one_form
from .queries import load
from .rows import safe
from .session import PgSession, StatementFailed
from .table_data import aside

UNREAD = "unread"
"""The kind of what the server did not let us read: ``name`` is the file's, its fact ``why`` the server's words."""
COLUMN = re.compile(r'^ {4}(?! ).*\bAS ("[^"]+"|\w+),?$', re.MULTILINE)
"""The columns of a file, in its first SELECT: each is named at the end of a line of four blanks' indentation."""
_INSUFFICIENT_PRIVILEGE = "42501"
# What somebody wrote and the server gives back as it is: no expression that it prints.
_AS_WRITTEN = frozenset({"body", "comment", "security labels", "settings", "value"})
_LONG = ("/constraints", "/indexes", "/columns")


async def read_catalogs(session: PgSession, beside: PgSession | None = None) -> list[str]:
    """The texts of all objects, within the callers' transactions, which have one snapshot.

    Raises ConnectionLost, StatementFailed.
    """
    answer = await session.query("SELECT current_setting('server_version_num'), current_setting('is_superuser')")
    version, superuser = answer.rows[0]
    return await _Catalogs((session, beside) if beside else (session,), int(version or 0)).read(superuser == "on")


class _Catalogs:
    """Reads the files one after the other, or as many at a time as there are sessions."""

    def __init__(self, sessions: Sequence[PgSession], version: int) -> None:
        self._sessions = sessions
        self._version = version
        # No name and no value can hold what nobody knew beforehand. Both are printable, as most texts are all over.
        self._fact, self._object = (f"{end}{token_urlsafe(9)}{end}" for end in "<>")
        self._attached: dict[str, list[str]] = {}
        # Many values that are not in their one form yet are the same.
        self._known: dict[tuple[bool, str], str] = {}
        self._refused: list[str] = []
        self._building: list[asyncio.Task[list[str]]] = []
        self._unattached: set[str] = set()
        self._all_attached = asyncio.Event()

    async def read(self, superuser: bool) -> list[str]:
        # Anyone else's asking for the subscriptions' connections would be an error in the server's log.
        self._unattached = {name for name in _names("attached") if superuser or not name.endswith("/connections")}
        # The first session begins at one end, the second at the other: the files that have expressions printed, for
        # which a session must get to know each table, are next to each other, and the other long one is the last.
        objects = sorted(_names("objects"), key=lambda name: (name.endswith(_LONG[2]), not name.endswith(_LONG), name))
        left = deque([*sorted(self._unattached), *objects])
        steps = [left.popleft, left.pop]
        try:
            # A session may still be at work where the other one failed: it is not left so.
            done = await asyncio.gather(
                *(self._work(session, left, step) for session, step in zip(self._sessions, steps, strict=False)),
                return_exceptions=True,
            )
            for failure in done:
                if failure is not None:
                    raise failure
            found = [await texts for texts in self._building]
        finally:
            for task in self._building:
                task.cancel()
        return [text for texts in (self._refused, *found) for text in texts]

    async def _work(self, session: PgSession, left: deque[str], step: Callable[[], str]) -> None:
        while left:
            name = step()
            if name in self._unattached:
                await self._read_attached(session, name)
            else:
                await self._read_objects(session, name)

    async def _read_attached(self, session: PgSession, name: str) -> None:
        addresses, texts = await self._texts(session, name)
        for address, text in zip(addresses, self._finished(texts) if addresses else (), strict=True):
            self._attached.setdefault(address, []).append(text)
        self._unattached.remove(name)
        if not self._unattached:
            self._all_attached.set()

    async def _read_objects(self, session: PgSession, name: str) -> None:
        try:
            addresses, texts = await self._texts(session, name)
        except _Refused as refused:
            kind = name.rpartition("/")[2].replace("_", " ")
            self._refused.append(CatalogObject(UNREAD, kind, "", (("why", str(refused)),)).text())
        else:
            self._building.append(asyncio.create_task(self._finish(addresses, texts)))

    async def _finish(self, addresses: list[str], texts: str) -> list[str]:
        await self._all_attached.wait()
        # The server works on the next file meanwhile, and the event loop stays free.
        return await asyncio.to_thread(self._objects, addresses, texts)

    async def _texts(self, session: PgSession, name: str) -> tuple[list[str], str]:
        """The addresses of a file's objects, and their texts, told apart by our marks."""
        query = load(name, self._version).decode()
        columns = {column.strip('"') for column in COLUMN.findall(query.partition("\nFROM ")[0])}
        parts = [f"'{fact}: ' || x.\"{fact}\"::text" for fact in sorted(columns - {"kind", "name", "on", "address"})]
        if "kind" in columns:
            parts = ["x.kind || ': ' || coalesce(x.name::text, '')", "'on: ' || nullif(x.\"on\"::text, '')", *parts]
        else:
            # What is attached goes on where another text ends.
            parts = ["''", *parts]
        # The files are our own, and the marks are ours.
        text = f"""
            SELECT
                string_agg(coalesce(x.address, ''), ','),
                string_agg(concat_ws('{self._fact}', {", ".join(parts)}), '{self._object}')
            FROM ({query}) AS x"""  # noqa: S608
        try:
            addresses, texts = (await aside(session, text)).rows[0]
        except StatementFailed as failure:
            if failure.error.sqlstate != _INSUFFICIENT_PRIVILEGE:
                raise
            raise _Refused(safe(failure.error.message)) from None
        return [] if addresses is None else addresses.split(","), texts or ""

    def _objects(self, addresses: list[str], text: str) -> list[str]:
        attached = self._attached
        found = self._finished(text) if addresses else []
        for number, address in enumerate(addresses):
            if address in attached:
                # Which file was read first does not matter.
                found[number] += "".join(sorted(attached[address]))
        found.sort()
        return found

    def _finished(self, text: str) -> list[str]:
        """The texts as they are kept: safe, in one form, with their lines. Most of them at C's speed."""
        texts = text.replace(self._fact, "\n  ").split(self._object)
        printable = text.isprintable()
        if not printable or may_differ(text):
            for number, one in enumerate(text.split(self._object)):
                if may_differ(one) or not (printable or one.isprintable()):
                    texts[number] = self._rewritten(one)
        return texts

    def _rewritten(self, text: str) -> str:
        head, *parts = text.split(self._fact)
        kind, colon, name = head.partition(": ")
        lines = [kind + colon + in_a_line(name)]
        for part in parts:
            fact, _, value = part.partition(": ")
            if fact == "on":
                lines.append(f"  on: {in_a_line(value)}")
                continue
            written = fact in _AS_WRITTEN
            shown = self._known.get((written, value))
            if shown is None:
                shown = self._known[written, value] = in_lines(value, as_written=written)
            lines.append(fact_text(fact, shown))
        return "\n".join(lines)


class _Refused(Exception):
    """The server does not let this role read a catalog; its words."""


def _names(folder: str) -> list[str]:
    files = (sql_root() / "fingerprint" / folder).glob("*.sql")
    return [f"fingerprint/{folder}/{path.stem}" for path in sorted(files) if "@" not in path.stem]


def in_a_line(text: str) -> str:
    """The name in one line. Where that took something away, a hash of the whole keeps different names different."""
    shown = safe(text)
    return shown if shown == text else f"{shown} [sha256 {sha256(text.encode()).hexdigest()[:16]}]"


def in_lines(text: str, *, as_written: bool) -> str:
    """The value with its lines, in the form that it keeps over dump and restore; hashed like a name."""
    shown = safe(text, lines=True)
    if shown == text:
        return text if as_written else one_form(text)
    return f"{shown} [sha256 {sha256(text.encode()).hexdigest()[:16]}]"
