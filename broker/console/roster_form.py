"""A person of a roster as a page's form has them: read leniently, kept as typed, taken only if everything is right."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import time

from starlette.datastructures import FormData

from broker.console.problems import ExplainedError
from broker.stores.phones import BadPhoneError, normalised, shown
from broker.stores.policy_models import LANGUAGES, ROLES
from broker.stores.registry import Recipient

NAME_LENGTH_MAX = 80
TYPED_LENGTH_MAX = 200
MINUTES_PER_HOUR = 60


class BadPersonError(ExplainedError, ValueError):
    """A person who cannot be taken; the sentence says what is wrong and what would be right. `field` is the input."""

    def __init__(self, key: str, field: str, /, **values: object) -> None:
        super().__init__(key, **values)
        self.field = field


PHONE_PROBLEMS: Mapping[str, Callable[[str], BadPersonError]] = {
    "empty": lambda _text: BadPersonError("phone_empty", "phone"),
    "letters": lambda text: BadPersonError("phone_letters", "phone", phone=text),
    "emergency": lambda text: BadPersonError("phone_emergency", "phone", phone=text),
    "mute": lambda text: BadPersonError("phone_mute", "phone", phone=text),
    "korean": lambda text: BadPersonError("phone_korean", "phone", phone=text),
    "foreign": lambda text: BadPersonError("phone_foreign", "phone", phone=text),
}
"""By `BadPhoneError.reason`."""


@dataclass(frozen=True, slots=True)
class PersonInput:
    """A person as they were typed. Quiet hours are times such as 22:00; both empty: none."""

    name: str = ""
    phone: str = ""
    role: str = ROLES[0]
    language: str = LANGUAGES[0]
    quiet_from: str = ""
    quiet_to: str = ""


def input_of(one: Recipient) -> PersonInput:
    """A saved person as a form shows them."""
    hours = (clock_text(one.quiet_from_minute), clock_text(one.quiet_to_minute))
    return PersonInput(one.name, shown(one.phone), one.role, one.language, *hours)


def read_person(form: FormData) -> PersonInput:
    """What a form holds."""

    def typed(name: str) -> str:
        value = form.get(name, "")
        return value.strip()[:TYPED_LENGTH_MAX] if isinstance(value, str) else ""

    return PersonInput(*(typed(name) for name in PersonInput.__slots__))


def person_of(typed: PersonInput) -> Recipient:
    """The person who was typed, their number as it is stored.

    Raises:
        BadPersonError: the first thing that is wrong.
    """
    name = " ".join(typed.name.split())
    if not name or len(name) > NAME_LENGTH_MAX or not name.isprintable():
        raise BadPersonError("person_name", "name", n=NAME_LENGTH_MAX)
    if typed.role not in ROLES:
        raise BadPersonError("person_role", "role", role=typed.role)
    if typed.language not in LANGUAGES:
        raise BadPersonError("person_language", "language", language=typed.language)
    try:
        phone = normalised(typed.phone)
    except BadPhoneError as error:
        raise PHONE_PROBLEMS[error.reason](typed.phone) from error
    begins, ends = minute_of(typed.quiet_from, "quiet_from"), minute_of(typed.quiet_to, "quiet_to")
    if (begins is None) != (ends is None):
        raise BadPersonError("person_hours_half", "quiet_to" if ends is None else "quiet_from")
    if begins is not None and begins == ends:
        raise BadPersonError("person_hours_same", "quiet_to")
    return Recipient(name, phone, typed.role, typed.language, begins, ends)


def minute_of(text: str, field: str) -> int | None:
    """A typed time of day as minutes since midnight; `None` for nothing typed.

    Raises:
        BadPersonError: not a time of day.
    """
    if not text:
        return None
    try:
        moment = time.fromisoformat(text)
    except ValueError as error:
        raise BadPersonError("person_hours", field, typed=text) from error
    return moment.hour * MINUTES_PER_HOUR + moment.minute


def clock_text(minute: int | None) -> str:
    """Minutes since midnight as a time input has them."""
    return "" if minute is None else f"{minute // MINUTES_PER_HOUR:02d}:{minute % MINUTES_PER_HOUR:02d}"
