"""Users and what proves who they are: passwords (argon2id), tokens, sign-in links, sessions. No secret is stored."""

import hashlib
import secrets
from dataclasses import dataclass
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, Engine, delete, select, update

from broker.stores.database import transaction
from broker.stores.schema import credentials, users
from runtime.clock import Clock, SystemClock
from runtime.secret_files import TOKEN_BYTES, ensure_secret

FIRST_MANAGER = "manager"
PASSWORD_FILE = "manager.password"  # noqa: S105 — a file's name, not a password
TOKEN_FILE = "admin.token"  # noqa: S105 — the same

API_TOKEN, SIGN_IN_LINK, SESSION = "api-token", "sign-in-link", "session"
SIGN_IN_LINK_LIFE_S = 15 * 60
SESSION_LIFE_S = 12 * 3600
SESSIONS_PER_USER_MAX = 50
MS_PER_S = 1000


@dataclass(frozen=True, slots=True)
class User:
    """Who is asking. `role` is manager or viewer."""

    user_id: int
    name: str
    role: str


class Users:
    """Accounts and credentials. Secrets are looked up by their SHA-256: they are random, so no salt is needed."""

    def __init__(self, engine: Engine, clock: Clock, hasher: PasswordHasher | None = None) -> None:
        self._engine = engine
        self._clock = clock
        self._hasher = hasher or PasswordHasher()
        self._decoy_hash: str | None = None

    def ensure(self, name: str, password: str, role: str = "manager") -> User:
        """The user of this name, made with `password` if there is none."""
        found = self.by_name(name)
        if found is not None:
            return found
        row = {
            "name": name,
            "password_hash": self._hasher.hash(password),
            "role": role,
            "created_unix_ms": self._clock.unix_ms(),
        }
        with transaction(self._engine) as connection:
            present = connection.execute(select(users.c.user_id).where(users.c.name == name)).first()
            if present is None:
                connection.execute(users.insert(), [row])
        return self._require(name)

    def set_password(self, name: str, password: str) -> None:
        """Replace a user's password and end their sessions.

        Raises:
            LookupError: there is no such user.
        """
        user = self._require(name)
        hashed = self._hasher.hash(password)
        with transaction(self._engine) as connection:
            connection.execute(update(users).where(users.c.user_id == user.user_id).values(password_hash=hashed))
            mine = (credentials.c.user_id == user.user_id, credentials.c.kind.in_((SESSION, SIGN_IN_LINK)))
            connection.execute(delete(credentials).where(*mine))

    def by_name(self, name: str) -> User | None:
        """The user of this name."""
        with self._engine.connect() as connection:
            row = connection.execute(select(users).where(users.c.name == name)).first()
        return None if row is None else User(row.user_id, row.name, row.role)

    def by_password(self, name: str, password: str) -> User | None:
        """The user whose name and password these are. Takes as long for a name that does not exist."""
        if self._decoy_hash is None:  # made with the first try, whoever's it is
            self._decoy_hash = self._hasher.hash(secrets.token_urlsafe(TOKEN_BYTES))
        with self._engine.connect() as connection:
            storable = "" if "\0" in name else name  # PostgreSQL refuses NUL; nobody is called ""
            named = select(users).where(users.c.name == storable)
            row = connection.execute(named).first()
        try:
            self._hasher.verify(self._decoy_hash if row is None else row.password_hash, password)
        except (VerificationError, InvalidHashError):
            return None
        return None if row is None else User(row.user_id, row.name, row.role)

    def by_secret(self, kind: str, secret: str) -> User | None:
        """The user whose token or session `secret` is, unless it has expired."""
        query = (
            select(users.c.user_id, users.c.name, users.c.role, credentials.c.expires_unix_ms)
            .join(credentials, credentials.c.user_id == users.c.user_id)
            .where(credentials.c.secret_sha256 == _digest(secret), credentials.c.kind == kind)
        )
        with self._engine.connect() as connection:
            row = connection.execute(query).first()
        if row is None or (row.expires_unix_ms is not None and row.expires_unix_ms <= self._clock.unix_ms()):
            return None
        return User(row.user_id, row.name, row.role)

    def keep_token(self, user: User, token: str) -> None:
        """Accept `token` as this user's API token."""
        with transaction(self._engine) as connection:
            known = credentials.c.secret_sha256 == _digest(token)
            if connection.execute(select(credentials.c.kind).where(known)).first() is None:
                self._insert(connection, API_TOKEN, user, token, None)

    def new_session(self, user: User) -> str:
        """A fresh session's secret. Beyond `SESSIONS_PER_USER_MAX` the user's oldest sessions end."""
        secret = secrets.token_urlsafe(TOKEN_BYTES)
        mine = (credentials.c.user_id == user.user_id, credentials.c.kind == SESSION)
        newest_first = credentials.c.created_unix_ms.desc()
        with transaction(self._engine) as connection:
            self._forget_expired(connection)
            kept = select(credentials.c.secret_sha256).where(*mine).order_by(newest_first)
            surplus = [row.secret_sha256 for row in connection.execute(kept.offset(SESSIONS_PER_USER_MAX - 1))]
            connection.execute(delete(credentials).where(credentials.c.secret_sha256.in_(surplus)))
            self._insert(connection, SESSION, user, secret, SESSION_LIFE_S)
        return secret

    def end_session(self, secret: str) -> None:
        """Sign out."""
        with transaction(self._engine) as connection:
            mine = (credentials.c.secret_sha256 == _digest(secret), credentials.c.kind == SESSION)
            connection.execute(delete(credentials).where(*mine))

    def new_sign_in_link(self, name: str = FIRST_MANAGER) -> str:
        """A secret that signs this user in once within 15 minutes; the console serves it at `/sign-in/link/<secret>`.

        Raises:
            LookupError: there is no such user.
        """
        user = self._require(name)
        secret = secrets.token_urlsafe(TOKEN_BYTES)
        with transaction(self._engine) as connection:
            self._forget_expired(connection)
            self._insert(connection, SIGN_IN_LINK, user, secret, SIGN_IN_LINK_LIFE_S)
        return secret

    def use_sign_in_link(self, secret: str) -> User | None:
        """The user whose unused, unexpired link this is; from now on it is used."""
        now = self._clock.unix_ms()
        link = (
            credentials.c.secret_sha256 == _digest(secret),
            credentials.c.kind == SIGN_IN_LINK,
            credentials.c.used_unix_ms.is_(None),
            credentials.c.expires_unix_ms > now,
        )
        with transaction(self._engine) as connection:
            used = connection.execute(update(credentials).where(*link).values(used_unix_ms=now))
            if used.rowcount != 1:
                return None
            query = (
                select(users)
                .join(credentials, credentials.c.user_id == users.c.user_id)
                .where(credentials.c.secret_sha256 == _digest(secret))
            )
            row = connection.execute(query).one()
        return User(row.user_id, row.name, row.role)

    def _require(self, name: str) -> User:
        user = self.by_name(name)
        if user is None:
            raise LookupError(f"there is no user {name!r}")
        return user

    def _insert(self, connection: Connection, kind: str, user: User, secret: str, life_s: int | None) -> None:
        now = self._clock.unix_ms()
        row = {
            "secret_sha256": _digest(secret),
            "kind": kind,
            "user_id": user.user_id,
            "created_unix_ms": now,
            "expires_unix_ms": None if life_s is None else now + life_s * MS_PER_S,
        }
        connection.execute(credentials.insert(), [row])

    def _forget_expired(self, connection: Connection) -> None:
        connection.execute(delete(credentials).where(credentials.c.expires_unix_ms <= self._clock.unix_ms()))


def ensure_first_manager(engine: Engine, data_dir: Path, clock: Clock | None = None) -> User:
    """The first account: its random password in `<data_dir>/manager.password`, its API token in `admin.token` (0600).

    A second start changes nothing. A token file that was replaced or deleted makes the new token valid beside the old.

    Raises:
        runtime.errors.SettingsError: one of the files can be read by others.
    """
    store = Users(engine, clock or SystemClock())
    user = store.by_name(FIRST_MANAGER) or store.ensure(FIRST_MANAGER, ensure_secret(data_dir / PASSWORD_FILE))
    store.keep_token(user, ensure_secret(data_dir / TOKEN_FILE))
    return user


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
