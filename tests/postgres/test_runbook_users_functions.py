"""The helper functions of the runbook users-normalization, called as the guide calls them, on every server."""

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

import psycopg
import pytest
from conftest import INSTALLATIONS, Servers
from psycopg.types.json import Jsonb
from users_world import FIXTURE, STEPS, Database, loaded_by_psql

FAR = "2099-12-31T23:59:59+00:00"


@pytest.fixture(scope="module", params=list(INSTALLATIONS))
def migrated(request: pytest.FixtureRequest, servers: Servers) -> Iterator[str]:
    """The DSN of the database after the migration, on every server in turn, made once."""
    server = servers.get(INSTALLATIONS[request.param])
    with loaded_by_psql(server, [*FIXTURE, *STEPS]) as name:
        yield server.dsn(name)


@pytest.fixture
def db(migrated: str) -> Iterator[Database]:
    with psycopg.connect(migrated, options="-c TimeZone=Asia/Kolkata") as connection:
        yield Database(connection)
        connection.rollback()


def test_the_guides_user_has_what_he_had(db: Database) -> None:
    found = db.rows("SELECT * FROM dev.get_user_integrations('user_123')")
    assert [row[1:] for row in found] == [
        ("Gmail", "email", True, "john@example.com"),
        ("Telegram", "messaging", True, "telegram_456"),
    ]
    assert all(isinstance(row[0], UUID) for row in found)
    assert db.rows("SELECT * FROM dev.get_user_integrations('user_nobody')") == []
    assert db.one("SELECT dev.get_telegram_id('user_123')") == "telegram_456"
    assert db.one("SELECT dev.get_telegram_id('user_nobody')") is None
    assert db.one("SELECT dev.user_has_service('user_123', 'gmail')") is True
    assert db.one("SELECT dev.user_has_service('user_123', 'google_calendar')") is False
    assert db.one("SELECT dev.user_has_service(user_id => 'user_123', service_id => 'telegram')") is True


def test_a_user_with_integrations_as_json(db: Database) -> None:
    found = db.json("SELECT dev.get_user_with_integrations('user_123')")
    gmail, telegram = found.pop("integrations")
    assert found == {
        "id": "user_123",
        "email": "john@example.com",
        "display_name": "John Doe",
        "position": "Engineer",
        "role": "admin",
        "phone_number": "+1234567890",
        "time_zone": "America/New_York",
    }
    assert UUID(gmail.pop("id")) != UUID(telegram.pop("id"))
    assert gmail == {
        "service_id": "gmail",
        "service_name": "Gmail",
        "service_type": "email",
        "provider": "google",
        "is_active": True,
        "display_label": "Primary Gmail",
        "access_token": "ya29.a0example",
        "refresh_token": "1//0gexample",
        "token_expiration_date": "2025-10-14T10:00:00+00:00",
        "refresh_expired": False,
        "client_id": "123456.apps.googleusercontent.com",
        "granted_scopes": ["https://www.googleapis.com/auth/gmail.readonly"],
        "external_user_id": "john@example.com",
    }
    assert telegram == {
        "service_id": "telegram",
        "service_name": "Telegram",
        "service_type": "messaging",
        "provider": "telegram",
        "is_active": True,
        "external_user_id": "telegram_456",
    }
    assert db.one("SELECT dev.get_user_with_integrations('user_nobody')") is None
    nothing = db.one("SELECT id FROM dev.users AS u WHERE NOT EXISTS (SELECT FROM dev.user_integrations AS ui"
                     " WHERE ui.user_id = u.id) LIMIT 1")  # fmt: skip
    assert db.json("SELECT dev.get_user_with_integrations(%s)", nothing)["integrations"] == []


