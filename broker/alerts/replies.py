"""Replies: somebody on a roster texts back an incident's code, and so acknowledges it."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from broker.alerts.counters import Counters
from broker.alerts.ports import Reply
from broker.alerts.reply_texts import answer_text
from broker.stores.audit import Audit
from broker.stores.incident_models import CODE_LENGTH, CODE_LETTERS, Incident
from broker.stores.incidents import Incidents
from broker.stores.phones import BadPhoneError, normalised
from broker.stores.replies import (
    ACKNOWLEDGED,
    ALREADY,
    LIMITED,
    UNKNOWN_CODE,
    UNKNOWN_SENDER,
    Answer,
    Meant,
    Person,
    Replies,
)

log = structlog.get_logger(__name__)

CODES_READ_MAX = 8
FUTILE_PER_HOUR_MAX = 6
DUPLICATE = "duplicate"
SENDER_SHOWN = 4

_RUN = re.compile(r"[A-Z0-9]+")


@dataclass(frozen=True, slots=True)
class ReplyDesk:
    """Takes replies from every provider, each once.

    A number that is on no roster is kept and not answered: a stranger must not make us send. Somebody whose replies
    change nothing is answered `FUTILE_PER_HOUR_MAX` times an hour. `wake` has the dispatcher look at once. With
    `unicode` a notifier carries Chinese and Japanese.
    """

    incidents: Incidents
    replies: Replies
    audit: Audit
    wake: Callable[[], None]
    counters: Counters
    unicode: bool = False

    def take(self, provider: str, reply: Reply) -> str:
        """Take one reply; what became of it: a word of `broker.stores.replies`, or `DUPLICATE`.

        Raises:
            StoreUnavailableError: not kept; the provider has to tell it again.
        """
        if self.replies.is_known(provider, reply.reference):
            return DUPLICATE
        sender = _sender(reply.sender)
        people = self.replies.people(sender)
        outcome, answer = self._understood(sender, people, reply.text)
        if not self.replies.keep(provider, reply.reference, sender, reply.text, outcome, answer):
            return DUPLICATE
        self._note(provider, sender, people, outcome)
        if answer is not None:
            self.wake()
        return outcome

    def _understood(self, sender: str, people: Sequence[Person], text: str) -> tuple[str, Answer | None]:
        if not people:
            return UNKNOWN_SENDER, None
        by_market = {one.market: one for one in people}
        meant = self.replies.meant(codes_in(text), tuple(by_market))
        if not meant:
            return self._not_meant(sender, people)
        done = [(one, self._acknowledge(one, by_market[one.market])) for one in meant]
        fresh = [one for one, (_, is_first) in done if is_first]
        if not fresh and self._is_limited(sender):
            return LIMITED, None
        about = (fresh or meant)[0]
        person = by_market[about.market]
        if fresh:
            text = answer_text(ACKNOWLEDGED, person.language, [one.code for one in fresh], unicode=self.unicode)
            return ACKNOWLEDGED, Answer(person, text, about)
        incident = done[0][1][0]
        text = answer_text(
            ALREADY,
            person.language,
            [about.code],
            who=incident.acknowledged_by or "",
            unix_ms=incident.acknowledged_unix_ms,
            unicode=self.unicode,
        )
        return ALREADY, Answer(person, text, about)

    def _not_meant(self, sender: str, people: Sequence[Person]) -> tuple[str, Answer | None]:
        """No code of a market of theirs: say which there are, or nothing to whoever has been told so often enough."""
        if self._is_limited(sender):
            return LIMITED, None
        person = people[0]
        codes = self.replies.unacknowledged([one.market for one in people])
        what = "which" if codes else "none"
        return UNKNOWN_CODE, Answer(person, answer_text(what, person.language, codes, unicode=self.unicode))

    def _is_limited(self, sender: str) -> bool:
        return self.replies.futile_last_hour(sender) >= FUTILE_PER_HOUR_MAX

    def _acknowledge(self, meant: Meant, person: Person) -> tuple[Incident, bool]:
        done = self.incidents.acknowledge(meant.incident_id, person.name, "reply")
        if done.is_first:
            self.counters.add("acknowledged_by_reply_total")
            self.audit.write(person.name, "incident.acknowledge", f"{meant.market}/{meant.code}", "reply")
            log.warning("incident.acknowledged", code=meant.code, market=meant.market, via="reply")
        return done.incident, done.is_first

    def _note(self, provider: str, sender: str, people: Sequence[Person], outcome: str) -> None:
        self.counters.add("replies_total")
        if outcome == ACKNOWLEDGED:
            return
        self.counters.add("replies_refused_total", outcome != ALREADY)
        who = people[0].name if people else f"…{sender[-SENDER_SHOWN:]}"
        self.audit.write(who, "acknowledge.refused", "reply", outcome)
        log.warning("reply.refused", provider=provider, outcome=outcome)


def codes_in(text: str) -> Sequence[str]:
    """What of a text can be an incident's code: runs of letters and digits as long as one, in any case and width.

    `K7Q2`, `확인 k7q2`, `K7Q2확인` and `K 7 Q 2` alike.
    """
    plain = unicodedata.normalize("NFKC", text).upper()
    runs = _RUN.findall(plain)
    found = [one for one in (*runs, "".join(runs)) if len(one) == CODE_LENGTH and set(one) <= set(CODE_LETTERS)]
    return tuple(dict.fromkeys(found))[:CODES_READ_MAX]


def _sender(text: str) -> str:
    """The sender's number as rosters store it; what is no number stays as it is, and is on no roster."""
    try:
        return normalised(text)
    except BadPhoneError:
        return text
