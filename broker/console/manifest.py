"""From notices to a device's manifest. Pure.

The schedule shows one playlist at a time, and notices begin and end at different times. So time is cut where any of
them begins or ends; each piece has its own playlist and a slot that is valid for just that piece. A notice thus leaves
on time on a device that hears nothing from us.
"""

from collections.abc import Sequence
from itertools import pairwise

from broker.stores.notices import Notice
from contract.access import DeviceIdentity
from contract.ids import UNIX_MS_MAX
from contract.signage import FileRef, Item, Manifest, Playlist, Slot

NOTICES_PER_MARKET_MAX = 20
NOTICE_DURATION_S = 12.0
OCCUPANCY_DURATION_S = 8.0
NOTICE_PRIORITY = 10
OCCUPANCY_ITEM = Item(item="occupancy", kind="occupancy", duration_s=OCCUPANCY_DURATION_S)


def build_manifest(
    identity: DeviceIdentity,
    generation: int,
    notices: Sequence[Notice],
    *,
    shows_occupancy: bool,
    now_unix_ms: int,
    utc_offset_minutes: int,
) -> Manifest:
    """The manifest of a device for the notices that are or will be current, oldest notice first on the screen."""
    wanted = sorted((one for one in notices if one.phase(now_unix_ms) in {"waiting", "showing"}), key=_order)
    playlists, slots = [], []
    if shows_occupancy:
        playlists.append(Playlist(playlist="occupancy", items=(OCCUPANCY_ITEM,)))
        slots.append(Slot(slot="always", playlist="occupancy"))
    for number, (start, end) in enumerate(_pieces(wanted, now_unix_ms), start=1):
        shown = [one for one in wanted if one.from_unix_ms <= start and _end(one) >= end]
        if not shown:
            continue
        items = tuple(_item(one) for one in shown) + ((OCCUPANCY_ITEM,) if shows_occupancy else ())
        name = f"notices-{number}"
        playlists.append(Playlist(playlist=name, items=items))
        slots.append(
            Slot(
                slot=name,
                playlist=name,
                # what has begun has no beginning: a device whose clock is behind shows it at once too
                valid_from_unix_ms=None if start <= now_unix_ms else start,
                valid_until_unix_ms=None if end == UNIX_MS_MAX else end,
                priority=NOTICE_PRIORITY,
            )
        )
    return Manifest(
        market=identity.market,
        device=identity.device,
        generation=generation,
        issued_unix_ms=now_unix_ms,
        utc_offset_minutes=utc_offset_minutes,
        files=_files(wanted),
        playlists=tuple(playlists),
        slots=tuple(slots),
    )


def _pieces(notices: Sequence[Notice], now_unix_ms: int) -> list[tuple[int, int]]:
    """The stretches of time in which nothing begins or ends; the first starts where the newest running one began."""
    if not notices:
        return []
    cuts = {one.from_unix_ms for one in notices} | {_end(one) for one in notices}
    begun = [cut for cut in cuts if cut <= now_unix_ms]
    cuts -= set(begun)
    if begun:
        cuts.add(max(begun))
    return list(pairwise(sorted(cuts)))


def _end(notice: Notice) -> int:
    return UNIX_MS_MAX if notice.until_unix_ms is None else notice.until_unix_ms


def _order(notice: Notice) -> int:
    return notice.notice_id


def _item(notice: Notice) -> Item:
    return Item(
        item=f"notice-{notice.notice_id}",
        kind="notice",
        title=notice.title,
        text=notice.text,
        picture_sha256=None if notice.picture is None else notice.picture.sha256,
        duration_s=NOTICE_DURATION_S,
    )


def _files(notices: Sequence[Notice]) -> tuple[FileRef, ...]:
    pictures = {one.picture.sha256: one.picture for one in notices if one.picture is not None}
    return tuple(
        FileRef.model_validate({"sha256": one.sha256, "size_bytes": one.size_bytes, "media_type": one.media_type})
        for one in pictures.values()
    )
