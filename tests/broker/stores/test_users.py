"""Users: what opens a door, how often and how long, and what is never stored."""

import stat
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from sqlalchemy import Engine, select

from broker.stores.schema import credentials
from broker.stores.schema import users as users_table
from broker.stores.users import (
    API_TOKEN,
    SESSION,
    SESSION_LIFE_S,
    SESSIONS_PER_USER_MAX,
    SIGN_IN_LINK_LIFE_S,
    Users,
    ensure_first_manager,
)
from runtime.clock import ManualClock
from runtime.errors import SettingsError

QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def users(engine: Engine, clock: ManualClock) -> Users:
    return Users(engine, clock, QUICK)


def test_only_the_right_password_of_the_right_user_counts(users: Users) -> None:
    users.ensure("kim", "korrekt")
    users.ensure("lee", "anders", "viewer")
    assert users.by_password("kim", "korrekt") == users.by_name("kim")
    assert users.by_password("kim", "anders") is None
    assert users.by_password("nobody", "korrekt") is None


def test_ensuring_twice_keeps_the_first_password(users: Users) -> None:
    assert users.ensure("kim", "first") == users.ensure("kim", "second")
    assert users.by_password("kim", "first") == users.by_name("kim")


def test_a_new_password_ends_sessions_but_not_tokens(users: Users) -> None:
    kim = users.ensure("kim", "first")
    users.keep_token(kim, "token")
    session = users.new_session(kim)
    users.set_password("kim", "second")
    assert users.by_password("kim", "first") is None
    assert users.by_password("kim", "second") == kim
    assert users.by_secret(SESSION, session) is None
    assert users.by_secret(API_TOKEN, "token") == kim


def test_a_secret_counts_for_its_own_kind_only(users: Users) -> None:
    kim = users.ensure("kim", "x")
    users.keep_token(kim, "token")
    users.keep_token(kim, "token")
    assert users.by_secret(API_TOKEN, "token") == kim
    assert users.by_secret(SESSION, "token") is None
    assert users.by_secret(API_TOKEN, "tokem") is None


def test_a_session_ends_by_itself_and_by_signing_out(users: Users, clock: ManualClock) -> None:
    kim = users.ensure("kim", "x")
    first, second = users.new_session(kim), users.new_session(kim)
    users.end_session(first)
    assert users.by_secret(SESSION, first) is None
    assert users.by_secret(SESSION, second) == kim
    clock.advance(SESSION_LIFE_S)
    assert users.by_secret(SESSION, second) is None


def test_sessions_are_bounded_and_the_oldest_ends(users: Users, clock: ManualClock) -> None:
    kim = users.ensure("kim", "x")
    sessions = []
    for _ in range(SESSIONS_PER_USER_MAX + 1):
        clock.advance(1)
        sessions.append(users.new_session(kim))
    assert users.by_secret(SESSION, sessions[0]) is None
    assert users.by_secret(SESSION, sessions[1]) == kim


def test_a_sign_in_link_works_once(users: Users) -> None:
    kim = users.ensure("kim", "x")
    link = users.new_sign_in_link("kim")
    assert users.use_sign_in_link(link) == kim
    assert users.use_sign_in_link(link) is None


def test_a_sign_in_link_ends_after_a_quarter_of_an_hour(users: Users, clock: ManualClock) -> None:
    users.ensure("kim", "x")
    link = users.new_sign_in_link("kim")
    clock.advance(SIGN_IN_LINK_LIFE_S)
    assert users.use_sign_in_link(link) is None


def test_a_link_for_nobody_is_refused(users: Users) -> None:
    with pytest.raises(LookupError, match="no user 'ghost'"):
        users.new_sign_in_link("ghost")


def test_no_secret_is_in_the_database(users: Users, engine: Engine) -> None:
    kim = users.ensure("kim", "pass-word")
    users.keep_token(kim, "api-token-1")
    secrets = ["pass-word", "api-token-1", users.new_session(kim), users.new_sign_in_link("kim")]
    with engine.connect() as connection:
        rows = [row for table in (users_table, credentials) for row in connection.execute(select(table))]
    stored = " ".join(str(tuple(row)) for row in rows)
    assert not [secret for secret in secrets if secret in stored]


def test_the_first_manager_is_made_once_with_secrets_only_the_owner_reads(
    engine: Engine, clock: ManualClock, users: Users, tmp_path: Path
) -> None:
    made = ensure_first_manager(engine, tmp_path, clock)
    assert ensure_first_manager(engine, tmp_path, clock) == made
    password, token = tmp_path / "manager.password", tmp_path / "admin.token"
    assert [stat.S_IMODE(file.stat().st_mode) for file in (password, token)] == [0o600, 0o600]
    assert Users(engine, clock).by_password("manager", password.read_text(encoding="utf-8")) == made
    assert users.by_secret(API_TOKEN, token.read_text(encoding="utf-8")) == made


def test_two_installs_share_no_secret(engine: Engine, clock: ManualClock, tmp_path: Path) -> None:
    ensure_first_manager(engine, tmp_path / "one", clock)
    ensure_first_manager(engine, tmp_path / "two", clock)
    assert (tmp_path / "one" / "admin.token").read_text() != (tmp_path / "two" / "admin.token").read_text()


def test_a_token_that_others_can_read_is_refused(engine: Engine, clock: ManualClock, tmp_path: Path) -> None:
    ensure_first_manager(engine, tmp_path, clock)
    (tmp_path / "admin.token").chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        ensure_first_manager(engine, tmp_path, clock)