def test_a_token_with_its_expiry(db: Database) -> None:
    expired = {
        "token": "ya29.a0example",
        "refresh_token": "1//0gexample",
        "is_expired": True,
        "expires_at": "2025-10-14T10:00:00+00:00",
        "refresh_expired": False,
        "client_id": "123456.apps.googleusercontent.com",
        "client_secret": "GOCSPX-example",
        "granted_scopes": ["https://www.googleapis.com/auth/gmail.readonly"],
    }
    assert db.json("SELECT dev.get_valid_token('user_123', 'gmail')") == expired
    assert db.json("SELECT dev.get_gmail_token('user_123')") == expired
    assert db.one("SELECT dev.get_valid_token('user_123', 'google_calendar')") is None
    assert db.one("SELECT dev.get_calendar_token('user_123')") is None
    assert db.one("SELECT dev.get_signal_token('user_123')") is None
    assert db.one("SELECT dev.has_valid_token('user_123', 'gmail')") is False
    assert db.one("SELECT dev.has_valid_token('user_123', 'google_calendar')") is False

    db.do(
        "UPDATE dev.user_integrations SET access_token = 'new_token', refresh_token = 'new_refresh',"
        " token_expires_at = now() + interval '1 hour', updated_at = now()"
        " WHERE user_id = 'user_123' AND service_id = 'gmail'"
    )
    renewed = db.json("SELECT dev.get_gmail_token('user_123')")
    assert (renewed["token"], renewed["refresh_token"], renewed["is_expired"]) == ("new_token", "new_refresh", False)
    assert db.one("SELECT dev.has_valid_token('user_123', 'gmail')") is True
    # Of a token nobody knows how long it lives: the workflows took it for expired.
    db.do("UPDATE dev.user_integrations SET token_expires_at = NULL WHERE user_id = 'user_123'")
    assert db.json("SELECT dev.get_gmail_token('user_123')")["is_expired"] is True
    assert db.one("SELECT dev.has_valid_token('user_123', 'gmail')") is False


def test_a_messaging_service_has_no_token_that_expires(db: Database) -> None:
    nothing = dict.fromkeys(("token", "refresh_token", "expires_at", "client_id", "client_secret", "granted_scopes"))
    expected = {**nothing, "is_expired": False, "refresh_expired": False}
    assert db.json("SELECT dev.get_telegram_token('user_123')") == expected
    signal = db.one("SELECT user_id FROM dev.user_integrations WHERE service_id = 'signal' AND is_active LIMIT 1")
    assert db.json("SELECT dev.get_signal_token(%s)", signal) == expected
    assert db.one("SELECT dev.has_valid_token('user_123', 'telegram')") is False


def test_the_calendar_token_answers_what_the_workflow_asked(db: Database) -> None:
    """Each user's expiry as the workflow's JavaScript judged it: no token or no date is expired."""
    rows = db.rows(
        "SELECT o.access_token_2, o.token_expiration_date_2, dev.get_calendar_token(o.id) FROM dev.users_old AS o"
        " WHERE o.refresh_expired_2 IS NOT TRUE"
    )
    valid = {"2099-12-31 23:59:59+00", "2099-06-30T12:00:00.123456Z", "2099-01-01", " 2099-03-01 00:00:00+05:30 "}
    for token, expiry, info in rows:
        assert bool(info and not info["is_expired"]) == (bool(token) and expiry in valid)
    times = {expiry: info["expires_at"] for _, expiry, info in rows if info and expiry}
    assert times == {
        "2099-12-31 23:59:59+00": FAR,
        "2099-06-30T12:00:00.123456Z": "2099-06-30T12:00:00.123456+00:00",
        "2099-01-01": "2099-01-01T00:00:00+00:00",
        " 2099-03-01 00:00:00+05:30 ": "2099-02-28T18:30:00+00:00",
        "2025-10-14 10:00:00+00": "2025-10-14T10:00:00+00:00",
        "2025-09-01 08:30:00": "2025-09-01T08:30:00+00:00",
        "Invalid Date": None,
        "2025-02-30 10:00:00": None,
        "1760000000000": None,
        "tomorrow": None,
    }


