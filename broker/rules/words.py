"""What a rule's event says in its body: the words of both languages, and which value it was about."""

from pydantic import BaseModel, ConfigDict, ValidationError

from broker.rules.model import Rule

RULE = "rule"
"""The name of a rule's events in the incidents' history."""


class RuleWords(BaseModel):
    """The body of a rule's event."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    rule: str
    telemetry: str
    device: str
    subject: str
    level: str
    ko: str
    en: str


def body_of(rule: Rule, device: str, subject: str) -> str:
    """The body of an event of this rule about a device's subject."""
    words = RuleWords(
        rule=rule.name,
        telemetry=rule.telemetry,
        device=device,
        subject=subject,
        level=rule.level,
        ko=rule.ko,
        en=rule.en,
    )
    return words.model_dump_json()


def words_of(body: str) -> RuleWords | None:
    """The words of an event's body; None for an event that no rule made."""
    try:
        return RuleWords.model_validate_json(body)
    except ValidationError:
        return None
