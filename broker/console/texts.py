"""Every text of the pages, in Korean and in English, once: put together from the texts of each page."""

from collections.abc import Callable, Mapping
from typing import Literal

from broker.console.ack_texts import ACK_TEXTS
from broker.console.alert_texts import ALERT_TEXTS
from broker.console.camera_texts import CAMERA_TEXTS
from broker.console.dead_letter_texts import DEAD_LETTER_TEXTS
from broker.console.frame_texts import FRAME_TEXTS
from broker.console.health_texts import HEALTH_TEXTS
from broker.console.incident_texts import INCIDENT_TEXTS
from broker.console.market_texts import MARKET_TEXTS
from broker.console.message_texts import MESSAGE_TEXTS
from broker.console.notice_texts import NOTICE_TEXTS
from broker.console.rule_texts import RULE_TEXTS
from broker.console.timeline_texts import TIMELINE_TEXTS

Language = Literal["ko", "en"]
LANGUAGES: tuple[Language, ...] = ("ko", "en")

PARTS: tuple[Mapping[str, tuple[str, str]], ...] = (
    FRAME_TEXTS,
    MARKET_TEXTS,
    CAMERA_TEXTS,
    INCIDENT_TEXTS,
    TIMELINE_TEXTS,
    ACK_TEXTS,
    ALERT_TEXTS,
    RULE_TEXTS,
    NOTICE_TEXTS,
    MESSAGE_TEXTS,
    DEAD_LETTER_TEXTS,
    HEALTH_TEXTS,
)
TEXTS: Mapping[str, tuple[str, str]] = {key: text for part in PARTS for key, text in part.items()}


def translator(language: Language) -> Callable[..., str]:
    """`t(key, **values)`: the text in one language with its values in place. An unknown key is a defect: KeyError."""
    index = LANGUAGES.index(language)

    def translate(key: str, /, **values: object) -> str:
        return TEXTS[key][index].format(**values)

    return translate


def fault_text(translate: Callable[..., str], kind: str) -> str:
    """What a fault's kind means in words; a kind that nobody has worded yet stays as it is."""
    for key in TEXTS:
        start = key.removeprefix("fault.")
        if key == start or not kind.startswith(start):
            continue
        head, _, who = kind.removeprefix(start).partition("-")
        if head in {"", "s"} and who:
            return translate(key, who=who)
    return kind


def age_text(translate: Callable[..., str], age_s: float) -> str:
    """An age in words. console.js says the same in the browser."""
    if age_s < 1:
        return translate("now")
    for key, limit_s, unit_s in (("age_s", 60, 1), ("age_min", 3600, 60), ("age_h", 86400, 3600)):
        if age_s < limit_s:
            return translate(key, n=int(age_s // unit_s))
    return translate("age_d", n=int(age_s // 86400))