def test_linking_as_the_guide_does(db: Database) -> None:
    made = db.one(
        "SELECT dev.link_service_to_user('user_123', 'gmail', 'user@example.com', NULL, 'Primary Gmail', 'ya29.token',"
        " '1//refresh')"
    )
    assert isinstance(made, UUID)
    assert db.rows(
        "SELECT external_user_id, display_label, access_token, refresh_token, is_active, refresh_expired"
        " FROM dev.user_integrations WHERE id = %s",
        made,
    ) == [("user@example.com", "Primary Gmail", "ya29.token", "1//refresh", True, False)]
    # A second account: the first one, which is older, stays the primary one.
    assert db.json("SELECT dev.get_gmail_token('user_123')")["token"] == "ya29.a0example"

    telegram = db.one("SELECT dev.link_telegram_to_user('user_123', 'telegram_456', '@username', 'My Telegram')")
    whatsapp = db.one(
        "SELECT dev.link_whatsapp_to_user('user_123', 'whatsapp_789', '@whatsapp_user', 'WhatsApp Business')"
    )
    signal = db.one("SELECT dev.link_signal_to_user('user_123', 'signal_uuid_abc', 'Signal Integration')")
    calendar = db.one("SELECT dev.link_calendar_to_user('user_123', 'ya29.cal', '1//cal', now() + interval '1 hour')")
    assert db.rows(
        "SELECT id, service_id, external_user_id, external_username, display_label FROM dev.user_integrations"
        " WHERE user_id = 'user_123' AND service_id <> 'gmail' ORDER BY service_id"
    ) == [
        (calendar, "google_calendar", "john@example.com", None, None),
        (signal, "signal", "signal_uuid_abc", None, "Signal Integration"),
        (telegram, "telegram", "telegram_456", "@username", "My Telegram"),
        (whatsapp, "whatsapp", "whatsapp_789", "@whatsapp_user", "WhatsApp Business"),
    ]
    assert db.one("SELECT dev.has_valid_token('user_123', 'google_calendar')") is True


def test_linking_gmail_again_renews_the_account(db: Database) -> None:
    before = db.one("SELECT id FROM dev.user_integrations WHERE user_id = 'user_123' AND service_id = 'gmail'")
    db.do("UPDATE dev.user_integrations SET refresh_expired = true WHERE id = %s", before)
    assert db.one("SELECT dev.link_gmail_to_user('user_123', 'ya29.token', '1//refresh')") == before
    assert db.rows(
        "SELECT access_token, refresh_token, token_expires_at, refresh_expired, client_id, display_label"
        " FROM dev.user_integrations WHERE id = %s",
        before,
    ) == [("ya29.token", "1//refresh", None, False, "123456.apps.googleusercontent.com", "Primary Gmail")]
    # Somebody without an address: for a unique constraint two nulls differ, and yet there is one account.
    db.do("INSERT INTO dev.users (id, email) VALUES ('user_bare', NULL)")
    first = db.one("SELECT dev.link_gmail_to_user('user_bare', 'one')")
    assert db.one("SELECT dev.link_gmail_to_user('user_bare', 'two')") == first
    assert db.one("SELECT count(*) FROM dev.user_integrations WHERE user_id = 'user_bare'") == 1
    with db.refused(psycopg.errors.UniqueViolation, "user_integrations_one_without_external_id"):
        db.do("INSERT INTO dev.user_integrations (user_id, service_id) VALUES ('user_bare', 'gmail')")
    # Once it is known which account it is, it is that one.
    assert (
        db.one("SELECT dev.link_gmail_to_user('user_bare', 'three', external_user_id => 'bare@example.com')") == first
    )
    assert db.one("SELECT external_user_id FROM dev.user_integrations WHERE id = %s", first) == "bare@example.com"


