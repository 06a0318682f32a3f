"""The schedule: which playlist a manifest shows at a time, and why. One pure function for preview and player."""

from dataclasses import dataclass

from contract.hours import in_hours, window_minutes
from contract.signage import Manifest, Playlist, Slot


@dataclass(frozen=True, slots=True)
class Decision:
    """What plays now. `why` answers "why is this on the screen?" in one sentence."""

    playlist: Playlist | None
    slot: Slot | None
    why: str


def decide(manifest: Manifest, now_unix_ms: int) -> Decision:
    """The playlist of the active slot with the highest priority.

    Among equal priorities the narrower window wins, then the slot's id, so that the answer never depends on order.
    """
    active = [slot for slot in manifest.slots if is_active(slot, now_unix_ms, manifest.utc_offset_minutes)]
    if not active:
        return Decision(None, None, f"generation {manifest.generation} has no slot for this time")
    best = min(active, key=lambda slot: (-slot.priority, window_minutes(slot.from_minute, slot.to_minute), slot.slot))
    playlist = next(one for one in manifest.playlists if one.playlist == best.playlist)
    why = f"slot {best.slot} (priority {best.priority}) of generation {manifest.generation} is active"
    return Decision(playlist, best, f"{why}; {len(active) - 1} other active slots yield to it")


def is_active(slot: Slot, now_unix_ms: int, utc_offset_minutes: int) -> bool:
    """Whether `slot` covers the time `now_unix_ms`."""
    if slot.valid_from_unix_ms is not None and now_unix_ms < slot.valid_from_unix_ms:
        return False
    if slot.valid_until_unix_ms is not None and now_unix_ms >= slot.valid_until_unix_ms:
        return False
    return in_hours(slot.days, slot.from_minute, slot.to_minute, now_unix_ms, utc_offset_minutes)
