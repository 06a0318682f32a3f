"""Whether a camera can see: each way in which it cannot is a small check with a patience of its own. Pure.

A camera that cannot see says so; it never says that there is no fire. Whatever a check finds, every picture is still
looked at for flames: a fire never waits for a clear view.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from contract.telemetry import Reason
from edge.cameras.glance import Glance, Grey
from edge.cameras.views import ViewWatch

BLACK_P99_MAX = 20.0
BURNT_SHARE_MIN, BURNT_SHARE_KEEPS = 0.5, 0.4
STRUCTURE_MIN, STRUCTURE_KEEPS = 0.1, 0.2
SHARPNESS_MIN, SHARPNESS_OF_USUAL_MIN = 0.22, 0.45
SHARPNESS_ENOUGH = 0.3
SHARPNESS_JUDGED_FROM_STRUCTURE = 0.15
DARK_P95_MAX, DARK_P95_KEEPS = 40.0, 50.0

MOVED_AFTER_S = 10.0
ANOTHER_VIEW_AFTER_S = 120.0
USUAL_AFTER_S, USUAL_MEMORY_S = 30.0, 600.0


@dataclass(frozen=True, slots=True)
class Finding:
    """Why the camera cannot see, or is not to be trusted, in a sentence."""

    reason: Reason
    detail: str


@dataclass(slots=True)
class Held:
    """A condition that has to last: raised after `raise_after_s` of true, over after `clear_after_s` of false."""

    raise_after_s: float
    clear_after_s: float
    on: bool = False
    _since_s: float | None = None

    def __call__(self, now_s: float, *, condition: bool) -> bool:
        """Take the condition of now; whether it holds."""
        if condition == self.on:
            self._since_s = None
            return self.on
        if self._since_s is None:
            self._since_s = now_s
        if now_s - self._since_s >= (self.clear_after_s if self.on else self.raise_after_s):
            self.on, self._since_s = condition, None
        return self.on


@dataclass(slots=True)
class Usual:
    """The slow mean of a measure: what is usual for this camera. None until it was watched for `USUAL_AFTER_S`."""

    value: float | None = None
    _begun: tuple[float, float, int] = (0.0, 0.0, 0)
    _last_s: float = 0.0

    def take(self, value: float, now_s: float) -> None:
        """Learn from a value of a moment when all was well."""
        if self.value is not None:
            elapsed_s = min(max(now_s - self._last_s, 0.0), 1.0)
            self.value += (value - self.value) * elapsed_s / USUAL_MEMORY_S
        else:
            begun_s, total, count = self._begun if self._begun[2] else (now_s, 0.0, 0)
            self._begun = begun_s, total + value, count + 1
            if now_s - begun_s >= USUAL_AFTER_S:
                self.value = self._begun[1] / self._begun[2]
        self._last_s = now_s


class Check(Protocol):
    """One way in which a camera cannot see."""

    finding: Finding
    raise_after_s: float
    clear_after_s: float
    blinds: bool
    """Whether a flame could burn there unseen; in the dark it could not, it gives light."""

    def finds(self, glance: Glance, *, on: bool) -> bool:
        """Whether it is so in this glance; `on` is whether it was so before (so that it does not flutter)."""
        ...


class Black:
    """No light anywhere: unlit, covered tightly, or a dead sensor."""

    finding = Finding(Reason.BLACK, "the picture is black: there is no light, or the lens is covered")
    raise_after_s, clear_after_s, blinds = 3.0, 3.0, True

    def finds(self, glance: Glance, *, on: bool) -> bool:
        """All but one pixel of a hundred are black."""
        del on
        return glance.p99 <= BLACK_P99_MAX


class Overexposed:
    """Too much light, or a wrong exposure."""

    finding = Finding(Reason.OVEREXPOSED, "half of the picture is burnt out: too much light, or a wrong exposure")
    raise_after_s, clear_after_s, blinds = 5.0, 5.0, True

    def finds(self, glance: Glance, *, on: bool) -> bool:
        """Half of the picture is white."""
        return glance.burnt_share >= (BURNT_SHARE_KEEPS if on else BURNT_SHARE_MIN)


class Covered:
    """A hand, a bag, paint, dirt or smoke before the lens, whatever the brightness."""

    finding = Finding(Reason.COVERED, "hardly anything can be told apart: something is before the lens, or smoke")
    raise_after_s, clear_after_s, blinds = 3.0, 3.0, True

    def finds(self, glance: Glance, *, on: bool) -> bool:
        """There is hardly any structure."""
        return glance.structure < (STRUCTURE_KEEPS if on else STRUCTURE_MIN)


class Blurred:
    """Out of focus, wet or dirty: structure without fine detail. Learns how sharp this camera usually is."""

    finding = Finding(Reason.BLURRED, "the picture is out of focus, or the lens is wet or dirty")
    raise_after_s, clear_after_s, blinds = 10.0, 5.0, True

    def __init__(self, usual: "Usual") -> None:
        self._usual = usual

    def finds(self, glance: Glance, *, on: bool) -> bool:
        """Far less sharp than any camera in focus, or than this one was."""
        if glance.structure < SHARPNESS_JUDGED_FROM_STRUCTURE:
            return on
        own_min = 0.0 if self._usual.value is None else SHARPNESS_OF_USUAL_MIN * self._usual.value
        return glance.sharpness < max(SHARPNESS_MIN, min(own_min, SHARPNESS_ENOUGH))


class TooDark:
    """Hardly any light: what gives none itself cannot be told."""

    finding = Finding(
        Reason.TOO_DARK, "it is too dark to trust the picture; a flame, which gives light, is still looked for"
    )
    raise_after_s, clear_after_s, blinds = 10.0, 10.0, False

    def finds(self, glance: Glance, *, on: bool) -> bool:
        """All but one pixel of twenty are dark."""
        return glance.p95 < (DARK_P95_KEEPS if on else DARK_P95_MAX)


MOVED = Finding(
    Reason.MOVED, "the camera no longer looks where its reference picture does: turn it back, or accept this view"
)


@dataclass(frozen=True, slots=True, eq=False)
class SightMemory:
    """What is kept of a camera over a restart: its reference views and how sharp it usually is."""

    views: tuple[Grey, ...] = ()
    sharpness: float | None = None


class Seeing:
    """All checks together. `finding` is the worst that has lasted, None when the camera sees.

    `is_blind` comes without patience: at this moment a flame could burn unseen, so quiet proves nothing. `remember` is
    called with what is to be kept when the reference views change.
    """

    def __init__(
        self,
        memory: SightMemory,
        *,
        accept_view_after_s: float = 300.0,
        remember: Callable[[SightMemory], None] = lambda _memory: None,
    ) -> None:
        self._sharpness = Usual(memory.sharpness)
        self._remember = remember
        checks: tuple[Check, ...] = (Black(), Overexposed(), Covered(), Blurred(self._sharpness), TooDark())
        self._checks = [(check, Held(check.raise_after_s, check.clear_after_s)) for check in checks]
        self._views = ViewWatch(memory.views, accept_after_s=accept_view_after_s)
        self._shifted = Held(MOVED_AFTER_S, MOVED_AFTER_S)
        self._another = Held(ANOTHER_VIEW_AFTER_S, MOVED_AFTER_S)
        self.finding: Finding | None = None
        self.is_blind = False

    def take(self, glance: Glance, now_s: float) -> None:
        """Judge a glance; twice a second is enough."""
        found = [(check, held, check.finds(glance, on=held.on)) for check, held in self._checks]
        lasting = [check for check, held, so in found if held(now_s, condition=so)]
        clear = not any(so for _, _, so in found)
        if clear:
            self._sharpness.take(glance.sharpness, now_s)
        if self._views.take(glance.grey, now_s, clear=clear):
            self._keep()
        moved = self._is_moved(now_s)
        self.is_blind = moved or any(check.blinds and (so or held.on) for check, held, so in found)
        worst_first = [check.finding for check in lasting if check.blinds] + [MOVED] * moved
        worst_first += [check.finding for check in lasting if not check.blinds]
        self.finding = worst_first[0] if worst_first else None

    def accept_view(self) -> None:
        """What the camera shows in the next ten seconds is what it shall show."""
        self._views.accept_next()

    def _is_moved(self, now_s: float) -> bool:
        state = self._views.state
        undecided = state in {"unsure", "unknown"}
        shifted = self._shifted(now_s, condition=state == "shifted" or (undecided and self._shifted.on))
        another = self._another(now_s, condition=state in {"another", "shifted"} or (undecided and self._another.on))
        return shifted or another

    def _keep(self) -> None:
        self._remember(SightMemory(self._views.references, self._sharpness.value))
