"""The tables that a query or a change of rows names, wherever it stands: in CREATE VIEW, in a function's body.

No parser: FROM, JOIN, USING and the target of a command are looked for, level of parentheses by level.
"""

from tui.runbook.foreseen import AS, RE, RS, Findings, word_set
from tui.runbook.names import Name, NotRead, Reader

_READS = ("SELECT", "WITH", "VALUES", "TABLE")
_CHANGES = ("INSERT", "UPDATE", "DELETE", "MERGE")
_ENDS_FROM = word_set(
    """WHERE GROUP HAVING ORDER LIMIT OFFSET FETCH WINDOW UNION INTERSECT EXCEPT FOR RETURNING SET WHEN"""
)
# What can follow a table in the place of an alias.
_NO_ALIAS = _ENDS_FROM | word_set(
    """ON JOIN INNER LEFT RIGHT FULL CROSS NATURAL USING TABLESAMPLE WITH AS DO DEFAULT VALUES OVERRIDING SELECT
    TABLE NOTHING"""
)
_ALSO = {
    "INSERT": "also ROW SHARE on the tables that its foreign keys reference, and what its triggers lock",
    "UPDATE": "also what its foreign keys and triggers lock",
    "DELETE": "also the tables that reference it by foreign key, and what its triggers lock",
    "MERGE": "also what its foreign keys and triggers lock",
}
_SEQUENCE_FUNCTIONS = frozenset(["nextval", "setval", "currval"])
# Words before "(" that are syntax or types, and functions of pg_catalog that lock no relation.
HARMLESS = word_set(
    """all and any array as between by case check conflict cube distinct do else except exists filter from group
    having in intersect interval is into join key lateral like limit materialized not on only or order offset
    over partition recursive returning rollup row rows select set sets similar some symmetric tablesample then
    to union using values when where window with within grouping insert operator bernoulli system json_table
    xmltable columns path bit bpchar char character decimal float numeric time timestamp timestamptz timetz
    varbit varchar varying
    abs age any_value array_agg array_append array_cat array_dims array_length array_lower array_ndims
    array_position array_positions array_prepend array_remove array_replace array_to_json array_to_string
    array_to_tsvector array_upper ascii avg bit_and bit_length bit_or bool_and bool_or btrim cardinality cast
    cbrt ceil ceiling char_length chr clock_timestamp coalesce col_description concat concat_ws corr cos count
    crypt cume_dist current_database current_schema current_schemas current_setting current_time
    current_timestamp current_user date date_bin date_part date_trunc daterange decode degrees dense_rank digest
    div encode every exp extract first_value floor format format_type gcd gen_random_bytes gen_random_uuid
    gen_salt generate_series generate_subscripts greatest has_table_privilege hashtext hashtextextended hmac
    initcap int4range int8range isempty isfinite json_agg json_array json_array_elements json_array_length
    json_arrayagg json_build_array json_build_object json_each json_each_text json_exists json_extract_path
    json_extract_path_text json_object json_object_agg json_object_keys json_objectagg json_populate_record
    json_query json_scalar json_to_record json_to_recordset json_typeof json_value jsonb_agg jsonb_array
    jsonb_array_elements jsonb_array_elements_text jsonb_array_length jsonb_build_array jsonb_build_object
    jsonb_delete_path jsonb_each jsonb_each_text jsonb_extract_path jsonb_extract_path_text jsonb_insert
    jsonb_object jsonb_object_agg jsonb_object_keys jsonb_path_exists jsonb_path_query jsonb_path_query_array
    jsonb_path_query_first jsonb_populate_record jsonb_pretty jsonb_set jsonb_strip_nulls jsonb_to_record
    jsonb_to_recordset jsonb_typeof justify_interval lag last_value lcm lead least left length ln localtime
    localtimestamp log lower lower_inc lpad ltrim make_date make_interval make_timestamp make_timestamptz max
    md5 min min_scale mod mode normalize now nth_value ntile nullif num_nonnulls num_nulls numrange
    obj_description octet_length overlay percent_rank percentile_cont percentile_disc pg_advisory_lock
    pg_advisory_lock_shared pg_advisory_unlock pg_advisory_unlock_all pg_advisory_unlock_shared
    pg_advisory_xact_lock pg_advisory_xact_lock_shared pg_backend_pid pg_blocking_pids pg_current_xact_id
    pg_get_serial_sequence pg_notify pg_sleep pg_try_advisory_lock pg_try_advisory_lock_shared
    pg_try_advisory_xact_lock pg_try_advisory_xact_lock_shared pg_typeof pi plainto_tsquery position power
    quote_ident quote_literal quote_nullable radians random rank regexp_count regexp_instr regexp_like
    regexp_match regexp_matches regexp_replace regexp_split_to_array regexp_split_to_table regexp_substr repeat
    replace reverse right round row_number row_to_json rpad rtrim scale set_config setseed setweight sha256 sign
    sin split_part sqrt starts_with statement_timestamp stddev stddev_pop stddev_samp string_agg string_to_array
    string_to_table strpos substr substring sum tan timeofday to_char to_date to_hex to_json to_jsonb to_number
    to_regclass to_regproc to_regtype to_timestamp to_tsquery to_tsvector transaction_timestamp translate treat
    trim trim_scale trunc ts_rank tsrange tstzrange txid_current txid_snapshot_xmin unaccent unistr unnest upper
    upper_inc uuid_generate_v4 uuid_nil uuidv4 uuidv7 var_pop var_samp variance version websearch_to_tsquery
    width_bucket xmlagg xmlelement xmlforest"""
)


