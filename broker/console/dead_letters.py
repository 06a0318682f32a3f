"""The page of dead letters: which are shown, and what a manager may do with them."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.datastructures import FormData, QueryParams

from broker.console.composition import Console
from broker.console.problems import NotHereError
from broker.stores.dead_letters import (
    DEAD_LETTERS_MAX,
    REPLAYED_BY,
    DeadLetter,
    LetterFilter,
    NotReplayableError,
    UnknownLetterError,
)

LETTERS_PER_PAGE = 100
COUNTS_SHOWN = 200
BODY_SHOWN_MAX = 400
TEXT_LENGTH_MAX = 140
SINCE_S: Mapping[str, int] = {"hour": 3600, "day": 86_400, "week": 604_800}


@dataclass(frozen=True, slots=True)
class Choice:
    """What a visitor chose to see, as it stands in the page's address. Empty means all."""

    kind: str = ""
    device: str = ""  # <market>/<device>
    since: str = ""  # hour | day | week
    below: int | None = None

    @classmethod
    def read(cls, given: QueryParams | FormData) -> "Choice":
        """From an address or a form; what makes no sense chooses nothing."""
        kind, device, since = (str(given.get(name, ""))[:TEXT_LENGTH_MAX] for name in ("kind", "device", "since"))
        below = str(given.get("below", ""))
        number = int(below) if below.isascii() and below.isdecimal() and len(below) < 19 else None  # noqa: PLR2004 - fits the column
        return cls(kind.replace("\0", ""), device.replace("\0", ""), since if since in SINCE_S else "", number)

    def filter(self, now_unix_ms: int) -> LetterFilter:
        """As the store takes it."""
        market, _, device = self.device.partition("/")
        return LetterFilter(
            kind=self.kind or None,
            market=market or None,
            device=device or None,
            since_unix_ms=now_unix_ms - SINCE_S[self.since] * 1000 if self.since else None,
            below_id=self.below,
        )

    def address(self, **more: object) -> str:
        """The page's address for this choice (without its place in the list), with more behind it."""
        chosen = {"kind": self.kind, "device": self.device, "since": self.since}
        query = urlencode({**{name: value for name, value in chosen.items() if value}, **more})
        return f"/dead-letters?{query}" if query else "/dead-letters"


@dataclass(frozen=True, slots=True)
class ShownLetter:
    """A letter as the page has it; `obstacle` names why it cannot be replayed (`cut`, `not_ingest`, or empty)."""

    letter: DeadLetter
    body: str
    obstacle: str


def letters_context(console: Console, choice: Choice, said: QueryParams) -> dict[str, object]:
    """What the page shows."""
    found = console.dead_letters.find(choice.filter(console.clock.unix_ms()), LETTERS_PER_PAGE + 1)
    shown = found[:LETTERS_PER_PAGE]
    is_more = len(found) > LETTERS_PER_PAGE
    counts = console.dead_letters.counts()[:COUNTS_SHOWN]
    number = said.get("n", "")
    return {
        "page": "dead_letters",
        "choice": choice,
        "letters": [_shown(one) for one in shown],
        "counts": counts,
        "kinds": sorted({one.kind for one in counts}),
        "devices": sorted({f"{one.market}/{one.device}" for one in counts if one.market}),
        "older": choice.address(below=shown[-1].dead_letter_id) if is_more else "",
        "kept_max": DEAD_LETTERS_MAX,
        "said": said.get("said") if said.get("said") in {"replay", "forget"} and number.isdecimal() else "",
        "said_count": number,
    }


def replay_letter(console: Console, letter_id: int, who: str) -> int:
    """Ask for one replay; returns how many that is, 0 for a letter that can never be replayed.

    Raises:
        NotHereError: there is no such letter.
    """
    try:
        console.dead_letters.request_replay(letter_id, console.clock.unix_ms())
    except UnknownLetterError as error:
        raise NotHereError("dead_letter", n=letter_id) from error
    except NotReplayableError:  # counted by the caller as not requested
        return 0
    console.audit.write(who, "dead_letter.replay", str(letter_id))
    return 1


def replay_chosen(console: Console, choice: Choice, who: str) -> int:
    """Ask for the replay of all that are chosen and can be replayed; how many that is."""
    asked = console.dead_letters.request_replays(choice.filter(console.clock.unix_ms()), console.clock.unix_ms())
    console.audit.write(who, "dead_letter.replay", choice.address(), f"{asked}")
    return asked


def forget_letter(console: Console, letter_id: int, who: str) -> None:
    """Delete one letter; what it was is written down.

    Raises:
        NotHereError: there is no such letter.
    """
    try:
        letter = console.dead_letters.get(letter_id)
        console.dead_letters.forget(letter_id)
    except UnknownLetterError as error:
        raise NotHereError("dead_letter", n=letter_id) from error
    console.audit.write(who, "dead_letter.forget", letter.topic, f"{letter_id}: {letter.reason_kind}: {letter.reason}")


def _shown(letter: DeadLetter) -> ShownLetter:
    obstacle = ""
    if letter.not_replayable_because:
        obstacle = "cut" if letter.part == REPLAYED_BY else "not_ingest"
    return ShownLetter(letter, letter.body[:BODY_SHOWN_MAX].decode("utf-8", "replace"), obstacle)
