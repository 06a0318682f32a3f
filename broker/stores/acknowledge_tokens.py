"""Links by which one recipient acknowledges one incident, once: made, stored as hashes, looked up, used up."""

import hashlib
import re
import secrets
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, exists, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import DBAPIError

from broker.stores.database import as_retryable, transaction
from broker.stores.schema import acknowledge_tokens, incidents, recipients
from runtime.clock import Clock

TOKEN_BYTES = 9  # 72 bits: 12 letters of base64url, short enough for one SMS
TOKEN_LENGTH = 12
LIFE_S = 24 * 3600
LINK_PATH = "/a/"
MS_PER_S = 1000

_TOKEN = re.compile(rf"[A-Za-z0-9_-]{{{TOKEN_LENGTH}}}")
_LINK = re.compile(rf"(https?://[^\s/]+{LINK_PATH})[A-Za-z0-9_-]{{{TOKEN_LENGTH}}}")


@dataclass(frozen=True, slots=True)
class LinkToken:
    """A link to be sent: the whole address, and what is stored of its token."""

    url: str
    token_sha256: str
    expires_unix_ms: int


@dataclass(frozen=True, slots=True)
class Invitation:
    """Whom a link was sent to, and which incident it is about. `token_sha256` is the link's, to use it up."""

    token_sha256: str
    incident_id: int
    market: str
    recipient_name: str
    recipient: str


class AcknowledgeTokens:
    """Looks links up and uses them up. A link counts while it is unused, unexpired and its recipient is on the roster.

    Wrong, used, expired and withdrawn ones are not told apart: whoever guesses learns nothing.
    """

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def find(self, token: str) -> Invitation | None:
        """What the link with this token is for; `None` when it does not count.

        Raises:
            StoreUnavailableError: try again later.
        """
        if _TOKEN.fullmatch(token) is None:
            return None
        row = acknowledge_tokens.c
        on_roster = exists().where(recipients.c.market == row.market, recipients.c.phone == row.recipient)
        query = (
            select(row.token_sha256, row.incident_id, row.market, row.recipient_name, row.recipient)
            # an incident of another market than the link was made for is not what its recipient may speak for
            .join(incidents, (incidents.c.incident_id == row.incident_id) & (incidents.c.market == row.market))
            .where(row.token_sha256 == digest(token), row.used_unix_ms.is_(None))
            .where(row.expires_unix_ms > self._clock.unix_ms(), on_roster)
        )
        try:
            with self._engine.connect() as connection:
                found = connection.execute(query).one_or_none()
        except DBAPIError as error:
            raise as_retryable(error) from error
        return None if found is None else Invitation(**found._mapping)  # noqa: SLF001 — SQLAlchemy's public name for a row as a mapping

    def use_up(self, invitation: Invitation) -> bool:
        """Every link of this recipient for this incident is used from now on; whether this one still was not.

        Raises:
            StoreUnavailableError: try again later.
        """
        row = acknowledge_tokens.c
        own = (row.token_sha256 == invitation.token_sha256, row.used_unix_ms.is_(None))
        others = (
            row.incident_id == invitation.incident_id,
            row.recipient == invitation.recipient,
            row.used_unix_ms.is_(None),
        )
        used = {"used_unix_ms": self._clock.unix_ms()}
        try:
            with transaction(self._engine) as connection:
                is_first = connection.execute(update(acknowledge_tokens).where(*own).values(**used)).rowcount == 1
                connection.execute(update(acknowledge_tokens).where(*others).values(**used))
        except DBAPIError as error:
            raise as_retryable(error) from error
        return is_first


def new_token() -> tuple[str, str]:
    """A fresh token of 72 random bits, and its SHA-256 as it is stored."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    return token, digest(token)


def digest(token: str) -> str:
    """What is stored of a token: it is random, so no salt is needed."""
    return hashlib.sha256(token.encode()).hexdigest()


def add_token(
    connection: Connection,
    link: LinkToken,
    *,
    incident_id: int,
    market: str,
    recipient_name: str,
    recipient: str,
    now_unix_ms: int,
) -> None:
    """Keep a link inside the transaction that writes its message; another message with the same link adds nothing."""
    insert = postgresql_insert if connection.dialect.name == "postgresql" else sqlite_insert
    row = {
        "token_sha256": link.token_sha256,
        "incident_id": incident_id,
        "market": market,
        "recipient_name": recipient_name,
        "recipient": recipient,
        "created_unix_ms": now_unix_ms,
        "expires_unix_ms": link.expires_unix_ms,
    }
    connection.execute(insert(acknowledge_tokens).values(**row).on_conflict_do_nothing())


def without_tokens(text: str) -> str:
    """The same text as pages and API may show it: whoever reads it there must not be able to press the link."""
    return _LINK.sub(rf"\g<1>{'…'}", text)
