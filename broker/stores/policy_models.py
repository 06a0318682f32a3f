"""Policies: for each kind of incident who is told, when, by which channel, and what may wait.

One model for the file (`config/policies/`), the console's form and the alerts service. A kind that a table leaves out
has the built-in policy, which `config/policies/default.yaml` writes out.
"""

from collections.abc import Collection, Mapping
from itertools import pairwise
from typing import Annotated, Final, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from broker.stores.carrier import note_fault
from runtime.settings_file import MisplacedError, SettingsModel

Role = Literal["manager", "deputy", "merchant"]
Channel = Literal["sms", "webhook", "apprise"]
Language = Literal["ko", "en", "zh", "ja"]

ROLES: Final[tuple[Role, ...]] = get_args(Role)
CHANNELS: Final[tuple[Channel, ...]] = get_args(Channel)
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)

STEPS_MAX = 10
AFTER_S_MAX = 86_400
REPEAT_EVERY_S_MIN = 30
REPEATS_MAX = 100
CAP_PER_HOUR_MAX = 1000


class Step(SettingsModel):
    """After `after_s` seconds without an acknowledgement everybody with one of `roles` is told by `channels`."""

    after_s: Annotated[int, Field(ge=0, le=AFTER_S_MAX)]
    roles: tuple[Role, ...]
    channels: tuple[Channel, ...] = ("sms",)

    @field_validator("roles", "channels")
    @classmethod
    def _some_once(cls, found: tuple[str, ...]) -> tuple[str, ...]:
        return _each_once(found)


class Policy(SettingsModel):
    """What becomes of one kind of incident. Without steps it waits in the console and nobody is told.

    `repeat_every_s` (0: never): after the last step everybody who was told is told again, `repeats_max` times at most,
    until somebody acknowledges. `quiet_hours`: `holds` moves messages to the end of a recipient's quiet hours.
    `cap_per_hour`: at most so many updates and repeats an hour for one recipient; the steps have no cap. `languages`:
    whoever reads another one gets the first. `notes`: what to do, by language, after the text; with one a text is
    mostly too long for a single SMS and goes as LMS.
    """

    steps: Annotated[tuple[Step, ...], Field(max_length=STEPS_MAX)] = ()
    repeat_every_s: Annotated[int, Field(ge=0, le=AFTER_S_MAX)] = 0
    repeats_max: Annotated[int, Field(ge=0, le=REPEATS_MAX)] = 0
    quiet_hours: Literal["holds", "ignores"] = "holds"
    cap_per_hour: Annotated[int, Field(ge=1, le=CAP_PER_HOUR_MAX)] = 6
    languages: tuple[Language, ...] = LANGUAGES
    notes: Mapping[Language, str] = {}

    @property
    def roles(self) -> frozenset[Role]:
        """Everybody whom a step tells."""
        return frozenset(role for step in self.steps for role in step.roles)

    def reaches(self, roles: Collection[str]) -> bool:
        """Whether a step tells anybody where the roster has people of these roles; true where nobody is meant to."""
        beside_sms = any(set(step.channels) - {"sms"} for step in self.steps)
        return not self.steps or beside_sms or bool(self.roles & set(roles))

    @field_validator("languages")
    @classmethod
    def _some_once(cls, found: tuple[str, ...]) -> tuple[str, ...]:
        return _each_once(found)

    @field_validator("notes")
    @classmethod
    def _carried(cls, notes: Mapping[Language, str]) -> Mapping[Language, str]:
        for language, text in notes.items():
            fault = note_fault(text, korean=language == "ko")
            if fault is not None:
                raise MisplacedError(fault.sentence, language)
        return {language: " ".join(text.split()) for language, text in notes.items() if text.strip()}

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for place, (one, other) in enumerate(pairwise(self.steps)):
            if other.after_s <= one.after_s:
                raise MisplacedError(
                    f"comes after {other.after_s} s, not later than the step before it ({one.after_s} s): "
                    "write the steps in the order in which they come",
                    "steps",
                    place + 1,
                    "after_s",
                )
        if 0 < self.repeat_every_s < REPEAT_EVERY_S_MIN:
            raise MisplacedError(
                f"found {self.repeat_every_s}, expected 0 (never) or at least {REPEAT_EVERY_S_MIN} (seconds)",
                "repeat_every_s",
            )
        if bool(self.repeat_every_s) != bool(self.repeats_max):
            raise MisplacedError(
                "repeat_every_s and repeats_max belong together: give both, or 0 for both", "repeats_max"
            )
        return self


