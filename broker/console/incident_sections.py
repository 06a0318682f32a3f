"""What an incident's page shows: its pictures, what spoke for a fire, and how the score went."""

from collections.abc import Sequence
from dataclasses import dataclass

from broker.console.composition import Console
from broker.console.incident_timeline import timeline
from broker.console.incidents import incident_view, message_view
from broker.console.problems import NotHereError
from broker.stores.incident_models import DRILL, FIRE, IncidentEvent
from contract.events import SCORE_STEP_MS, FireEvent
from contract.payload import BadPayloadError

MS_PER_S = 1000
INCIDENT_MAX = 2**63 - 1  # what a database holds
EVENTS_READ = 200
PLOT_WIDTH, PLOT_HEIGHT = 480, 140
"""Of the plot's ground, in the units of its SVG."""

STRENGTHS = ((0.75, "very"), (0.5, "strong"), (0.25, "moderate"), (0.0, "weak"))
"""From which strength on a sign is called what."""


@dataclass(frozen=True, slots=True)
class SignView:
    """A sign of fire and how strong it was, both as keys of the texts."""

    sign: str
    strength: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis: where, and what it says."""

    at: float
    says: str


@dataclass(frozen=True, slots=True)
class ScorePlot:
    """The scores before the confirmation as a line, in units of the SVG; and the figures that say the same in words."""

    points: str
    seconds: Sequence[Tick]
    shares: Sequence[Tick]
    lasts_s: float
    first: float
    last: float
    highest: float


def incident_context(console: Console, market: str, incident_id: str) -> dict[str, object]:
    """Everything on an incident's page.

    Raises:
        NotHereError: there is no such market, or no such incident in it.
    """
    listing = console.directory.market(market)
    if not (incident_id.isascii() and incident_id.isdigit() and int(incident_id) <= INCIDENT_MAX):
        raise NotHereError("incident", n=incident_id)
    found = console.incidents.get(int(incident_id))
    if found.market != market:
        raise NotHereError("incident", n=incident_id)
    events = console.incidents.events(found.incident_id, EVENTS_READ)
    told, messages = _telling(events), console.messages.of_incident(found.incident_id)
    names = console.incidents.cameras([found.incident_id]).get(found.incident_id, ())
    return {
        "market": listing.market,
        "zones": {one.id: one for one in listing.zones},
        "incident": incident_view(found, console.clock.unix_ms()),
        "pictures": console.stills.of_incident(found.incident_id),
        "signs": [SignView(one.sign.value, strength(one.strength)) for one in (told.reasons if told else ())],
        "plot": None if told is None else score_plot(told.scores),
        "cameras": names if found.severity in {FIRE, DRILL} else (),
        "messages": [message_view(one) for one in messages],
        "timeline": timeline(console.incidents.log(found.incident_id), events, messages),
        "has_pictures": found.severity in {FIRE, DRILL},
    }


def strength(share: float) -> str:
    """A strength in a word."""
    return next(word for least, word in STRENGTHS if share >= least)


def score_plot(scores: Sequence[float]) -> ScorePlot | None:
    """The plot of a score's history, newest last; None for fewer than two values."""
    if len(scores) < 2:  # noqa: PLR2004 — a line has two ends
        return None
    steps = len(scores) - 1
    lasts_s = steps * SCORE_STEP_MS / MS_PER_S
    points = " ".join(
        f"{index * PLOT_WIDTH / steps:.1f},{(1 - share) * PLOT_HEIGHT:.1f}" for index, share in enumerate(scores)
    )
    every_s = next(one for one in (1, 2, 5) if lasts_s / one <= 6 or one == 5)  # noqa: PLR2004 — at most six marks
    marks = range(0, int(lasts_s) + 1, every_s)
    return ScorePlot(
        points,
        tuple(Tick(PLOT_WIDTH * (1 - second / lasts_s), f"-{second}" if second else "0") for second in marks),
        tuple(Tick((1 - share) * PLOT_HEIGHT, f"{share:g}") for share in (0.0, 0.5, 1.0)),
        lasts_s,
        scores[0],
        scores[-1],
        max(scores),
    )


def _telling(events: Sequence[IncidentEvent]) -> FireEvent | None:
    """The first event of a fire or drill that says why."""
    for one in reversed(events):
        if one.name not in {FIRE, DRILL}:
            continue
        try:
            event = FireEvent.from_bytes(one.body.encode())
        except BadPayloadError:  # of another version: it is in the history all the same
            continue
        if event.reasons or event.scores:
            return event
    return None
