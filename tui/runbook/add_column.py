"""What a column that is added makes the server do: keep its default aside, check the rows, or write the table anew."""

from tui.runbook.foreseen import SRE, Findings, word_set
from tui.runbook.names import Name, Reader
from tui.runbook.query_locks import HARMLESS

_VOLATILE = word_set(
    """clock_timestamp gen_random_uuid uuidv4 uuidv7 uuid_generate_v1 uuid_generate_v1mc uuid_generate_v4 random
    random_normal nextval setval currval lastval timeofday gen_random_bytes gen_salt"""
)
_SERIAL = frozenset(["serial", "serial2", "serial4", "serial8", "smallserial", "bigserial"])
_BUILT_IN = word_set(
    """bigint bit bool boolean box bpchar bytea char character cidr circle date dec decimal double float float4
    float8 inet int int2 int4 int8 integer interval json jsonb jsonpath line lseg macaddr macaddr8 money name
    national nchar numeric oid path pg_lsn point polygon real regclass smallint text time timestamp timestamptz
    timetz tsquery tsvector uuid varbit varchar xml int4range int8range numrange tsrange tstzrange daterange
    int4multirange int8multirange nummultirange tsmultirange tstzmultirange datemultirange"""
)
_AFTER_TYPE = word_set(
    """NOT NULL DEFAULT CHECK UNIQUE PRIMARY REFERENCES GENERATED CONSTRAINT COLLATE STORAGE COMPRESSION USING
    DEFERRABLE INITIALLY ENFORCED NO OPTIONS"""
)
_AFTER_DEFAULT = _AFTER_TYPE - {"COLLATE", "USING"}


def add_column(words: Reader, found: Findings) -> None:
    """Reads what follows the column's name, up to the comma before the next action. Raises NotRead."""
    valued = _type(words, found)
    not_null = False
    references: Name | None = None
    while words.word and words.word != ",":
        if words.take("DEFAULT"):
            valued = _default(words, found)
        elif words.take("GENERATED"):
            valued = _generated(words, found)
        elif words.take("REFERENCES"):
            references = words.name()
        elif words.take("NOT", "NULL"):
            not_null = True
        elif words.take("PRIMARY", "KEY"):
            found.extend()
            found.work(scans="yes")
        elif words.take_one("CHECK", "UNIQUE"):
            found.work(scans="yes")
        elif words.word == "(":
            words.group()
        else:
            words.skip()
    if not_null and not valued:
        found.extend()
        found.work(scans="yes")
    if references is not None:
        found.lock(references, SRE)
        if valued:
            found.extend()
            found.work(scans="yes")


def _type(words: Reader, found: Findings) -> bool:
    """Reads the type; True if it fills the column of every row."""
    words.take("SETOF")
    kind = words.name()
    own = kind.schema not in (None, "pg_catalog")
    fills = not own and kind.name in _SERIAL
    if fills:
        found.work(rewrites="yes", scans="yes")
    elif own or kind.name not in _BUILT_IN:
        found.work(rewrites="depends", scans="depends")
        found.say(f"rewrites if {kind.name} is a domain with constraints")
    while words.word and words.word not in (",", *_AFTER_TYPE):
        if words.word == "(":
            words.group()
        else:
            words.skip()
    return fills


def _default(words: Reader, found: Findings) -> bool:
    """Reads a default; True unless it is NULL. One value for all rows is kept aside, others are written to each."""
    if words.take("NULL"):
        return False
    for function in _functions(words):
        if function in _VOLATILE:
            found.work(rewrites="yes", scans="yes")
        elif function not in HARMLESS:
            found.work(rewrites="depends", scans="depends")
            found.say(f"rewrites if {function}() is volatile")
    return True


def _generated(words: Reader, found: Findings) -> bool:
    """Reads what follows GENERATED; True if every row gets a value of its own written."""
    if not words.take("ALWAYS"):
        words.expect("BY", "DEFAULT")
    words.expect("AS")
    if words.take("IDENTITY"):
        written = True
    else:
        words.group()
        written = words.take("STORED")
    if written:
        found.work(rewrites="yes", scans="yes")
    return written


def _functions(words: Reader) -> list[str]:
    """The functions that a default calls; a schema other than pg_catalog stays with the name. Reads the expression."""
    found = []
    first = True
    while words.word and (first or words.word not in (",", *_AFTER_DEFAULT)):
        first = False
        if words.take(":", ":"):
            words.name()
            if words.word == "(":
                words.group()
        elif words.at_name:
            name = words.name()
            if words.word == "(":
                found.append(name.name if name.schema in (None, "pg_catalog") else f"{name.schema}.{name.name}")
        elif words.word == "(":
            for part in words.group():
                while part.word:
                    found += _functions(part)
                    part.take(",")
        else:
            words.skip()
    return found
