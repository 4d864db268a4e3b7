"""Where things stand in a TOML file: tomllib and tomlkit give values, neither says in which line."""

import re
from dataclasses import dataclass

Key = str | int
"""A key of a table, or the index of an element of an array."""

_BLANK = re.compile(r"[ \t]*")
_FILLER = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*"{3,5}'
    r"|'''[^']*(?:'(?!'')[^']*)*'{3,5}"
    r'|"[^"\\\n]*(?:\\.[^"\\\n]*)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_OTHER_VALUE = re.compile(r"[^,\]}#\n]*")
_ESCAPE = re.compile(r'\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(["\\btnfr]))')
_ESCAPED = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r"}


@dataclass(frozen=True, slots=True)
class Place:
    """The 1-based line of a key, header or element; for a multi-line string also of its text's first line."""

    line: int
    text_line: int | None = None


def locate(text: str) -> dict[tuple[Key, ...], Place]:
    """The place of every table, key and array element of a TOML text that ``tomllib.loads`` accepts.

    ``("step", 1, "title")`` is the title of the second ``[[step]]``. A table has the line of its header; one that
    only dotted keys or deeper headers make has the line of the first of them.
    """
    return _Locator(text).places


class _Locator:
    def __init__(self, text: str) -> None:
        self.places: dict[tuple[Key, ...], Place] = {}
        self._text = text
        self._at = 0
        self._line = 1
        self._counted = 0
        self._tables: dict[tuple[Key, ...], int] = {}  # arrays of tables and how many elements they have
        table: tuple[Key, ...] = ()
        while self._skip(_FILLER):
            if text.startswith("[", self._at):
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> tuple[Key, ...]:
        line = self._here()
        array = self._text.startswith("[[", self._at)
        self._at += 2 if array else 1
        keys = self._keys()
        self._at += 2 if array else 1
        path: tuple[Key, ...] = ()
        for key in keys[:-1]:
            path = self._element((*path, key))
            self.places.setdefault(path, Place(line))
        path = (*path, keys[-1])
        self.places.setdefault(path, Place(line))
        if array:
            self._tables[path] = self._tables.get(path, 0) + 1
            path = self._element(path)
            self.places[path] = Place(line)
        return path

    def _element(self, path: tuple[Key, ...]) -> tuple[Key, ...]:
        """The newest element, where the path is an array of tables; else the path."""
        return (*path, self._tables[path] - 1) if path in self._tables else path

    def _pair(self, table: tuple[Key, ...]) -> None:
        line = self._here()
        path = table
        for key in self._keys():
            path = (*path, key)
            self.places.setdefault(path, Place(line))
        self._at += 1  # the =
        self._skip(_BLANK)
        self._value(path, line)

    def _keys(self) -> list[str]:
        """A dotted key, and the blanks after it."""
        keys = []
        while True:
            self._skip(_BLANK)
            found = _BARE_KEY.match(self._text, self._at)
            if found is not None:
                keys.append(found.group())
                self._at = found.end()
            else:
                keys.append(_unquoted(self._string()))
            self._skip(_BLANK)
            if not self._text.startswith(".", self._at):
                return keys
            self._at += 1

    def _value(self, path: tuple[Key, ...], line: int) -> None:
        start = self._text[self._at]
        if start in "\"'":
            first = self._here()
            token = self._string()
            if token.startswith(('"""', "'''")):
                newline = token.startswith(("\n", "\r\n"), 3)
                self.places[path] = Place(line, first + 1 if newline else first)
        elif start == "[":
            self._array(path)
        elif start == "{":
            self._inline_table(path)
        else:
            self._skip(_OTHER_VALUE)

    def _array(self, path: tuple[Key, ...]) -> None:
        self._at += 1
        index = 0
        while self._skip(_FILLER) and self._text[self._at] != "]":
            if self._text[self._at] == ",":
                self._at += 1
                continue
            line = self._here()
            self.places[(*path, index)] = Place(line)
            self._value((*path, index), line)
            index += 1
        self._at += 1

    def _inline_table(self, path: tuple[Key, ...]) -> None:
        self._at += 1
        while self._skip(_FILLER) and self._text[self._at] != "}":
            if self._text[self._at] == ",":
                self._at += 1
                continue
            self._pair(path)
        self._at += 1

    def _string(self) -> str:
        found = _STRING.match(self._text, self._at)
        if found is None:
            raise ValueError(f"no valid TOML at line {self._here()}")
        self._at = found.end()
        return found.group()

    def _skip(self, pattern: re.Pattern[str]) -> bool:
        """Go behind the pattern; False at the end of the text."""
        found = pattern.match(self._text, self._at)
        if found is not None:
            self._at = found.end()
        return self._at < len(self._text)

    def _here(self) -> int:
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line


def _unquoted(token: str) -> str:
    """The key that a quoted key means."""
    if token.startswith("'"):
        return token[1:-1]
    return _ESCAPE.sub(lambda e: chr(int(e[1] or e[2], 16)) if e[1] or e[2] else _ESCAPED.get(e[3], e[3]), token[1:-1])
