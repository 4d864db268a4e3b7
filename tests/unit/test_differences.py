"""Two fingerprints in words: what is told once, what is ranked how, and what is not compared."""

# One case a line, however long.
# ruff: noqa: E501

import pytest

from tui.engine.differences import compare
from tui.engine.proof import Difference
from tui.postgres.fingerprint import UNREAD, CatalogObject, Fingerprint
from tui.postgres.one_form import one_form
from tui.postgres.table_data import SequencePosition, TableData


def thing(kind: str, name: str, on: str = "", **facts: str) -> CatalogObject:
    return CatalogObject(
        kind, name, on, tuple(sorted((fact.replace("_", " "), value) for fact, value in facts.items()))
    )


def column(table: str, name: str, position: int, **facts: str) -> CatalogObject:
    return thing("column", f"{table}.{name}", table, position=str(position), type="integer", **facts)


def table(name: str, *columns: str) -> tuple[CatalogObject, ...]:
    return (thing("table", name), *(column(name, one, number) for number, one in enumerate(columns, 1)))


def told(before: tuple[CatalogObject, ...], after: tuple[CatalogObject, ...]) -> list[tuple[str, str]]:
    return [(one.rank, one.words) for one in compare(Fingerprint.of(before), Fingerprint.of(after))]


def data(*rows: TableData) -> Fingerprint:
    return Fingerprint.of((), rows, (), "whole")


class TestWholes:
    USERS = (
        *table("dev.users", "id", "name"),
        thing("constraint", "users_pkey", "dev.users", definition="PRIMARY KEY (id)"),
        thing("index", "users_pkey", "dev.users"),
        thing("index", "users_name", "dev.users"),
        thing("sequence", "dev.users_id_seq", owning_column="dev.users.id"),
        thing("publication member", "dev.users", "feed"),
    )

    def test_a_table_is_one_difference(self) -> None:
        words = "(with 2 columns, 1 constraint, 2 indexes, 1 publication member, 1 sequence)"
        assert told(self.USERS, ()) == [("lost", f"table dev.users is gone {words}")]
        assert told((), self.USERS) == [("added", f"table dev.users is new {words}")]

    def test_a_schema_takes_all_with_it(self) -> None:
        schema = thing("schema", "dev")
        other = thing("extension", "dev")
        words = (
            "schema dev is gone (with 2 columns, 1 constraint, 2 indexes, 1 publication member, 1 sequence, 1 table)"
        )
        assert told((schema, other, *self.USERS), (other,)) == [("lost", words)]

    def test_a_quoted_schema(self) -> None:
        assert told((thing("schema", '"a.b"'), *table('"a.b"."c.d"', '"e.f"')), ()) == [
            ("lost", 'schema "a.b" is gone (with 1 column, 1 table)')
        ]

    def test_rows_that_went_with_it(self) -> None:
        before = Fingerprint.of(table("dev.t", "a"), (TableData("dev.t", "whole", 20_003),), (), "whole")
        after = Fingerprint.of((), (), (), "whole")
        assert [one.words for one in compare(before, after)] == ["table dev.t is gone (with 1 column, 20,003 rows)"]

    def test_a_table_that_is_a_view_now(self) -> None:
        after = (thing("view", "dev.users"), column("dev.users", "id", 1, default="7"))
        assert told(self.USERS[:-2], after) == [("lost", "table dev.users is a view now")]

    def test_a_constraint_brings_its_index(self) -> None:
        assert told(self.USERS, tuple(one for one in self.USERS if one.name != "users_pkey")) == [
            ("lost", "constraint users_pkey on dev.users is gone")
        ]

    def test_a_not_null_column_brings_its_constraint(self) -> None:
        base = table("dev.t", "a")[:1]
        constraint = thing("not-null constraint", "t_a_not_null", "dev.t", definition="NOT NULL a")
        assert told((*base, column("dev.t", "a", 1, not_null="yes"), constraint), (*base, column("dev.t", "a", 1))) == [
            ("lost", "column dev.t.a: not null is gone")
        ]


class TestRanks:
    def test_lost_changed_added_order_then_by_object(self) -> None:
        before = (
            *table("z.t", "a", "b"),
            thing("view", "b.v"),
            thing("function", "a.f()", cost="1"),
            thing("view", "a.v"),
        )
        after = (*table("z.t", "b", "a"), thing("type", "c.new"), thing("function", "a.f()", cost="2"))
        found = compare(Fingerprint.of(before), Fingerprint.of(after))
        assert [(one.rank, one.object) for one in found] == [
            ("lost", "a.v"), ("lost", "b.v"), ("changed", "a.f()"), ("added", "c.new"), ("order", "z.t"),
        ]  # fmt: skip
        assert found[-1].words == "columns of z.t stand in another order: b, a; it was a, b"

    def test_a_new_column_in_between_is_no_other_order(self) -> None:
        assert told(table("t", "a", "c"), table("t", "a", "b", "c")) == [("added", "column t.b is new")]

    def test_one_that_a_set_cannot_keep_apart(self) -> None:
        one = Difference("lost", "dev.t", "x")
        assert len({one, Difference("lost", "dev.t", "x")}) == 1


