"""Messages that reach nobody are a trouble of their market; what that trouble cannot send makes no further one."""

from collections.abc import Mapping
from datetime import timedelta

from broker.alerts.central_troubles import Subject
from broker.stores.message_models import CANARY_KEY
from broker.stores.messages import Messages

NAME = "undeliverable"
REASON = "undeliverable"
SUBJECT = "messages"
SAID_FOR = timedelta(hours=2)


def undeliverable(messages: Messages, now_unix_ms: int) -> Mapping[Subject, str]:
    """The markets in which messages of the last `SAID_FOR` were given up or refused, or are tried in vain.

    The messages of these troubles themselves do not count, nor the canary, which is a trouble of its own.

    Raises:
        StoreUnavailableError: try again later.
    """
    since = now_unix_ms - int(SAID_FOR.total_seconds() * 1000)
    stuck = messages.stuck(since, besides_kind=NAME, besides_key=CANARY_KEY)
    return {
        (one.market, SUBJECT): f"{one.messages_count}, newest to {one.recipient_name}: {one.error}" for one in stuck
    }
