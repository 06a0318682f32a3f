"""Spool: sends nothing. The message stays in the database, where the console shows it and says so."""

from typing import Literal

from broker.alerts.plugins import NotifierPlugin, NotifierSettings
from broker.alerts.ports import Accepted, Outgoing


class SpoolSettings(NotifierSettings):
    """The default notifier: nothing to set."""

    kind: Literal["spool"] = "spool"


class Spool:
    """Accepts every message at once; delivery is never claimed, because there is none."""

    channels = frozenset({"sms", "webhook", "apprise"})
    carries_unicode = True

    @property
    def name(self) -> str:
        """`spool`."""
        return "spool"

    def send(self, message: Outgoing) -> Accepted:
        """Accept: the message's own row is the spool."""
        return Accepted(f"spool-{message.message_id}")

    def close(self) -> None:
        """Nothing to let go of."""


PLUGIN = NotifierPlugin(
    kind="spool",
    settings=SpoolSettings,
    build=lambda _settings: Spool(),
    title_ko="보관함: 실제 발송 안 함",
    title_en="Spool: kept here, not sent",
)