def test_a_sign_up_for_telegram_is_finished(db: Database) -> None:
    user, pending = db.rows(
        "SELECT user_id, id FROM dev.user_integrations WHERE service_id = 'telegram' AND NOT is_active"
        " AND credentials ? 'signup_token' LIMIT 1"
    )[0]
    assert db.one("SELECT dev.get_telegram_id(%s)", user) is None
    assert db.one("SELECT dev.link_telegram_to_user(%s, 'telegram_new')", user) == pending
    assert db.one("SELECT dev.get_telegram_id(%s)", user) == "telegram_new"
    assert db.one("SELECT dev.find_user_by_telegram('telegram_new')") == user


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        ("link_service_to_user('user_nobody', 'gmail', 'x')", psycopg.errors.NoDataFound, "user user_nobody does not"),
        ("link_service_to_user(NULL, 'gmail', 'x')", psycopg.errors.NoDataFound, "user null does not exist"),
        ("link_service_to_user('user_123', 'fax', 'x')", psycopg.errors.NoDataFound, "service fax does not exist"),
        ("link_telegram_to_user('user_123', ' ')", psycopg.errors.InvalidParameterValue, "needs an external user id"),
        ("link_gmail_to_user('user_123', '')", psycopg.errors.InvalidParameterValue, "Gmail needs an access token"),
        (
            "link_gmail_to_user('user_123', 't', granted_scopes => '\"mail\"')",
            psycopg.errors.InvalidParameterValue,
            "must be a JSON array",
        ),
        ("unlink_gmail_from_user('user_nobody')", psycopg.errors.NoDataFound, "user user_nobody does not exist"),
        ("unlink_service_from_user('user_123', 'fax')", psycopg.errors.NoDataFound, "service fax does not exist"),
        ("bulk_link_services_to_user('user_123', '{}')", psycopg.errors.InvalidParameterValue, "must be a JSON array"),
        ("bulk_link_services_to_user('user_nobody', '[]')", psycopg.errors.NoDataFound, "does not exist"),
        ("bulk_unlink_services_from_user('user_123', '{fax}')", psycopg.errors.NoDataFound, "service fax"),
        ("find_incomplete_integrations('fax')", psycopg.errors.NoDataFound, "service fax does not exist"),
    ],
)
def test_what_cannot_be_is_refused_with_a_reason(
    db: Database, call: str, error: type[psycopg.Error], words: str
) -> None:
    with db.refused(error, words):
        db.rows(f"SELECT dev.{call}")


def test_a_service_that_is_switched_off_cannot_be_linked(db: Database) -> None:
    db.do("UPDATE dev.services SET is_active = false WHERE id = 'whatsapp'")
    with db.refused(psycopg.errors.ObjectNotInPrerequisiteState, "service whatsapp is not available"):
        db.rows("SELECT dev.link_whatsapp_to_user('user_123', 'whatsapp_789')")


def test_unlinking_switches_off_and_keeps(db: Database) -> None:
    assert db.one("SELECT dev.unlink_gmail_from_user('user_123')") == 1
    assert db.one("SELECT dev.unlink_gmail_from_user('user_123')") == 0
    assert db.one("SELECT dev.user_has_service('user_123', 'gmail')") is False
    assert db.one("SELECT dev.get_gmail_token('user_123')") is None
    assert db.rows(
        "SELECT is_active, access_token FROM dev.user_integrations WHERE user_id = 'user_123' AND service_id = 'gmail'"
    ) == [(False, "ya29.a0example")]
    assert db.one("SELECT dev.unlink_telegram_from_user('user_123', 'telegram_other')") == 0
    assert db.one("SELECT dev.unlink_telegram_from_user('user_123', 'telegram_456')") == 1
    assert db.one("SELECT dev.get_telegram_id('user_123')") is None
    db.rows("SELECT dev.link_telegram_to_user('user_123', 'telegram_456')")
    assert db.one("SELECT dev.get_telegram_id('user_123')") == "telegram_456"
    for service, account in (("whatsapp", "w"), ("signal", "s")):
        db.rows(f"SELECT dev.link_{service}_to_user('user_123', %s)", account)
        assert db.one(f"SELECT dev.unlink_{service}_from_user('user_123', %s)", account) == 1
    db.rows("SELECT dev.link_calendar_to_user('user_123', 't')")
    assert db.one("SELECT dev.unlink_calendar_from_user('user_123')") == 1


