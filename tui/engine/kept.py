"""What the record keeps of an event: journal, ledger and ``--json``. The screen shows it whole.

Rows and values that a runbook asks for are the record's substance, by its author's choice. What the server's errors
quote beside is not: keys, whole rows, values that could not be read, statements within functions.
"""

import re
from dataclasses import replace
from typing import Any

from tui.postgres.rows import PgError

from .run_events import BaselineTaken, ItemProbed, VerificationFinished
from .script_events import ScriptFailed

# In any language of the server: up to the last parenthesis or quote, as a value may hold some itself.
_KEY = re.compile(r"(\)\s?=\s?\()(?:.*\)|.*)", re.DOTALL)
_ROW = re.compile(r"\((?:.*\)|.*)", re.DOTALL)
_QUOTED = re.compile(r'["»„«“](?:.*["«“”»]|.*)', re.DOTALL)
_UNREADABLE = re.compile(r'(: |\bvalue )["»„«“].*["«“”»]', re.DOTALL)
_DATA_EXCEPTION = "22"
_FAILING_ROW = frozenset(["23502", "23514", "44000"])
"""NOT NULL, CHECK (and partition) and WITH CHECK OPTION violation: their DETAIL shows the row."""
# Where it was, without the statement or the line of data that the server may quote there.
_PLACE = re.compile(
    r"""^(?: PL/pgSQL\ function\ [\w.$"]+(?:\([\w\ ,.\[\]"]*\))?\ line\ \d+\ (?:at|during|while)\ [\w\ ]+$
      | SQL\ function\ "[^"\n]+"\ (?:statement\ \d+|during\ \w+)$
      | while\ [a-z\ ]+\ tuple\ \(\d+,\d+\)\ in\ relation\ "[^"\n]+"$
      | COPY\ [\w."]+,\ line\ \d+(?:,\ column\ [\w"]+)?
    )""",
    re.MULTILINE | re.VERBOSE,
)


def kept(event: Any) -> Any:
    """The event without what an error in it quotes of the database's data."""
    match event:
        case ScriptFailed(error=PgError() as error):
            told = without_values(error)
            message, advice = (text.replace(error.message, told.message) for text in (event.message, event.advice))
            return replace(event, error=told, message=message, advice=advice)
        case ScriptFailed():
            return replace(event, message=_message(event.message))
        case VerificationFinished(error=PgError() as error):
            told = without_values(error)
            return replace(event, error=told, found=event.found.replace(error.message, told.message))
        case ItemProbed(error=str() as words):
            return replace(event, error=_message(words), found=event.found.replace(words, _message(words)))
        case BaselineTaken(error=str() as words):
            return replace(event, error=_message(words))
    return event


def without_values(error: PgError) -> PgError:
    """The error with ``?`` for what it quotes of the database's data; of its context the places alone.

    ``Key (email)=(?) already exists.`` What a function raises in words of its own is not touched.
    """
    detail = error.detail
    if error.sqlstate.startswith(_DATA_EXCEPTION):
        detail = _QUOTED.sub('"?"', detail)
    elif error.sqlstate in _FAILING_ROW:
        detail = _ROW.sub("(?)", detail)
    else:
        detail = _KEY.sub(r"\1?)", detail)
    places = "\n".join(_PLACE.findall(error.context))
    return replace(error, message=_message(error.message), detail=detail, context=places)


def _message(text: str) -> str:
    return _UNREADABLE.sub(r'\1"?"', text)