def _each_once(found: tuple[str, ...]) -> tuple[str, ...]:
    if not found:
        raise ValueError("is empty: name at least one")
    twice = next((one for one in found if found.count(one) > 1), None)
    if twice is not None:
        raise ValueError(f"{twice!r} stands here twice: name each once")
    return found


def _managers(*, after_s: int = 0) -> tuple[Step, ...]:
    return (Step(after_s=after_s, roles=("manager",)),)


FIRE_POLICY = Policy(
    steps=(
        Step(after_s=0, roles=("manager",)),
        Step(after_s=60, roles=("deputy",)),
        Step(after_s=120, roles=("merchant",)),
    ),
    repeat_every_s=180,
    repeats_max=10,
    quiet_hours="ignores",
    cap_per_hour=20,
)
ALWAYS_TOLD = Policy(steps=_managers(), quiet_hours="ignores")  # the market is blind or mute to a fire
BY_DAY = Policy(steps=_managers())
CONSOLE_ONLY = Policy()


class PolicyTable(SettingsModel):
    """A policy for each kind of incident."""

    fire: Policy = FIRE_POLICY
    smoke: Policy = FIRE_POLICY
    drill: Policy = ALWAYS_TOLD
    camera: Policy = ALWAYS_TOLD
    siren: Policy = ALWAYS_TOLD
    device_offline: Policy = ALWAYS_TOLD
    undeliverable: Policy = ALWAYS_TOLD
    canary: Policy = BY_DAY
    balance: Policy = BY_DAY
    disk: Policy = BY_DAY
    rule: Policy = BY_DAY
    sensor: Policy = CONSOLE_ONLY
    central: Policy = CONSOLE_ONLY  # a part of the centre is every market's: its operator looks, not 300 managers
    parking_overstay: Policy = CONSOLE_ONLY
    parking_taken: Policy = CONSOLE_ONLY
    other: Policy = CONSOLE_ONLY

    @model_validator(mode="after")
    def _fire_is_told_at_once(self) -> Self:
        if not self.fire.steps or self.fire.steps[0].after_s != 0:
            raise MisplacedError("a fire needs a step with after_s: 0: somebody has to hear at once", "fire", "steps")
        if self.fire.quiet_hours != "ignores":
            raise MisplacedError("quiet hours never hold a fire: write ignores", "fire", "quiet_hours")
        return self

    def of(self, kind: str) -> Policy:
        """The policy of a kind of `KINDS`."""
        policy = getattr(self, kind.replace("-", "_"))
        assert isinstance(policy, Policy)  # noqa: S101 — narrows; every field is one
        return policy

    def with_policy(self, kind: str, policy: Policy) -> "PolicyTable":
        """The table with one policy replaced.

        Raises:
            pydantic.ValidationError: that policy may not stand there.
        """
        return PolicyTable.model_validate({**dict(self), kind.replace("-", "_"): policy})


KINDS: Final[tuple[str, ...]] = tuple(name.replace("_", "-") for name in PolicyTable.model_fields)
"""The kinds that have a policy, in the order in which people read them."""

KIND_OF_PART: Mapping[str, str] = {
    **{kind: kind for kind in KINDS if kind != "other"},
    "cameras": "camera",
    "sirens": "siren",
    **dict.fromkeys(("bay", "bays", "gate", "gates", "people"), "sensor"),
    **dict.fromkeys(("part-stalled", "path-stalled"), "central"),
}
"""What the part of a trouble (how its incident's kind begins) is to the policies; every other part is `other`."""


def policy_kind(kind: str) -> str:
    """The policy's kind for an incident's kind: `camera-cam-1` is `camera`, `bay-a-01` is `sensor`."""
    parts = [part for part in KIND_OF_PART if kind == part or kind.startswith(f"{part}-")]
    return KIND_OF_PART[max(parts, key=len)] if parts else "other"