def test_linking_in_bulk(db: Database) -> None:
    found = db.json(
        """
        SELECT dev.bulk_link_services_to_user('user_123', '[
          {"service_id": "gmail", "access_token": "ya29.token"},
          {"service_id": "telegram", "external_user_id": "telegram_456"}
        ]'::jsonb)
        """
    )
    results = found.pop("results")
    assert found == {"user_id": "user_123", "requested": 2, "linked": 2, "failed": 0}
    assert [(one["service_id"], one["success"], bool(UUID(one["integration_id"]))) for one in results] == [
        ("gmail", True, True),
        ("telegram", True, True),
    ]
    assert db.json("SELECT dev.get_gmail_token('user_123')")["token"] == "ya29.token"
    assert db.one("SELECT count(*) FROM dev.user_integrations WHERE user_id = 'user_123'") == 2


def test_one_bad_element_does_not_take_the_others_with_it(db: Database) -> None:
    elements: list[object] = [
        {"service_id": "google_calendar", "access_token": "t", "token_expires_at": FAR, "granted_scopes": None},
        {"service_id": "fax", "external_user_id": "1"},
        {"service_id": "signal"},
        {"service_id": "gmail", "access_token": "t", "token_expires_at": "someday"},
        "telegram",
        {"service_id": "gmail", "access_token": "t", "external_user_id": "g", "granted_scopes": ["a"], "metadata": {}},
    ]
    found = db.json("SELECT dev.bulk_link_services_to_user('user_123', %s)", Jsonb(elements))
    assert (found["requested"], found["linked"], found["failed"]) == (6, 2, 4)
    assert [one.get("error") for one in found["results"]] == [
        None,
        "service fax does not exist",
        "Signal needs an external user id",
        'invalid input syntax for type timestamp with time zone: "someday"',
        "an element must be a JSON object",
        None,
    ]
    assert db.one("SELECT dev.has_valid_token('user_123', 'google_calendar')") is True
    assert db.one("SELECT dev.bulk_unlink_services_from_user('user_123', '{gmail,telegram}')") == 3
    assert db.one("SELECT dev.bulk_unlink_services_from_user('user_123')") == 1


def test_statistics_of_a_user(db: Database) -> None:
    db.do("SELECT dev.link_calendar_to_user('user_123', 'ya29.cal', '1//cal', now() + interval '1 hour')")
    db.do("SELECT dev.link_gmail_to_user('user_123', 't', external_user_id => 'second@example.com')")
    db.do("SELECT dev.unlink_telegram_from_user('user_123')")
    found = db.json("SELECT dev.get_user_integration_stats('user_123')")
    first, last = found.pop("first_connected_at"), found.pop("last_updated_at")
    assert datetime.fromisoformat(first) < datetime.fromisoformat(last) <= datetime.now(UTC)
    assert found == {
        "user_id": "user_123",
        "total_integrations": 4,
        "active_integrations": 3,
        "inactive_integrations": 1,
        "valid_tokens": 1,
        "expired_tokens": 2,
        "refresh_expired": 0,
        "by_service": {"gmail": 2, "google_calendar": 1},
        "by_type": {"email": 2, "calendar": 1},
    }
    db.do("INSERT INTO dev.users (id) VALUES ('user_bare')")
    bare = db.json("SELECT dev.get_user_integration_stats('user_bare')")
    assert (bare["total_integrations"], bare["by_type"], bare["first_connected_at"]) == (0, {}, None)
    assert db.one("SELECT dev.get_user_integration_stats('user_nobody')") is None


