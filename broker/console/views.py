"""What the API answers: the shapes, in the order in which a reader meets them. Ages are seconds, times Unix ms."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class View(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(frozen=True)


class NameView(View):
    """A market, zone or lot."""

    id: str
    name_ko: str
    name_en: str


class LinkView(View):
    """Whether the console itself hears the broker. When lost, ages run on and values go stale."""

    state: Literal["connected", "lost"]
    since_unix_ms: int


class BayView(View):
    """A bay. `reason` goes with unknown; `last_state` is what it was when it was last known."""

    bay: str
    zone: str | None
    lot: str | None
    device: str
    state: str
    reason: str | None
    detail: str
    age_s: float | None
    time_unix_ms: int | None
    since_unix_ms: int | None
    confidence: float | None
    distance_mm: float | None
    last_state: str | None


class CounterView(View):
    """A gate or a people counter. `in_today` and `out_today` count from local midnight, None if that is not known."""

    subject: str
    zone: str | None
    lot: str | None
    device: str
    state: str
    reason: str | None
    detail: str
    age_s: float | None
    time_unix_ms: int | None
    in_count: int | None
    out_count: int | None
    in_today: int | None
    out_today: int | None


class LotView(View):
    """A lot's bays counted. Unknown bays are neither free nor occupied."""

    lot: str
    name_ko: str
    name_en: str
    total: int
    free: int
    occupied: int
    unknown: int
    closed: int


class OccupancyView(View):
    """A market's bays, gates and people, now. One not heard of for `stale_after_s` is unknown."""

    market: str
    name_ko: str
    name_en: str
    now_unix_ms: int
    stale_after_s: float
    link: LinkView
    lots: tuple[LotView, ...]
    bays: tuple[BayView, ...]
    gates: tuple[CounterView, ...]
    people: tuple[CounterView, ...]


class CameraView(View):
    """A fire camera: its health, its last score and whether it sees fire.

    `drill` is what it sees while a drill is on (`fire` is quiet then), and null at any other time.
    """

    camera: str
    zone: str | None
    state: str
    reason: str | None
    detail: str
    age_s: float | None
    time_unix_ms: int | None
    frame_age_s: float | None
    fps: float | None
    fire_score: float | None
    fire: str | None
    drill: str | None


class ScreenView(View):
    """A screen: what its page says that it shows, and where that page is (on the device's own loopback)."""

    screen: str
    zone: str | None
    state: str
    reason: str | None
    detail: str
    age_s: float | None
    time_unix_ms: int | None
    showing: str | None
    item: str | None
    generation: int | None
    since_unix_ms: int | None
    player_url: str | None


class SirenView(View):
    """A siren. When unknown, `sounding` is the last that was heard."""

    siren: str
    zone: str | None
    state: str
    reason: str | None
    detail: str
    age_s: float | None
    time_unix_ms: int | None
    sounding: bool | None
    silenced: bool | None


class AgentView(View):
    """The agent's own health."""

    state: str
    reason: str | None
    age_s: float | None
    uptime_s: float | None
    rss_bytes: int | None
    cpu_share: float | None
    outbox_rows: int | None
    outbox_dropped_count: int | None


class SignageView(View):
    """Which generation a device shall show and which it shows."""

    wanted_generation: int | None
    generation: int | None
    state: str
    reason: str


class DeviceView(View):
    """A device with everything on it. `presence` is online, offline or unknown."""

    market: str
    device: str
    presence: str
    presence_age_s: float | None
    agent_version: str | None
    agent: AgentView
    signage: SignageView | None
    cameras: tuple[CameraView, ...]
    screens: tuple[ScreenView, ...]
    sirens: tuple[SirenView, ...]


class IncidentView(View):
    """An incident. `state` is raised, acknowledged, cleared or closed; `is_active` while anybody still sees it.

    `level` is watch or alarm; `still_url` the picture that came with it.
    """

    id: int
    code: str
    market: str
    zone: str
    kind: str
    severity: str
    level: str
    state: str
    is_active: bool
    detail: str
    age_s: float
    opened_unix_ms: int
    updated_unix_ms: int
    cleared_unix_ms: int | None
    acknowledged_unix_ms: int | None
    acknowledged_by: str | None
    acknowledged_via: str | None
    closed_unix_ms: int | None
    first_seen_unix_ms: int | None
    decided_unix_ms: int | None
    media_position_s: float | None
    score_max: float | None
    event_count: int
    still_url: str | None


class MessageView(View):
    """A message to a person. `provider` is who took it; `spool` means kept here and not sent to anybody."""

    id: int
    incident_id: int | None
    market: str
    recipient_name: str
    recipient: str
    channel: str
    text: str
    state: str
    provider: str | None
    provider_reference: str | None
    attempts: int
    created_unix_ms: int
    due_unix_ms: int
    accepted_unix_ms: int | None
    delivered_unix_ms: int | None
    error: str | None


class ArrivalView(View):
    """How far a device is with the newest manifest: waiting, fetching, active, rejected."""

    device: str
    wanted_generation: int
    generation: int | None
    state: str
    reason: str
    screens: tuple[str, ...]


class NoticeView(View):
    """A notice on a market's screens."""

    id: int
    market: str
    title: str
    text: str
    picture_sha256: str | None
    picture_url: str | None
    phase: str
    from_unix_ms: int
    until_unix_ms: int | None
    created_unix_ms: int
    created_by: str
    withdrawn_unix_ms: int | None


class NoticesView(View):
    """A market's newest notices, and how far its devices are."""

    market: str
    notices: tuple[NoticeView, ...]
    arrivals: tuple[ArrivalView, ...]


class PushedView(View):
    """A stored notice: the generation by device; `waiting` names devices whose manifest waits for the broker's link."""

    notice_id: int
    generations: dict[str, int]
    waiting: tuple[str, ...]


class SilenceView(View):
    """A silence command: `outcome` is done, refused or expired, or None while the device has not answered."""

    command_id: str
    outcome: str | None
    reason: str


class DeadLetterView(View):
    """A refused message. `body` is its start as text, unreadable bytes replaced."""

    id: int | None
    received_unix_ms: int
    part: str
    reason_kind: str
    reason: str
    topic: str
    body: str
    body_bytes: int


class PartView(View):
    """A central part's health: ok, degraded, stale (silent) or down."""

    state: str
    age_s: float


class HealthView(View):
    """The whole: ok, or degraded if any part is not."""

    status: Literal["ok", "degraded"]
    parts: dict[str, PartView]


class ErrorView(View):
    """Every error's shape. `field` names the input that is wrong, where one is."""

    error: str
    field: str | None = None
