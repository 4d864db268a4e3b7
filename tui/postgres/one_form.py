"""Expressions as the server prints them, brought into one form.

What PostgreSQL prints of an expression is not always what it prints once it has read that again, as a restore does:

- ``varchar IN ('a', 'b')`` is printed as ``(ARRAY['a'::character varying, …])::text[]``; read again, the cast goes to
  the elements: ``ARRAY[('a'::character varying)::text, …]`` (transformArrayExpr in parse_expr.c).
- ``x BETWEEN 1 AND 2 AND y`` is printed as one AND within another; read again, they are one list (makeAndExpr and
  makeOrExpr in gram.y).

The second form is taken. Everything else of an expression stays as it was printed.
"""

import re
from dataclasses import dataclass

_TOKEN = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|[()\[\]]|[^'"()\[\]]+|['"]""")
_CAST = re.compile(r'::(?:"(?:[^"]|"")+"|[\w .])+')
_CLOSES = {")": "(", "]": "["}


@dataclass(slots=True)
class _Group:
    """What stands in one pair of brackets. ``connective``: what joins its parts, `` AND `` or `` OR ``."""

    opened: str
    pieces: list["str | _Group"]
    connective: str
    text: str


def may_differ(text: str) -> bool:
    """The text may be another one than its one form: nothing but what is named above changes it."""
    return "(ARRAY[" in text or ") AND " in text or ") OR " in text


def one_form(text: str) -> str:
    """The text with its expressions in the form that they keep over dump and restore."""
    if not may_differ(text):
        return text
    # A stack and no recursion: an expression may be nested deeper than Python's calls.
    stack: list[tuple[str, list[str | _Group]]] = [("", [])]
    for token in _TOKEN.findall(text):
        if token in ("(", "["):
            stack.append((token, []))
        elif token in _CLOSES:
            opened, pieces = stack.pop()
            if opened != _CLOSES[token]:
                return text
            stack[-1][1].append(_group(opened, pieces))
        else:
            stack[-1][1].append(token)
    return text if len(stack) != 1 else _text(_cast_elements(stack[0][1]))


def _text(pieces: "list[str | _Group]") -> str:
    return "".join(piece if isinstance(piece, str) else piece.text for piece in pieces)


def _group(opened: str, pieces: "list[str | _Group]") -> _Group:
    pieces = _cast_elements(pieces)
    plain = [_plain(piece) for piece in pieces if isinstance(piece, str)]
    found = [word for word in (" AND ", " OR ") if any(word in piece for piece in plain)]
    # The server brackets one within the other: where both stand side by side it is no list of its.
    connective = found[0] if len(found) == 1 else ""
    if connective:
        pieces = _flat(pieces, connective)
    text = f"{opened}{_text(pieces)}{')' if opened == '(' else ']'}"
    return _Group(opened, pieces, connective, text)


def _plain(piece: str) -> str:
    return "" if piece[0] in "'\"" else piece


def _flat(pieces: "list[str | _Group]", connective: str) -> "list[str | _Group]":
    flat: list[str | _Group] = []
    for number, piece in enumerate(pieces):
        before = pieces[number - 1] if number else connective
        after = pieces[number + 1] if number + 1 < len(pieces) else connective
        if (
            isinstance(piece, _Group)
            and piece.opened == "("
            and piece.connective == connective
            and isinstance(before, str)
            and before.endswith(connective)
            and isinstance(after, str)
            and after.startswith(connective)
        ):
            flat.extend(piece.pieces)
        else:
            flat.append(piece)
    return flat


def _cast_elements(pieces: "list[str | _Group]") -> "list[str | _Group]":
    """``(ARRAY[a, b])::text[]`` becomes ``ARRAY[(a)::text, (b)::text]``."""
    done: list[str | _Group] = []
    at = 0
    while at < len(pieces):
        piece = pieces[at]
        elements = _array(piece)
        if elements is None:
            done.append(piece)
            at += 1
            continue
        end = at + 1
        while end < len(pieces) and isinstance(pieces[end], str):
            end += 1
        cast = _text(pieces[at + 1 : end])
        bounds = pieces[end] if end < len(pieces) else None
        if isinstance(bounds, _Group) and bounds.text == "[]" and _CAST.fullmatch(cast):
            done += ["ARRAY", _group("[", [", ".join(f"({element}){cast}" for element in elements)])]
            at = end + 1
        else:
            done.append(piece)
            at += 1
    return done


def _array(piece: "str | _Group") -> list[str] | None:
    """The elements of ``(ARRAY[…])``, None of anything else."""
    if isinstance(piece, str) or piece.opened != "(" or len(piece.pieces) != 2 or piece.pieces[0] != "ARRAY":
        return None
    inner = piece.pieces[1]
    if isinstance(inner, str):
        return None
    elements: list[str] = [""]
    for part in inner.pieces:
        if isinstance(part, str) and part[0] not in "'\"":
            first, *others = part.split(", ")
            elements[-1] += first
            elements += others
        else:
            elements[-1] += part if isinstance(part, str) else part.text
    return elements
