"""Scripts with every trap of PostgreSQL's lexical rules, each with the statements it must fall into."""

from typing import Literal, NamedTuple


class Case(NamedTuple):
    """A script and its statements.

    ``oracle`` is the half of pglast that must agree: its parser (the server's grammar); its scanner alone, for scripts
    that lex but do not parse; or none, with the reason beside the case.
    """

    name: str
    sql: str
    texts: list[str]
    oracle: Literal["parser", "scanner", "none"] = "parser"


_ATOMIC = "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC"
_DO = "DO $$ BEGIN PERFORM 1; END $$"

CASES = [
    # Terminators, white space, comments
    Case("empty", "", []),
    Case("blank", " \t\r\n\f ", []),
    Case("only semicolons", ";; ;\n;", []),
    Case("only comments", "-- a\n/* b; */ -- c", []),
    Case("comment without newline at the end", "SELECT 1; -- done; really", ["SELECT 1"]),
    Case("one without semicolon", "SELECT 1", ["SELECT 1"]),
    Case("two", "SELECT 1; SELECT 2;", ["SELECT 1", "SELECT 2"]),
    Case("last without semicolon", "SELECT 1;SELECT 2", ["SELECT 1", "SELECT 2"]),
    Case("empty ones between", "SELECT 1;;\n; SELECT 2", ["SELECT 1", "SELECT 2"]),
    Case("comments outside are cut off", "/* a */ SELECT 1 /* b */ ; -- c\n", ["SELECT 1"]),
    Case("comments inside stay", "SELECT /* a; */ 1 -- b;\n + 2;", ["SELECT /* a; */ 1 -- b;\n + 2"]),
    Case("CR LF", "SELECT 1;\r\n-- x;\r\nSELECT\r\n2;\r\n", ["SELECT 1", "SELECT\r\n2"]),
    Case("lone CR ends a comment", "-- x\rSELECT 1;", ["SELECT 1"]),
    Case("vertical tab is white space", "SELECT\v1\v;\vSELECT 2", ["SELECT\v1", "SELECT 2"]),
    # pglast's grammar takes the mark for a letter; psql takes it off, as the splitter does.
    Case("byte-order mark", "\ufeffSELECT 1;SELECT 2", ["SELECT 1", "SELECT 2"], "none"),
    Case("byte-order mark inside is a letter", "SELECT 1 AS \ufeff;SELECT 2", ["SELECT 1 AS \ufeff", "SELECT 2"]),
    # pglast strips what Python calls white space from its slices; to the server it is a letter.
    Case("no-break space is a letter", "SELECT 1 AS \xa0;SELECT 2", ["SELECT 1 AS \xa0", "SELECT 2"], "none"),
    Case("nested comment", "SELECT /* a /* b; */ c; */ 1; SELECT 2", ["SELECT /* a /* b; */ c; */ 1", "SELECT 2"]),
    Case("comment of stars", "SELECT 1 /***;***/; SELECT 2", ["SELECT 1", "SELECT 2"]),
    Case("comment edge /*/", "SELECT 1 /*/ ; /*/ ; */ */; SELECT 2", ["SELECT 1", "SELECT 2"]),
    Case("shortest comment", "SELECT 1/**/; SELECT 2", ["SELECT 1", "SELECT 2"]),
    Case("quotes in comments", "-- it's\n/* it's \" $$ */ SELECT 1; SELECT 2", ["SELECT 1", "SELECT 2"]),
    Case("comment marks in a string", "SELECT '/* -- '; SELECT '*/'", ["SELECT '/* -- '", "SELECT '*/'"]),
    Case("-- inside a comment", "/* -- */ SELECT 1; SELECT 2", ["SELECT 1", "SELECT 2"]),
    Case("/* inside a line comment", "-- /*\nSELECT 1; SELECT 2", ["SELECT 1", "SELECT 2"]),
    Case("line of dashes", "SELECT 'a' " + "-" * 300 + "\n; SELECT 2", ["SELECT 'a'", "SELECT 2"]),
    # Strings
    Case("semicolon in a string", "SELECT 'a;b'; SELECT 2", ["SELECT 'a;b'", "SELECT 2"]),
    Case("doubled quote", "SELECT 'it''s;'; SELECT 2", ["SELECT 'it''s;'", "SELECT 2"]),
    Case("empty string", "SELECT ''; SELECT ''''", ["SELECT ''", "SELECT ''''"]),
    Case("backslash in a plain string", r"SELECT 'C:\'; SELECT 2", [r"SELECT 'C:\'", "SELECT 2"]),
    Case("string over lines", "SELECT 'a\n;\nb'; SELECT 2", ["SELECT 'a\n;\nb'", "SELECT 2"]),
    Case("E string", r"SELECT E'it\'s;'; SELECT 2", [r"SELECT E'it\'s;'", "SELECT 2"]),
    Case("small e string", r"SELECT e'\\'; SELECT 2", [r"SELECT e'\\'", "SELECT 2"]),
    Case("E string with doubled quote", r"SELECT E'a''\';'; SELECT 2", [r"SELECT E'a''\';'", "SELECT 2"]),
    Case("a name that ends in e", r"SELECT date'2020-01-01\'; SELECT 2", [r"SELECT date'2020-01-01\'", "SELECT 2"]),
    Case("U& string", r"SELECT U&'d\0061t;'; SELECT 2", [r"SELECT U&'d\0061t;'", "SELECT 2"]),
    Case("U& string ends in backslash", r"SELECT U&'\'; SELECT 2", [r"SELECT U&'\'", "SELECT 2"], "scanner"),
    Case("operator & after u", r"SELECT u &'a\'; SELECT 2", [r"SELECT u &'a\'", "SELECT 2"]),
    Case("bit strings", "SELECT B'01', X'1F', b'', x'ff;'; SELECT 2", ["SELECT B'01', X'1F', b'', x'ff;'", "SELECT 2"]),
    Case("national string", r"SELECT N'a;\'; SELECT 2", [r"SELECT N'a;\'", "SELECT 2"]),
    Case("continued string", "SELECT 'a'\n  'b;'; SELECT 2", ["SELECT 'a'\n  'b;'", "SELECT 2"]),
    Case("continued over a comment", "SELECT 'a' -- x\n'b;'; SELECT 2", ["SELECT 'a' -- x\n'b;'", "SELECT 2"]),
    # The server's rule; psql reads line by line and forgets the E.
    Case("continued E string stays E", "SELECT E'a'\n'b\\';'; SELECT 2", ["SELECT E'a'\n'b\\';'", "SELECT 2"]),
    Case("continued by CR LF", "SELECT E'a'\r\n'\\';'; SELECT 2", ["SELECT E'a'\r\n'\\';'", "SELECT 2"]),
    Case("no newline, no continuation", r"SELECT E'a' 'b\'; SELECT 2", [r"SELECT E'a' 'b\'", "SELECT 2"], "scanner"),
    Case(
        "a block comment does not continue",
        "SELECT E'a' /* x\n */ 'b\\'; SELECT 2",
        ["SELECT E'a' /* x\n */ 'b\\'", "SELECT 2"],
        "scanner",
    ),
    # Quoted names
    Case("semicolon in a name", 'SELECT 1 AS "a;b"; SELECT 2', ['SELECT 1 AS "a;b"', "SELECT 2"]),
    Case("doubled quote in a name", 'SELECT 1 AS "a"";b"; SELECT 2', ['SELECT 1 AS "a"";b"', "SELECT 2"]),
    Case("string quote in a name", 'SELECT 1 AS "it\'s"; SELECT 2', ['SELECT 1 AS "it\'s"', "SELECT 2"]),
    Case("name quote in a string", "SELECT '\"'; SELECT '\"'", ["SELECT '\"'", "SELECT '\"'"]),
    Case("backslash in a name", r'SELECT 1 AS "a\"; SELECT 2', [r'SELECT 1 AS "a\"', "SELECT 2"]),
    Case("U& name", r'SELECT 1 AS U&"d\0061;"; SELECT 2', [r'SELECT 1 AS U&"d\0061;"', "SELECT 2"]),
    Case("name in letters of all lands", "SELECT 1 AS größe_数; SELECT 2", ["SELECT 1 AS größe_数", "SELECT 2"]),
    # Dollar quotes
    Case("dollar quote", "SELECT $$a;'b$$; SELECT 2", ["SELECT $$a;'b$$", "SELECT 2"]),
    Case("tagged", "SELECT $x$a;$$;$y$;$x$; SELECT 2", ["SELECT $x$a;$$;$y$;$x$", "SELECT 2"]),
    Case("tag after a near miss", "SELECT $x$;$y$x$; SELECT 2", ["SELECT $x$;$y$x$", "SELECT 2"]),
    Case("tags differ by case", "SELECT $x$;$X$;$x$; SELECT 2", ["SELECT $x$;$X$;$x$", "SELECT 2"]),
    Case("tag with a digit and an umlaut", "SELECT $ä1$;$ä1$; SELECT 2", ["SELECT $ä1$;$ä1$", "SELECT 2"]),
    Case("$ in a name", "SELECT 1 AS a$b$; SELECT 2 AS c$b$", ["SELECT 1 AS a$b$", "SELECT 2 AS c$b$"]),
    Case("parameters", "SELECT $1, $2; SELECT $1", ["SELECT $1, $2", "SELECT $1"]),
    Case("parameter before a dollar quote", "SELECT $1, $$;$$; SELECT 2", ["SELECT $1, $$;$$", "SELECT 2"]),
    Case("dollar quote after a number", "SELECT 1$$;$$; SELECT 2", ["SELECT 1$$;$$", "SELECT 2"], "scanner"),
    Case("no tag begins with a digit", "SELECT $1$ ; SELECT $1$", ["SELECT $1$", "SELECT $1$"], "scanner"),
    Case("comment in a dollar quote", "SELECT $$ /* -- $$; SELECT 2", ["SELECT $$ /* -- $$", "SELECT 2"]),
    Case("DO", f"{_DO}; {_DO};", [_DO, _DO]),
    Case(
        "DO with a language",
        "DO LANGUAGE plpgsql $b$BEGIN; END$b$; SELECT 2",
        ["DO LANGUAGE plpgsql $b$BEGIN; END$b$", "SELECT 2"],
    ),
    Case(
        "nested dollar quotes",
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $f$ BEGIN EXECUTE $$a;b$$; END $f$; SELECT 2",
        ["CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $f$ BEGIN EXECUTE $$a;b$$; END $f$", "SELECT 2"],
    ),
    # Operators and numbers
    Case(
        "json operators",
        "SELECT a->>'b;', c#>>'{d}', e@>'f'; SELECT 2",
        ["SELECT a->>'b;', c#>>'{d}', e@>'f'", "SELECT 2"],
    ),
    Case("# is no comment", "SELECT 1 # 2; SELECT 3", ["SELECT 1 # 2", "SELECT 3"]),
    Case("@-", "SELECT @-1; SELECT @ -2", ["SELECT @-1", "SELECT @ -2"]),
    Case("-- in an operator", "SELECT 1 +-- ;\n2; SELECT 3", ["SELECT 1 +-- ;\n2", "SELECT 3"]),
    Case("/* in an operator", "SELECT 1 @/* ; */ 2; SELECT 3", ["SELECT 1 @/* ; */ 2", "SELECT 3"]),
    Case("*/* is times and a comment", "SELECT 2*/* ; */3; SELECT 4", ["SELECT 2*/* ; */3", "SELECT 4"]),
    Case("minus a negative", "SELECT 1 - -1; SELECT 2", ["SELECT 1 - -1", "SELECT 2"]),
    Case("a line that looks like ->", "SELECT a-/* ; */-b; SELECT 2", ["SELECT a-/* ; */-b", "SELECT 2"]),
    Case("casts and slices", "SELECT a[1:2]::text, b::int[]; SELECT 2", ["SELECT a[1:2]::text, b::int[]", "SELECT 2"]),
    Case("named arguments", "SELECT f(a := 1, b => 2); SELECT 2", ["SELECT f(a := 1, b => 2)", "SELECT 2"]),
    Case("numbers", "SELECT 1.5e-3, .5, 1., 0x1F, 1_000; SELECT 2", ["SELECT 1.5e-3, .5, 1., 0x1F, 1_000", "SELECT 2"]),
    Case("number before a comment", "SELECT 1e--x;\n; SELECT 2", ["SELECT 1e", "SELECT 2"], "none"),  # junk since 15
    # Parentheses
    Case(
        "rule with several actions",
        "CREATE RULE r AS ON INSERT TO t DO ALSO (SELECT 1; SELECT 2); SELECT 3",
        ["CREATE RULE r AS ON INSERT TO t DO ALSO (SELECT 1; SELECT 2)", "SELECT 3"],
    ),
    Case(
        "rule with empty actions",
        "CREATE RULE r AS ON INSERT TO t DO INSTEAD (; SELECT (1);;); SELECT 3",
        ["CREATE RULE r AS ON INSERT TO t DO INSTEAD (; SELECT (1);;)", "SELECT 3"],
    ),
    Case("parenthesis in a string", "SELECT '('; SELECT ')'", ["SELECT '('", "SELECT ')'"]),
    Case("parenthesis in a comment", "SELECT 1 /* ( */; SELECT 2 -- (\n", ["SELECT 1", "SELECT 2"]),
    Case("one ) too many", "SELECT 1); SELECT 2", ["SELECT 1)", "SELECT 2"], "none"),  # pglast's count goes below 0
    Case(
        "union in parentheses", "(SELECT 1) UNION (SELECT 2); (SELECT 3)", ["(SELECT 1) UNION (SELECT 2)", "(SELECT 3)"]
    ),
    # BEGIN ATOMIC
    Case("atomic", f"{_ATOMIC} SELECT 1; SELECT 2; END; SELECT 3", [f"{_ATOMIC} SELECT 1; SELECT 2; END", "SELECT 3"]),
    Case("atomic, empty", f"{_ATOMIC} END; SELECT 3", [f"{_ATOMIC} END", "SELECT 3"]),
    Case("atomic, empty statement", f"{_ATOMIC} ; END; SELECT 3", [f"{_ATOMIC} ; END", "SELECT 3"]),
    Case("atomic at the end", f"{_ATOMIC} SELECT 1; END", [f"{_ATOMIC} SELECT 1; END"]),
    Case(
        "atomic, small letters, comments between",
        "create or replace procedure p() begin /* x */ atomic select 1; end /* y */ ; select 2",
        ["create or replace procedure p() begin /* x */ atomic select 1; end", "select 2"],
    ),
    Case(
        "atomic with CASE",
        f"{_ATOMIC} SELECT CASE WHEN a THEN CASE b WHEN 1 THEN 2 END END; SELECT 2; END; SELECT 3",
        [f"{_ATOMIC} SELECT CASE WHEN a THEN CASE b WHEN 1 THEN 2 END END; SELECT 2; END", "SELECT 3"],
    ),
    Case(
        "atomic with CASE in parentheses",
        f"{_ATOMIC} SELECT (CASE WHEN a THEN 1 END); END; SELECT 3",
        [f"{_ATOMIC} SELECT (CASE WHEN a THEN 1 END); END", "SELECT 3"],
    ),
    # psql counts the next three wrongly, and begin as the name of a type or function below; the grammar is clear.
    Case(
        "atomic, alias end",
        f"{_ATOMIC} SELECT 1 AS end; END; SELECT 3",
        [f"{_ATOMIC} SELECT 1 AS end; END", "SELECT 3"],
    ),
    Case(
        "atomic, bare alias end", f"{_ATOMIC} SELECT 1 end; END; SELECT 3", [f"{_ATOMIC} SELECT 1 end; END", "SELECT 3"]
    ),
    Case(
        "atomic, names case and begin",
        f"{_ATOMIC} SELECT t.case, begin FROM begin AS t; END; SELECT 3",
        [f"{_ATOMIC} SELECT t.case, begin FROM begin AS t; END", "SELECT 3"],
    ),
    Case(
        "atomic, quoted end",
        f'{_ATOMIC} SELECT 1 AS "end"; END; SELECT 3',
        [f'{_ATOMIC} SELECT 1 AS "end"; END', "SELECT 3"],
    ),
    Case(
        "atomic in atomic",
        f"{_ATOMIC} {_ATOMIC} SELECT 1; END; END; SELECT 3",
        [f"{_ATOMIC} {_ATOMIC} SELECT 1; END; END", "SELECT 3"],
    ),
    Case(
        "atomic, rule in the body",
        f"{_ATOMIC} CREATE RULE r AS ON INSERT TO t DO ALSO (SELECT 1; SELECT 2); END; SELECT 3",
        [f"{_ATOMIC} CREATE RULE r AS ON INSERT TO t DO ALSO (SELECT 1; SELECT 2); END", "SELECT 3"],
    ),
    Case(
        "atomic, COPY in the body",
        f"{_ATOMIC} COPY t FROM stdin; END; SELECT 3",
        [f"{_ATOMIC} COPY t FROM stdin; END", "SELECT 3"],
    ),
    Case(
        "returns a type named begin",
        "CREATE FUNCTION f() RETURNS begin BEGIN ATOMIC SELECT 1; END; SELECT 3",
        ["CREATE FUNCTION f() RETURNS begin BEGIN ATOMIC SELECT 1; END", "SELECT 3"],
    ),
    Case(
        "a function named begin",
        "CREATE FUNCTION begin() RETURNS int LANGUAGE sql AS 'SELECT 1'; SELECT 2",
        ["CREATE FUNCTION begin() RETURNS int LANGUAGE sql AS 'SELECT 1'", "SELECT 2"],
    ),
    Case(
        "arguments named begin and atomic",
        "CREATE FUNCTION f(begin atomic, atomic int) RETURNS int RETURN 1; SELECT 2",
        ["CREATE FUNCTION f(begin atomic, atomic int) RETURNS int RETURN 1", "SELECT 2"],
    ),
    Case(
        "return without a body",
        "CREATE FUNCTION f() RETURNS int RETURN CASE WHEN true THEN 1 END; SELECT 2",
        ["CREATE FUNCTION f() RETURNS int RETURN CASE WHEN true THEN 1 END", "SELECT 2"],
    ),
    Case(
        "begin atomic outside of a routine",
        "SELECT begin atomic FROM t; SELECT 2",
        ["SELECT begin atomic FROM t", "SELECT 2"],
    ),
    Case(
        "begin atomic in a view",
        "CREATE VIEW v AS SELECT begin atomic FROM t; SELECT 2",
        ["CREATE VIEW v AS SELECT begin atomic FROM t", "SELECT 2"],
    ),
    Case(
        "a column named begin",
        "ALTER TABLE t ADD begin int; UPDATE t SET begin = 1",
        ["ALTER TABLE t ADD begin int", "UPDATE t SET begin = 1"],
    ),
    Case(
        "a table with begin and end",
        'CREATE TABLE t (begin int, "end" int, atomic int); SELECT 2',
        ['CREATE TABLE t (begin int, "end" int, atomic int)', "SELECT 2"],
    ),
    Case(
        "CASE outside of a body",
        "SELECT CASE WHEN a THEN 1 END; SELECT 2",
        ["SELECT CASE WHEN a THEN 1 END", "SELECT 2"],
    ),
    Case("transaction", "BEGIN; SELECT 1; COMMIT;", ["BEGIN", "SELECT 1", "COMMIT"]),
    Case("begin and end", "BEGIN; SELECT 1; END; SELECT 2", ["BEGIN", "SELECT 1", "END", "SELECT 2"]),
    Case(
        "begin with a mode",
        "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT 1; END",
        ["BEGIN ISOLATION LEVEL SERIALIZABLE", "SELECT 1", "END"],
    ),
    Case("begin work read only", "BEGIN WORK READ ONLY; COMMIT WORK", ["BEGIN WORK READ ONLY", "COMMIT WORK"]),
    # COPY that reads nothing from the script
    Case("copy to stdout", "COPY t TO stdout; SELECT 2", ["COPY t TO stdout", "SELECT 2"]),
    Case("copy from a file", "COPY t FROM 'stdin'; SELECT 2", ["COPY t FROM 'stdin'", "SELECT 2"]),
    Case("copy from a program", "COPY t FROM PROGRAM 'stdin'; SELECT 2", ["COPY t FROM PROGRAM 'stdin'", "SELECT 2"]),
    Case(
        "copy a query",
        "COPY (SELECT 1 FROM stdin) TO stdout; SELECT 2",
        ["COPY (SELECT 1 FROM stdin) TO stdout", "SELECT 2"],
    ),
    Case(
        "copy with from in its condition",
        "COPY t FROM '/x' WHERE a IS DISTINCT FROM stdin; SELECT 2",
        ["COPY t FROM '/x' WHERE a IS DISTINCT FROM stdin", "SELECT 2"],
    ),
    Case("stdin elsewhere", "SELECT 1 FROM stdin; SELECT 2", ["SELECT 1 FROM stdin", "SELECT 2"]),
]