def read_query(words: Reader, found: Findings) -> None:
    """Adds the locks of the queries from the next word to the end. Raises ValueError where they make no sense."""
    while words.word:
        _Level(words, found, frozenset()).read(may_change=True)
        if words.word:
            words.skip()


def run_query(words: Reader, found: Findings) -> None:
    """A query behind a head of its own, such as PREPARE … AS; it may be EXECUTE. Raises ValueError."""
    if words.word == "EXECUTE":
        found.unknown("what the prepared statement locks is not known here")
    else:
        read_query(words, found)


def store_query(words: Reader, found: Findings) -> None:
    """A query that is stored, not run: its tables are locked, no row is read, no function called. Raises ValueError."""
    stored = Findings(runs=False)
    read_query(words, stored)
    found.adopt(stored)


class _Level:
    """One level of parentheses: a query, a list of FROM, or an expression."""

    def __init__(self, words: Reader, found: Findings, ctes: frozenset[str]) -> None:
        self._words = words
        self._found = found
        self._ctes = ctes
        self._tables: list[tuple[Name, str]] = []
        """What its FROM names, with the name by which FOR UPDATE OF knows it."""

    def read(self, *, may_change: bool = False, lists_tables: bool = False) -> None:
        """Reads up to the parenthesis or semicolon that closes the level, or the end."""
        words = self._words
        if words.take("WITH"):
            self._with()
        command = words.take_one(*_READS, *(_CHANGES if may_change else ()))
        if command in _CHANGES:
            self._target(command)
        elif command == "TABLE":
            self._item()
        in_from = expects = lists_tables
        searches = False
        before = last = ""
        while (word := words.word) and word not in (")", ";"):
            if expects:
                self._item()
                expects = False
                before = last = ""
                continue
            if word == "SELECT":
                command = command or word
            if word == "USING" and command in ("DELETE", "MERGE") and not in_from:
                in_from = expects = words.take(word)
            elif word == "JOIN" and in_from:
                expects = words.take(word)
            elif word == "FROM" and command and not (last == "DISTINCT" and before in ("IS", "NOT")):
                in_from = expects = words.take(word)
            elif word == "," and in_from:
                expects = words.take(word)
            elif word == "FOR" and command and words.take(word):
                in_from = False
                self._for_rows()
            else:
                in_from = in_from and word not in _ENDS_FROM
                searches = searches or word == "WHERE"
                self._step(last)
            before, last = last, word
        if expects:
            raise NotRead("a table")
        if command in ("UPDATE", "DELETE") and not searches:
            self._found.work(scans="yes")
        elif self._tables and command:
            self._found.work(scans="depends")
            self._found.say("reads a table whole where no index serves")

    def _with(self) -> None:
        words = self._words
        words.take("RECURSIVE")
        while True:
            self._ctes |= {words.ident()}
            if words.word == "(":
                words.group()
            words.expect("AS")
            if words.take("NOT"):
                words.expect("MATERIALIZED")
            else:
                words.take("MATERIALIZED")
            self._nested(may_change=True)
            # SEARCH and CYCLE have no comma that a query could follow.
            while words.word and words.word not in (",", ")", *_READS, *_CHANGES):
                words.skip()
            if not words.take(","):
                return

    def _target(self, command: str) -> None:
        """Reads what a command changes."""
        words = self._words
        if command == "DELETE":
            words.expect("FROM")
        elif command != "UPDATE":
            words.expect("INTO")
        name = table(words)
        self._found.lock(name, RE)
        self._found.say(_ALSO[command])
        if words.take("AS") or (words.at_name and words.word not in _NO_ALIAS):
            words.ident()
        if command == "INSERT" and words.word == "(":
            if (words.rest[1:2] or [""])[0] in (*_READS, "("):
                self._nested()
            else:
                words.group()
        elif command != "INSERT":
            self._tables.append((name, name.name))

    def _item(self) -> None:
        """One item of FROM."""
        words = self._words
        words.take("LATERAL")
        if words.word == "(":
            self._tables += self._nested(from_item=True)
            self._alias()
        elif words.take("ROWS", "FROM"):
            self._nested()
            self._alias()
        else:
            name = table(words)
            if words.word == "(":
                self._call(name)
                self._alias()
                return
            alias = self._alias()
            if name.schema is not None or name.name not in self._ctes:
                self._found.lock(name, AS)
                self._tables.append((name, alias or name.name))

    def _alias(self) -> str:
        words = self._words
        words.take("WITH", "ORDINALITY")
        alias = ""
        if words.take("AS") or words.word not in _NO_ALIAS:
            alias = words.ident() if words.at_name else ""
            if words.word == "(":
                words.group()
        return alias

    def _nested(self, *, may_change: bool = False, from_item: bool = False) -> list[tuple[Name, str]]:
        words = self._words
        words.expect("(")
        level = _Level(words, self._found, self._ctes)
        level.read(may_change=may_change, lists_tables=from_item and words.word not in _READS)
        words.expect(")")
        return level._tables

    def _for_rows(self) -> None:
        """FOR UPDATE and its like lock the tables of FROM, or those after OF."""
        words = self._words
        while words.take_one("NO", "KEY"):
            pass
        if not words.take_one("UPDATE", "SHARE"):
            return
        of = _names(words) if words.take("OF") else []
        for name, alias in self._tables:
            if not of or alias in of:
                self._found.lock(name, RS)

    def _step(self, before: str) -> None:
        """Reads one token, a name with its dots, or what stands in parentheses."""
        words = self._words
        if words.word == "(":
            self._nested()
        elif words.at_name and before not in ("AS", "."):
            parts = [words.ident()]
            while words.take(".") and words.at_name:
                parts.append(words.ident())
            if words.word == "(":
                self._call(Name(parts[-2] if len(parts) > 1 else None, parts[-1]))
        else:
            words.skip()

    def _call(self, function: Name) -> None:
        words = self._words
        known = function.schema in (None, "pg_catalog")
        if known and function.name in _SEQUENCE_FUNCTIONS and self._found.runs:
            words.expect("(")
            try:
                self._found.lock(Reader(words.string()).name(), RE)
            except ValueError:
                self._found.say("also ROW EXCLUSIVE on the sequence")
            _Level(words, self._found, self._ctes).read()
            words.expect(")")
            return
        if not known or function.name not in HARMLESS:
            self._found.calls(function.name)
        self._nested()


def table(words: Reader) -> Name:
    """Reads ``[ONLY] name [*]`` or ``ONLY (name)``; raises NotRead."""
    in_parentheses = words.take("ONLY") and words.take("(")
    name = words.name()
    if in_parentheses:
        words.expect(")")
    words.take("*")
    return name


def _names(words: Reader) -> list[str]:
    found = [words.name().name]
    while words.take(","):
        found.append(words.name().name)
    return found


def tables(words: Reader) -> list[Name]:
    """Reads a list of relations: ``[ONLY] a [*], s.b``; raises NotRead."""
    found = [table(words)]
    while words.take(","):
        found.append(table(words))
    return found


def lock_tables(words: Reader, found: Findings, mode: str) -> None:
    """Reads a list of relations, all locked in this mode; raises NotRead."""
    for name in tables(words):
        found.lock(name, mode)