def test_incomplete_integrations_are_named_with_what_is_wrong(db: Database) -> None:
    everything = db.rows("SELECT user_id, service_name, issues FROM dev.find_incomplete_integrations()")
    gmail = db.rows("SELECT user_id, service_name, issues FROM dev.find_incomplete_integrations('gmail')")
    assert gmail == [row for row in everything if row[1] == "Gmail"]
    assert {row[1] for row in everything} == {"Gmail", "Google Calendar", "Telegram", "Signal"}
    seen = {issue for row in everything for issue in row[2]}
    assert seen == {
        "never finished",
        "no external user id",
        "no access token",
        "no refresh token",
        "no expiry date",
        "refresh token expired",
        "access token expired and cannot be refreshed",
    }
    # Expired, but it can be refreshed: nothing is wrong with it.
    assert "user_123" not in {row[0] for row in everything}
    db.do("UPDATE dev.user_integrations SET refresh_token = NULL WHERE user_id = 'user_123'")
    assert db.rows(
        "SELECT email, service_name, is_active, issues FROM dev.find_incomplete_integrations('gmail')"
        " WHERE user_id = 'user_123'"
    ) == [("john@example.com", "Gmail", True, ["no refresh token", "access token expired and cannot be refreshed"])]
    # Whoever has disconnected has no problem; a service that is switched off is one.
    db.do("SELECT dev.unlink_gmail_from_user('user_123')")
    assert not db.rows("SELECT FROM dev.find_incomplete_integrations() WHERE user_id = 'user_123'")
    db.do("UPDATE dev.services SET is_active = false WHERE id = 'telegram'")
    assert db.rows("SELECT issues FROM dev.find_incomplete_integrations() WHERE user_id = 'user_123'") == [
        (["service not available"],)
    ]


def test_orphans_are_cleaned_up_and_nothing_else(db: Database) -> None:
    assert db.rows("SELECT * FROM dev.cleanup_orphaned_integrations()") == []
    whole = db.one("SELECT count(*) FROM dev.user_integrations")
    # A load with triggers switched off checks no foreign key.
    db.do("SET LOCAL session_replication_role = replica")
    db.do(
        "INSERT INTO dev.user_integrations (user_id, service_id, external_user_id)"
        " VALUES ('user_gone', 'gmail', 'a'), ('user_123', 'fax', 'b')"
    )
    db.do("SET LOCAL session_replication_role = origin")
    found = db.rows("SELECT user_id, service_id, reason FROM dev.cleanup_orphaned_integrations() ORDER BY 1")
    assert found == [("user_123", "fax", "no such service"), ("user_gone", "gmail", "no such user")]
    assert db.one("SELECT count(*) FROM dev.user_integrations") == whole


def test_the_guides_queries(db: Database) -> None:
    assert db.rows(
        "SELECT s.id, s.name, s.type, s.provider, ui.external_user_id, ui.display_label FROM dev.user_integrations ui"
        " JOIN dev.services s ON ui.service_id = s.id WHERE ui.user_id = 'user_123' AND ui.is_active = true ORDER BY 1"
    ) == [
        ("gmail", "Gmail", "email", "google", "john@example.com", "Primary Gmail"),
        ("telegram", "Telegram", "messaging", "telegram", "telegram_456", None),
    ]
    assert db.rows(
        "SELECT service_id, is_active FROM dev.user_integrations WHERE user_id = 'user_123'"
        " AND service_id IN ('gmail', 'telegram', 'signal') ORDER BY 1"
    ) == [("gmail", True), ("telegram", True)]
    connect = (
        "INSERT INTO dev.user_integrations (user_id, service_id, external_user_id, display_label, is_active)"
        " VALUES ('user_123', 'telegram', %s, 'Personal Telegram', true)"
        " ON CONFLICT (user_id, service_id, external_user_id) DO UPDATE SET is_active = true, updated_at = now()"
    )
    db.do("UPDATE dev.user_integrations SET is_active = false WHERE user_id = 'user_123' AND service_id = 'telegram'")
    assert db.do(connect, "telegram_456") == 1
    assert db.do(connect, "telegram_457") == 1
    assert db.one("SELECT dev.get_telegram_id('user_123')") == "telegram_456"
    db.do("INSERT INTO dev.telegram_messages (sender_id, recipient_id) VALUES ('telegram_456', 'telegram_ext_1'),"
          " ('telegram_ext_1', 'telegram_456'), ('telegram_457', 'telegram_456')")  # fmt: skip
    involving = db.one(
        "SELECT count(DISTINCT tm.id) FROM dev.telegram_messages tm JOIN dev.user_integrations ui"
        " ON tm.sender_id = ui.external_user_id OR tm.recipient_id = ui.external_user_id"
        " WHERE ui.user_id = 'user_123' AND ui.service_id = 'telegram' AND ui.is_active = true"
    )
    assert involving == 3
