"""What is told of an incident: its place and its text in one recipient's language."""

from dataclasses import dataclass

from broker.alerts.texts import Place, Style, fire_text, trouble_text, unknown_zone
from broker.alerts.wording import KO, words_of
from broker.stores.incident_models import DRILL, FIRE, Incident
from broker.stores.registry import Named

NO_ZONE = "none"
SMOKE = "smoke"


@dataclass(frozen=True, slots=True)
class Names:
    """What a market and its zones are called."""

    market: Named
    zones: tuple[Named, ...] = ()

    def of_market(self, language: str) -> str:
        """The market's name: in Korean for Korean readers, in English for all others."""
        return self.market.name_ko if language == "ko" else self.market.name_en

    def of_zone(self, zone: str, language: str, *, unicode: bool = False) -> str:
        """A zone's name; one that the registry does not know keeps its id."""
        known = next((one for one in self.zones if one.id == zone), None)
        if known is None:
            return unknown_zone(zone, language, unicode=unicode)
        return known.name_ko if language == "ko" else known.name_en


@dataclass(frozen=True, slots=True)
class About:
    """An incident, the camera or part that saw it, and the time that a text says."""

    incident: Incident
    subject: str
    unix_ms: int
    late: bool = False

    @property
    def part(self) -> str:
        """What kind of part a trouble is about."""
        kind = self.incident.kind
        parts = [part for part in KO.parts if kind == part or kind.startswith(f"{part}-")]
        return max(parts, key=len) if parts else kind.partition("-")[0]

    @property
    def reason(self) -> str:
        """Why, as the incident has it: a word of the tables, or a rule's own words."""
        head, _, _ = self.incident.detail.partition(": ")
        return head if head in KO.reasons else self.incident.detail

    def head(self, variant: str) -> str:
        """The key of the words in brackets. `variant` is again, unanswered, storm or nothing."""
        severity = self.incident.severity
        if severity == DRILL:
            return "drill"
        what = "trouble" if severity != FIRE else (SMOKE if self.incident.kind == SMOKE else "fire")
        return f"{what}-{variant}" if variant else what

    def place(self, names: Names, style: Style) -> Place:
        """Where it is, for one reader."""
        language, _ = words_of(style.language, unicode=style.unicode)
        zone = self.incident.zone
        named = "" if zone == NO_ZONE else names.of_zone(zone, language, unicode=style.unicode)
        return Place(names.of_market(language), named, self.subject, self.part)


def text_of(about: About, names: Names, variant: str, style: Style, cameras: int = 0) -> str:
    """The text for one reader; `cameras`: how many see it, where that is the news."""
    incident, place = about.incident, about.place(names, style)
    if incident.severity in {FIRE, DRILL}:
        head = about.head(variant)
        return fire_text(place, incident.code, about.unix_ms, late=about.late, head=head, cameras=cameras, style=style)
    head = about.head("unanswered" if variant == "unanswered" else "")
    return trouble_text(place, about.reason, incident.code, about.unix_ms, late=about.late, head=head, style=style)
