"""A rule as it stands in a file: which telemetry, which condition, for how long, and what people are told."""

from collections.abc import Callable
from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, StrictBool, StrictStr, field_validator, model_validator

from broker.rules.fields import KINDS, STATE, UNKNOWN, FieldSort
from broker.series.freshness import STALE_AFTER_S
from broker.series.ports import FieldValue
from broker.stores.carrier import carrier_bytes, note_fault
from contract.ids import Id
from runtime.settings_file import MisplacedError, SettingsModel

FOR_S_MAX = 7 * 86_400.0
NAME_LENGTH_MAX = 40
TEXT_BYTES_MAX = 40  # what a text message has room for beside market, zone, time and code
MS_PER_S = 1000

Verdict = Literal[1, 0, -1] | None
"""What a value says of a condition: that it holds, neither (it is within the band), that it is over; None: nothing."""

HOLDS: Literal[1] = 1
NEITHER: Literal[0] = 0
CLEARS: Literal[-1] = -1

Judge = Callable[[FieldValue], Verdict]

Incident = Literal["rule", "disk", "sensor", "camera", "parking-overstay", "parking-taken"]
"""The kinds of incident that a rule may raise; each has its policy: who is told, when, by which channels."""

QUESTIONS = ("above", "below", "equals", "not_equals", "fault")

Finite = Annotated[float, Field(allow_inf_nan=False)]
Sentence = Annotated[str, Field(min_length=1)]


T = TypeVar("T")


def _not_empty(found: tuple[T, ...]) -> tuple[T, ...]:
    """Not by `min_length`: that one speaks too wherever an entry is wrong."""
    if not found:
        raise ValueError("is an empty list: name at least one, or leave the key out")
    return found


class Condition(SettingsModel):
    """One of `above`, `below`, `equals`, `not_equals` and `fault`.

    A number needs `clear_at` as well: once the value is there, or further away from the limit, it is over. Between
    the two nothing changes, so that a value that trembles around a limit does not raise and clear for ever.
    """

    above: Finite | None = None
    below: Finite | None = None
    clear_at: Finite | None = None
    equals: StrictBool | StrictStr | None = None
    not_equals: StrictBool | StrictStr | None = None
    fault: Literal[True] | None = None

    @property
    def limit(self) -> float | None:
        """The number that a value is held against."""
        return self.below if self.above is None else self.above

    @property
    def operand(self) -> bool | str | None:
        """The word or flag that a value is held against."""
        return self.not_equals if self.equals is None else self.equals

    @property
    def asked(self) -> str:
        """Which of the five questions it is."""
        return next(name for name in QUESTIONS if getattr(self, name) is not None)

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        asked = [name for name in QUESTIONS if getattr(self, name) is not None]
        if len(asked) != 1:
            raise ValueError(f"expected one of {', '.join(QUESTIONS)}; found {' and '.join(asked) or 'none'}")
        limit, clear = self.limit, self.clear_at
        if limit is None:
            if clear is not None:
                raise MisplacedError(f"goes with above and below only, this condition asks {asked[0]}", "clear_at")
            return self
        relation = "at least" if self.above is None else "at most"
        if clear is None:
            sentence = f"needs clear_at beside it: the value, {relation} {limit:g}, at which it is over"
            raise MisplacedError(sentence, asked[0])
        if clear < limit if self.above is None else clear > limit:
            raise MisplacedError(f"found {clear:g}, expected {relation} {limit:g}, the limit of {asked[0]}", "clear_at")
        return self


