"""No password gets into a journal or onto a screen, however a statement writes it."""

import pytest

from tui.postgres.rows import without_passwords


@pytest.mark.parametrize(
    "text",
    [
        "CREATE ROLE x PASSWORD 'secret'",
        "alter role x with encrypted password 'secret'",
        "CREATE ROLE x PASSWORD E'a\\'secret'",
        "CREATE ROLE x PASSWORD U&'secret'",
        "CREATE ROLE x PASSWORD /* new */ 'secret'",
        "CREATE ROLE x PASSWORD -- new\n 'secret'",
        "CREATE ROLE x PASSWORD 'it''s '\n  'secret'",
        "CREATE ROLE x PASSWORD'secret'",
        "CREATE ROLE x PASSWORD $$secret$$",
        "CREATE ROLE x PASSWORD $a$secret$a$",
        "ALTER ROLE x PASSWORD 'secr",
        "ALTER ROLE x PASSWORD $$secr",
        "DO $$ BEGIN EXECUTE 'CREATE ROLE x PASSWORD ''secret'''; END $$",
        "DO 'BEGIN EXECUTE ''CREATE ROLE x PASSWORD ''''secret''''''; END'",
        "CREATE USER MAPPING FOR u SERVER s OPTIONS (user 'u', password 'secret')",
        "CREATE SUBSCRIPTION s CONNECTION 'host=h password=secret dbname=d' PUBLICATION p",
        "CREATE SUBSCRIPTION s CONNECTION 'host=h password = ''secret'' dbname=d' PUBLICATION p",
        "ALTER SYSTEM SET primary_conninfo = 'host=x sslpassword=secret'",
        "SELECT dblink('postgresql://u:secret@h/d', '')",
        "SELECT dblink('postgres://u:sec%40ret@h:1/d', '')",
        "COPY t FROM PROGRAM 'PGPASSWORD=secret psql -c x'",
        "UPDATE users SET password = 'secret'",
    ],
)
def test_a_password_is_hidden(text: str) -> None:
    told = without_passwords(text)
    assert "sec" not in told
    assert "***" in told
    assert told[:6] == text[:6]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT password FROM users",
        "ALTER TABLE u ADD password text NOT NULL DEFAULT ''",
        "-- the password is 'x'",
        "CREATE ROLE x PASSWORD NULL VALID UNTIL '2027-01-01'",
        "SELECT 'password', 'x'",
        "SET password_encryption = 'scram-sha-256'",
        "SELECT a.password = b.password FROM a, b",
        "SELECT 'https://a.b/c@d', 'postgresql://h:5432/d'",
    ],
)
def test_what_is_none_stays(text: str) -> None:
    assert without_passwords(text) == text


def test_an_empty_one_hides_nothing_else() -> None:
    told = without_passwords("CREATE ROLE x PASSWORD '' VALID UNTIL '2027-01-01'")
    assert told == "CREATE ROLE x PASSWORD '***' VALID UNTIL '2027-01-01'"
