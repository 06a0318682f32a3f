"""The schedule: which playlist a manifest shows at a time, and why. One pure function for preview and player."""

from dataclasses import dataclass

from contract.signage import MINUTES_PER_DAY, Manifest, Playlist, Slot

MS_PER_MINUTE = 60_000
DAYS_PER_WEEK = 7
EPOCH_WEEKDAY = 4  # 1970-01-01 was a Thursday


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
    best = min(active, key=lambda slot: (-slot.priority, window_minutes(slot), slot.slot))
    playlist = next(one for one in manifest.playlists if one.playlist == best.playlist)
    why = f"slot {best.slot} (priority {best.priority}) of generation {manifest.generation} is active"
    return Decision(playlist, best, f"{why}; {len(active) - 1} other active slots yield to it")


def is_active(slot: Slot, now_unix_ms: int, utc_offset_minutes: int) -> bool:
    """Whether `slot` covers the time `now_unix_ms`."""
    if slot.valid_from_unix_ms is not None and now_unix_ms < slot.valid_from_unix_ms:
        return False
    if slot.valid_until_unix_ms is not None and now_unix_ms >= slot.valid_until_unix_ms:
        return False
    local_minute = now_unix_ms // MS_PER_MINUTE + utc_offset_minutes
    day, minute = divmod(local_minute, MINUTES_PER_DAY)
    today = (day + EPOCH_WEEKDAY - 1) % DAYS_PER_WEEK + 1
    yesterday = (today - 2) % DAYS_PER_WEEK + 1
    if slot.from_minute == slot.to_minute:
        return today in slot.days
    if slot.from_minute < slot.to_minute:
        return today in slot.days and slot.from_minute <= minute < slot.to_minute
    return (today in slot.days and minute >= slot.from_minute) or (yesterday in slot.days and minute < slot.to_minute)


def window_minutes(slot: Slot) -> int:
    """How many minutes of a day the slot covers."""
    return (slot.to_minute - slot.from_minute) % MINUTES_PER_DAY or MINUTES_PER_DAY
