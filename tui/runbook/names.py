"""What the names and strings of a statement mean: folded, unquoted, with their escapes resolved as the server does."""

import re
from dataclasses import dataclass

from tui.runbook.lexer import symbol, tokens

_UPPER_TO_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_ESCAPE = re.compile(
    r"\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8}))|(.))|''", re.DOTALL
)
_CONTROL = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_STRINGS = ("string", "estring")


class NotRead(ValueError):
    """Another token stands here than the statement's grammar has."""


@dataclass(frozen=True, slots=True)
class Name:
    """A name as the catalog has it, but for the server's cut at 63 bytes. ``schema`` None: the search path decides."""

    schema: str | None
    name: str

    @property
    def sql(self) -> str:
        """The name as SQL, every part quoted."""
        return ".".join(quoted(part) for part in (self.schema, self.name) if part is not None)


def quoted(name: str) -> str:
    """A name as SQL, in quotes."""
    return '"' + name.replace('"', '""') + '"'


class Reader:
    """The tokens of a statement, read from the first to the last.

    Words compare in upper case; a quoted name or a string is never a word. Raises ValueError, of which NotRead is one,
    where the server would refuse the text too.
    """

    def __init__(self, text: str) -> None:
        found = list(tokens(text))
        self._kinds = [kind for kind, _, _ in found]
        self._texts = [text[start:end] for _, start, end in found]
        self._words = [symbol(text, kind, start, end) for kind, start, end in found]
        self._at = 0

    @property
    def word(self) -> str:
        """The next token; empty at the end."""
        return self._words[self._at] if self._at < len(self._words) else ""

    @property
    def rest(self) -> list[str]:
        """All tokens that were not read."""
        return self._words[self._at :]

    @property
    def at_name(self) -> bool:
        return self._kind in ("word", "name")

    @property
    def _kind(self) -> str:
        return self._kinds[self._at] if self._at < len(self._kinds) else "end"

    def take(self, *words: str) -> bool:
        """Reads these words if they come next."""
        if self._words[self._at : self._at + len(words)] != list(words):
            return False
        self._at += len(words)
        return True

    def take_one(self, *words: str) -> str:
        """Reads one of these words if it comes next; empty if none does."""
        return self.skip() if self.word in words else ""

    def expect(self, *words: str) -> None:
        """Reads these words; raises NotRead."""
        if not self.take(*words):
            raise NotRead(" ".join(words))

    def skip(self) -> str:
        """Reads any token; raises NotRead at the end."""
        if not (word := self.word):
            raise NotRead("the end")
        self._at += 1
        return word

    def ident(self) -> str:
        """Reads a name of one part; raises NotRead."""
        if not self.at_name:
            raise NotRead("a name")
        kind, text = self._kind, self._texts[self._at]
        self._at += 1
        if kind == "word":
            return text.translate(_UPPER_TO_LOWER)
        if text[0] == '"':
            return text[1:-1].replace('""', '"')
        return _resolved(text[3:-1].replace('""', '"'), self._uescape())

    def name(self) -> Name:
        """Reads a name with or without its schema (a database before it must be this one); raises NotRead."""
        parts = [self.ident()]
        while self.take("."):
            parts.append(self.ident())
        return Name(parts[-2] if len(parts) > 1 else None, parts[-1])

    def string(self) -> str:
        """Reads a string constant of any form, with its parts on later lines; raises NotRead."""
        kind = self._kind
        if kind == "dollar":
            text = self._texts[self._at]
            self._at += 1
            tag = text.index("$", 1) + 1
            return text[tag:-tag]
        if kind not in _STRINGS:
            raise NotRead("a string")
        first = self._texts[self._at]
        body = ""
        while self._kind == kind:
            text = self._texts[self._at]
            body += text[text.index("'") + 1 : -1]
            self._at += 1
        if kind == "estring":
            return _unescaped(body)
        body = body.replace("''", "'")
        return _resolved(body, self._uescape()) if first[0] in "uU" else body

    def _uescape(self) -> str:
        return self.string() if self.take("UESCAPE") else "\\"

    def group(self) -> list["Reader"]:
        """Reads ``(…)`` and gives what stands between its commas; raises NotRead."""
        self.expect("(")
        found = [self._slice(self._at, self._at)]
        begin, depth = self._at, 1
        while depth:
            word = self.skip()
            depth += (word in ("(", "[")) - (word in (")", "]"))
            if (word == "," and depth == 1) or not depth:
                found[-1] = self._slice(begin, self._at - 1)
                begin = self._at
                if depth:
                    found.append(self._slice(begin, begin))
        return found

    def _slice(self, begin: int, end: int) -> "Reader":
        part = Reader("")
        part._kinds, part._texts, part._words = self._kinds[begin:end], self._texts[begin:end], self._words[begin:end]
        return part


def _resolved(text: str, escape: str) -> str:
    """A ``U&`` text without its escapes: four hexadecimal digits, ``+`` and six, or the character twice."""
    mark = re.escape(escape)
    found = re.sub(
        rf"{mark}(?:([0-9A-Fa-f]{{4}})|\+([0-9A-Fa-f]{{6}})|({mark}))",
        lambda m: m[3] or chr(min(int(m[1] or m[2], 16), 0x10FFFF)),
        text,
    )
    return found.encode("utf-16-le", "surrogatepass").decode("utf-16-le")


def _unescaped(text: str) -> str:
    """The inside of an ``E`` string without its escapes; octal and ``\\x`` ones are bytes of UTF-8."""

    def one(found: re.Match[str]) -> str:
        octal, byte, short, long, character = found.groups()
        if octal or byte:
            return bytes([int(octal, 8) & 255 if octal else int(byte, 16)]).decode("utf-8", "surrogateescape")
        if short or long:
            return chr(min(int(short or long, 16), 0x10FFFF))
        return _CONTROL.get(character, character) if character else "'"

    # Through UTF-16, where two halves of a surrogate pair become their character.
    paired = _ESCAPE.sub(one, text).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return paired.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