class TestWords:
    @pytest.mark.parametrize(
        ("before", "after", "words"),
        [
            (thing("index", "i", "t", validity="not valid"), thing("index", "i", "t"), "index i on t is valid (was not valid)"),
            (thing("view", "v", definition="a\nb\nc"), thing("view", "v", definition="a\nb\nd"), "view v: definition changed (first differing line 3)"),
            (thing("view", "v", definition="a\nb"), thing("view", "v", definition="a\nb\nd"), "view v: definition changed (first differing line 3)"),
            (thing("view", "v", definition="x" * 200 + "1" + "z" * 200), thing("view", "v", definition="x" * 200 + "2" + "z" * 200), f"view v: definition changed: was …{'x' * 30}1{'z' * 29}…, is …{'x' * 30}2{'z' * 29}…"),
            (thing("table", "t", grants="SELECT to a\nUPDATE to a"), thing("table", "t", grants="UPDATE to a"), "grant SELECT on t to a is gone"),
            (thing("function", "f()"), thing("function", "f()", revoked_grants="EXECUTE to PUBLIC"), "grant EXECUTE on function f() to PUBLIC is gone"),
            (thing("database", "itself", connection_limit="5"), thing("database", "itself"), "database itself: connection limit was 5, is the default"),
            (thing("policy", "p", "t", using="(a)"), thing("policy", "p", "t"), "policy p on t: using is gone (was (a))"),
        ],
    )  # fmt: skip
    def test_a_fact(self, before: CatalogObject, after: CatalogObject, words: str) -> None:
        assert [one[1] for one in told((before,), (after,))] == [words]


class TestNotCompared:
    def test_what_the_server_refused(self) -> None:
        refused = thing(UNREAD, "user mappings", why="permission denied")
        assert told((refused,), (refused,)) == [("changed", "user mappings were not compared: permission denied")]

    def test_rows_read_once(self) -> None:
        found = compare(data(), Fingerprint.of(()))
        assert [one.words for one in found] == ["rows were not compared: read whole before and not at all after"]

    def test_a_table_that_grew_large(self) -> None:
        found = compare(data(TableData("t", "whole", 9)), data(TableData("t", "ends")))
        assert [one.words for one in found] == [
            "rows of t were not compared: read all before and only the ends of its primary key after"
        ]

    def test_a_table_and_a_sequence_without_right(self) -> None:
        unread = Fingerprint.of(
            (),
            (TableData("t", "unread", why="no right to read it"),),
            (SequencePosition("s", None, 1, "no right"),),
            "whole",
        )
        assert [one.words for one in compare(unread, unread)] == [
            "the position of sequence s was not compared: no right",
            "rows of t were not compared: no right to read it",
        ]


class TestRows:
    def test_fewer_and_more(self) -> None:
        few, many = data(TableData("t", "whole", 20_000)), data(TableData("t", "whole", 20_003))
        assert compare(many, few) == (Difference("lost", "t", "t has 3 rows less (20,000, was 20,003)"),)
        assert compare(few, many) == (Difference("added", "t", "t has 3 rows more (20,003, was 20,000)"),)

    @pytest.mark.parametrize(
        ("increment", "was", "now", "back"), [(1, 9, 8, True), (1, 8, 9, False), (-1, -9, -8, True)]
    )
    def test_a_sequence_goes_back(self, increment: int, was: int, now: int, back: bool) -> None:
        one, other = (Fingerprint.of((), (), (SequencePosition("s", at, increment),), "whole") for at in (was, now))
        assert bool(compare(one, other)) == back


class TestOneForm:
    @pytest.mark.parametrize(
        ("printed", "kept"),
        [
            ("((a)::text = ANY ((ARRAY['x'::character varying, 'y, (z)'::character varying])::text[]))", "((a)::text = ANY (ARRAY[('x'::character varying)::text, ('y, (z)'::character varying)::text]))"),
            ("(((a >= 1) AND (a <= 2)) AND b)", "((a >= 1) AND (a <= 2) AND b)"),
            ("((a OR (b)) OR (c))", "(a OR (b) OR (c))"),
            ("(((a) AND (b)) OR (c))", "(((a) AND (b)) OR (c))"),
            ("(x ROWS BETWEEN (1) AND (2))", "(x ROWS BETWEEN (1) AND (2))"),
            ("('((a) AND (b)) AND c' = x)", "('((a) AND (b)) AND c' = x)"),
            ("(unbalanced) AND (", "(unbalanced) AND ("),
            ("(" * 5000 + ") AND (" + ")" * 5000, "(" * 5000 + ") AND (" + ")" * 5000),
        ],
    )  # fmt: skip
    def test_it_is_the_form_that_stays(self, printed: str, kept: str) -> None:
        assert one_form(printed) == kept
        assert one_form(kept) == kept
