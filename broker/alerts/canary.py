"""The daily canary: one SMS to a telephone of the operator's, through the same outbox as a fire; its receipt must come.

A line to the phones that is broken shows by its receipt staying away, before there is a fire to tell. Each day another
provider that gives receipts is asked first (`broker.alerts.providers`).
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

from pydantic import AfterValidator, Field

from broker.alerts.texts import KOREA
from broker.stores.message_models import CANARY_KEY
from broker.stores.messages import Message, Messages, NewMessage
from broker.stores.phones import normalised
from runtime.settings_file import SettingsModel

NAME = "canary"
REASON = "no-receipt"
SUBJECT = "sms"
RECIPIENT_NAME = "canary"
TEXT = "[점검] 장터 알림 문자 일일 점검 {day:%m/%d} 이 번호로 잘 도착했습니다."


class CanarySettings(SettingsModel):
    """`phone` gets an SMS every day at `at` (Korean time); its receipt is awaited for `receipt_within_s`."""

    phone: Annotated[str, AfterValidator(normalised)]
    at: time = time(10, 0)
    receipt_within_s: Annotated[float, Field(ge=30, le=86_400)] = 600.0


@dataclass(frozen=True, slots=True)
class Canary:
    """Sends the day's canary once, whoever asks and how often, and says what became of the newest."""

    settings: CanarySettings
    market: str  # whose messages page shows it
    messages: Messages

    def send(self, now_unix_ms: int) -> bool:
        """Write today's message if its time has come; whether it is new.

        Raises:
            StoreUnavailableError: try again later.
        """
        day = due_day(now_unix_ms, self.settings.at)
        if day is None:
            return False
        text = TEXT.format(day=day)
        row = NewMessage("canary", RECIPIENT_NAME, self.settings.phone, text, now_unix_ms)
        return self.messages.write(self._key(day), self.market, row)

    def look(self, now_unix_ms: int) -> str | None:
        """What is wrong with the newest canary, empty when it has arrived; `None` while that is not known yet.

        Raises:
            StoreUnavailableError: try again later.
        """
        today = _local(now_unix_ms).date()
        for day in (today, today - timedelta(days=1)):
            message = self.messages.of_key(self._key(day))
            if message is not None:
                return judged(message, now_unix_ms, self.settings.receipt_within_s)
        return None

    def _key(self, day: date) -> str:
        return f"{CANARY_KEY}{self.settings.phone}:sms:{day.isoformat()}"


def due_day(now_unix_ms: int, at: time) -> date | None:
    """The day whose canary is due, today's from `at` on; `None` before that."""
    local = _local(now_unix_ms)
    return local.date() if local.time() >= at else None


def judged(message: Message, now_unix_ms: int, receipt_within_s: float) -> str | None:
    """What is wrong with a canary, empty when it has arrived; `None` while its receipt may still come."""
    if message.state == "delivered":
        return ""
    sent = f"{_local(message.created_unix_ms):%m-%d %H:%M}"
    if message.state in {"failed", "unknown"}:
        return f"the test SMS of {sent} was not delivered: {message.error}"
    if now_unix_ms - message.created_unix_ms <= receipt_within_s * 1000:
        return None
    through = f"{message.provider} took it" if message.state == "accepted" else f"nobody took it: {message.error}"
    return f"no receipt for the test SMS of {sent}: {through}"


def _local(unix_ms: int) -> datetime:
    return datetime.fromtimestamp(unix_ms / 1000, UTC).astimezone(KOREA)
