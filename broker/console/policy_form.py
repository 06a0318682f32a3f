"""A policy as a page's form has it: read leniently, kept as typed, taken only if everything is right."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from starlette.datastructures import FormData

from broker.console.problems import ExplainedError
from broker.stores.carrier import note_fault
from broker.stores.policy_models import (
    AFTER_S_MAX,
    CAP_PER_HOUR_MAX,
    CHANNELS,
    LANGUAGES,
    REPEAT_EVERY_S_MIN,
    REPEATS_MAX,
    ROLES,
    STEPS_MAX,
    Policy,
    Step,
)

TYPED_LENGTH_MAX = 20
NOTE_LENGTH_MAX = 2000
QUIET = ("holds", "ignores")
FIRE = "fire"


class BadPolicyError(ExplainedError, ValueError):
    """A policy that cannot be taken; the sentence says which step or value and what would be right."""


@dataclass(frozen=True, slots=True)
class StepInput:
    """A step as it was typed; one without a time and without people is none."""

    after_s: str = ""
    roles: tuple[str, ...] = ()
    channels: tuple[str, ...] = ("sms",)


@dataclass(frozen=True, slots=True)
class PolicyInput:
    """A policy as it was typed."""

    steps: tuple[StepInput, ...] = ()
    repeat_every_s: str = "0"
    repeats_max: str = "0"
    quiet_hours: str = QUIET[0]
    cap_per_hour: str = "6"
    languages: tuple[str, ...] = LANGUAGES
    notes: Mapping[str, str] = field(default_factory=dict)


def input_of(policy: Policy) -> PolicyInput:
    """A saved policy as a form shows it."""
    return PolicyInput(
        tuple(StepInput(str(one.after_s), one.roles, one.channels) for one in policy.steps),
        str(policy.repeat_every_s),
        str(policy.repeats_max),
        policy.quiet_hours,
        str(policy.cap_per_hour),
        policy.languages,
        {str(language): text for language, text in policy.notes.items()},
    )


def read_policy(form: FormData) -> PolicyInput:
    """What a form holds: `step-<n>-after`, `-role` and `-channel` (as often as chosen), and the rest by name."""

    def one(name: str, length: int = TYPED_LENGTH_MAX) -> str:
        value = form.get(name, "")
        return value.strip()[:length] if isinstance(value, str) else ""

    def several(name: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(value[:TYPED_LENGTH_MAX] for value in form.getlist(name) if isinstance(value, str)))

    typed = (
        StepInput(one(f"step-{n}-after"), several(f"step-{n}-role"), several(f"step-{n}-channel"))
        for n in range(STEPS_MAX)
    )
    return PolicyInput(
        tuple(step for step in typed if step.after_s or step.roles),
        one("repeat_every_s"),
        one("repeats_max"),
        one("quiet_hours"),
        one("cap_per_hour"),
        several("language"),
        {language: one(f"note-{language}", NOTE_LENGTH_MAX) for language in LANGUAGES},
    )


def policy_of(kind: str, typed: PolicyInput, roles: Collection[str]) -> Policy:
    """The policy that was typed, for a market whose roster has people of `roles`.

    Raises:
        BadPolicyError: the first thing that is wrong.
    """
    steps = tuple(_step(number, one) for number, one in enumerate(typed.steps, 1))
    for number, (one, other) in enumerate(pairwise(steps), 2):
        if other.after_s <= one.after_s:
            raise BadPolicyError("policy_order", n=number, before=one.after_s)
    if kind == FIRE and (not steps or steps[0].after_s):
        raise BadPolicyError("policy_no_first")
    if typed.quiet_hours not in QUIET:
        raise BadPolicyError("policy_quiet")
    if kind == FIRE and typed.quiet_hours != "ignores":
        raise BadPolicyError("policy_fire_quiet")
    every_s, times = _repeats(typed)
    policy = Policy(
        steps=steps,
        repeat_every_s=every_s,
        repeats_max=times,
        quiet_hours="ignores" if typed.quiet_hours == "ignores" else "holds",
        cap_per_hour=_cap(typed),
        languages=tuple(one for one in LANGUAGES if one in _languages(typed)),
        notes=_notes(typed),
    )
    if not policy.reaches(roles):
        raise BadPolicyError("policy_nobody")
    return policy


def _step(number: int, typed: StepInput) -> Step:
    after_s = _whole(typed.after_s, 0, AFTER_S_MAX)
    if after_s is None:
        raise BadPolicyError("policy_after", n=number, most=AFTER_S_MAX)
    unknown = next((one for one in typed.roles if one not in ROLES), None)
    if unknown is not None:
        raise BadPolicyError("policy_role", n=number, role=unknown)
    if not typed.roles:
        raise BadPolicyError("policy_no_role", n=number)
    strange = next((one for one in typed.channels if one not in CHANNELS), None)
    if strange is not None:
        raise BadPolicyError("policy_channel", n=number, channel=strange)
    if not typed.channels:
        raise BadPolicyError("policy_no_channel", n=number)
    return Step(
        after_s=after_s,
        roles=tuple(one for one in ROLES if one in typed.roles),
        channels=tuple(one for one in CHANNELS if one in typed.channels),
    )


def _repeats(typed: PolicyInput) -> tuple[int, int]:
    every_s, times = _whole(typed.repeat_every_s, 0, AFTER_S_MAX), _whole(typed.repeats_max, 0, REPEATS_MAX)
    if every_s is None or 0 < every_s < REPEAT_EVERY_S_MIN:
        raise BadPolicyError("policy_repeat_every", least=REPEAT_EVERY_S_MIN, most=AFTER_S_MAX)
    if times is None:
        raise BadPolicyError("policy_repeats", most=REPEATS_MAX)
    if bool(every_s) != bool(times):
        raise BadPolicyError("policy_repeats_half")
    return every_s, times


def _cap(typed: PolicyInput) -> int:
    cap = _whole(typed.cap_per_hour, 1, CAP_PER_HOUR_MAX)
    if cap is None:
        raise BadPolicyError("policy_cap", most=CAP_PER_HOUR_MAX)
    return cap


def _languages(typed: PolicyInput) -> tuple[str, ...]:
    if not set(typed.languages) & set(LANGUAGES):
        raise BadPolicyError("policy_languages")
    return typed.languages


def _notes(typed: PolicyInput) -> dict[str, str]:
    for language, text in typed.notes.items():
        fault = note_fault(text, korean=language == "ko")
        if fault is not None and fault.kind == "letter":
            raise BadPolicyError("policy_note_letter", language=language, letter=fault.found)
        if fault is not None:
            raise BadPolicyError("policy_note_long", language=language, size=fault.found, limit=fault.limit)
    return {language: text for language, text in typed.notes.items() if text.strip()}


def _whole(text: str, least: int, most: int) -> int | None:
    """The whole number that was typed, if it is one between these."""
    if not (text.isascii() and text.isdecimal()):
        return None
    value = int(text)
    return value if least <= value <= most else None