class Rule(SettingsModel):
    """One rule.

    `for_s`: for how long the condition must have been seen to hold; `clear_for_s`: for how long its end. Time in which
    nothing is known counts for neither. `markets` and `devices` name the only ones that it is about; all when absent.
    `ko` and `en` are what people read, `incident` the kind of incident.
    """

    name: Annotated[Id, Field(max_length=NAME_LENGTH_MAX)]
    telemetry: str
    field: str | None = None
    condition: Condition
    for_s: Annotated[float, Field(ge=0, le=FOR_S_MAX)]
    clear_for_s: Annotated[float, Field(ge=0, le=FOR_S_MAX)] = 0.0
    incident: Incident = "rule"
    level: Literal["watch", "alarm"] = "alarm"
    ko: Sentence
    en: Sentence
    markets: Annotated[tuple[Id, ...], AfterValidator(_not_empty)] | None = None
    devices: Annotated[tuple[Id, ...], AfterValidator(_not_empty)] | None = None

    @field_validator("ko", "en")
    @classmethod
    def _can_be_sent(cls, text: str) -> str:
        """It goes into text messages: only letters that the carriers can carry."""
        fault = note_fault(text, korean=True)
        if fault is not None:
            raise ValueError(fault.sentence)
        if text != " ".join(text.split()) or "\N{MIDDLE DOT}" in text:
            raise ValueError("holds a middle dot, a line break or several spaces in a row: leave them out")
        size = carrier_bytes(text)
        if size > TEXT_BYTES_MAX:
            raise ValueError(f"has {size} bytes in a text message: make it at most {TEXT_BYTES_MAX}, 20 Korean letters")
        return text

    @model_validator(mode="after")
    def _asks_what_there_is(self) -> Self:
        kind = KINDS.get(self.telemetry)
        if kind is None:
            raise MisplacedError(f"unknown telemetry {self.telemetry!r}: there are {', '.join(KINDS)}", "telemetry")
        if self.condition.fault is not None:
            if self.field is not None:
                raise MisplacedError("fault asks whether the reading says `unknown`: leave the field out", "field")
            if not kind.is_stated:
                raise MisplacedError(f"readings of {kind.name} cannot say that they are at fault", "condition", "fault")
            return self
        if self.field is None:
            raise ValueError(f"needs the key field: {kind.name} has {', '.join(kind.fields)}")
        sort = kind.fields.get(self.field)
        if sort is None:
            raise MisplacedError(
                f"{kind.name} has no field {self.field!r}: there are {', '.join(kind.fields)}", "field"
            )
        _check_operand(self.field, sort, self.condition)
        return self

    @property
    def hold_ms(self) -> int:
        """For how long a reading of this telemetry stands for what is."""
        return int(STALE_AFTER_S[self.telemetry] * MS_PER_S)

    @property
    def for_ms(self) -> int:
        """`for_s` in milliseconds."""
        return int(self.for_s * MS_PER_S)

    @property
    def clear_for_ms(self) -> int:
        """`clear_for_s` in milliseconds."""
        return int(self.clear_for_s * MS_PER_S)

    @property
    def asked_field(self) -> str:
        """The field whose values it judges."""
        return STATE if self.field is None else self.field

    @property
    def needs_state(self) -> bool:
        """Whether a reading's own `state` has to be looked at too: an unknown reading's other fields mean nothing."""
        return KINDS[self.telemetry].is_stated and self.asked_field != STATE

    def is_about(self, market: str, device: str) -> bool:
        """Whether it looks at this device."""
        return (self.markets is None or market in self.markets) and (self.devices is None or device in self.devices)

    def judge(self) -> Judge:
        """The condition as a function of a value of `asked_field`."""
        return _judge(self.condition, self.asked_field)


class RuleFile(SettingsModel):
    """A file of rules."""

    rules: Annotated[tuple[Rule, ...], AfterValidator(_not_empty)]

    @model_validator(mode="after")
    def _no_name_twice(self) -> Self:
        names: set[str] = set()
        for place, rule in enumerate(self.rules):
            if rule.name in names:
                raise MisplacedError(
                    f"two rules are called {rule.name!r}: give each its own name", "rules", place, "name"
                )
            names.add(rule.name)
        return self


def _check_operand(field: str, sort: FieldSort, condition: Condition) -> None:
    asked, operand = condition.asked, condition.operand
    if sort.sort == "number":
        if condition.limit is None:
            raise MisplacedError(f"{field} is a number: ask above or below", "condition", asked)
        return
    if condition.limit is not None:
        raise MisplacedError(f"{field} is no number: ask equals or not_equals", "condition", asked)
    if sort.sort == "flag" and not isinstance(operand, bool):
        raise MisplacedError(f"found {operand!r}, {field} is true or false", "condition", asked)
    if sort.sort == "word" and not isinstance(operand, str):
        raise MisplacedError(f"found {operand!r}, {field} is a word: write it in quotes", "condition", asked)
    if sort.words and operand not in sort.words:
        raise MisplacedError(f"found {operand!r}, {field} is one of {', '.join(sort.words)}", "condition", asked)


def _judge(condition: Condition, field: str) -> Judge:
    limit, clear_at, operand = condition.limit, condition.clear_at, condition.operand
    if limit is not None and clear_at is not None:
        sign = 1.0 if condition.below is None else -1.0
        return _judge_number(limit, clear_at, sign)
    if condition.fault:
        return lambda value: HOLDS if value == UNKNOWN else CLEARS
    equal, other = (HOLDS, CLEARS) if condition.equals is not None else (CLEARS, HOLDS)
    says_nothing = UNKNOWN if field == STATE and operand != UNKNOWN else None
    return lambda value: None if value == says_nothing else equal if value == operand else other


def _judge_number(limit: float, clear_at: float, sign: float) -> Judge:
    """`sign` is 1 where large values hold, -1 where small ones do."""
    least_held, most_clear = limit * sign, clear_at * sign

    def judge(value: FieldValue) -> Verdict:
        if isinstance(value, str):
            return None
        signed = value * sign
        return HOLDS if signed > least_held else CLEARS if signed <= most_clear else NEITHER

    return judge
