"""One valid payload of every model in the catalogue."""

from contract.catalog import CATALOG
from contract.payload import Payload

T = 1_767_225_600_000
NUMBERED = {"epoch": "0123456789abcdef", "seq": 1}
STATED = {"time_unix_ms": T, "state": "live"}

_READINGS: dict[str, dict[str, object]] = {
    "bays": {"bay": "b-1", "time_unix_ms": T, "state": "free", "confidence": 1.0, "since_unix_ms": T},
    "gates": {**STATED, "gate": "g-1", "lot": "lot", "in_count": 2, "out_count": 1},
    "people": {**STATED, "counter": "p-1", "in_count": 2, "out_count": 1},
    "cameras": {**STATED, "camera": "c-1", "frame_age_s": 0.5},
    "screens": {**STATED, "screen": "s-1", "showing": "notice", "since_unix_ms": T},
    "sirens": {**STATED, "siren": "s-1", "sounding": False, "since_unix_ms": T},
    "agents": {
        "agent": "edge-1",
        "time_unix_ms": T,
        "uptime_s": 1.0,
        "rss_bytes": 1,
        "cpu_share": 0.1,
        "outbox_rows": 0,
        "outbox_bytes": 0,
        "outbox_dropped_count": 0,
    },
    "gaps": {
        "device": "edge-1",
        "time_unix_ms": T,
        "gap_epoch": "0123456789abcdef",
        "first_seq": 1,
        "last_seq": 2,
        "from_unix_ms": T,
        "until_unix_ms": T,
        "batches_count": 2,
        "readings_count": 9,
        "cause": "outbox-full",
    },
}
_EVENT = {**NUMBERED, "event_id": "0" * 32, "time_unix_ms": T}
_OTHERS: dict[str, dict[str, object]] = {
    "event/fire": {
        **_EVENT,
        "phase": "raised",
        "zone": "food-row",
        "camera": "c-1",
        "score": 0.9,
        "first_seen_unix_ms": T,
        "decided_unix_ms": T,
    },
    "event/still": {**_EVENT, "camera": "c-1", "width_px": 1, "height_px": 1, "jpeg_base64": "AAAA"},
    "event/trouble": {**_EVENT, "phase": "raised", "kind": "camera", "subject": "c-1", "reason": "frozen"},
    "event/acknowledge": {**_EVENT, "button": "office", "zone": "food-row", "fires": ["0" * 32]},
    "event/told": {**_EVENT, "phones": ["01012345678"]},
    "status/presence": {
        "state": "online",
        "epoch": "0123456789abcdef",
        "time_unix_ms": T,
        "agent_version": "1",
        "started_unix_ms": T,
    },
    "reported/signage": {"generation": 1, "state": "active", "wanted_generation": 1, "time_unix_ms": T},
    "reported/settings": {"settings_sha256": "0" * 64, "player_urls": {"s-1": "http://127.0.0.1/"}, "time_unix_ms": T},
    "reported/zones": {"generation": 1, "state": "active", "time_unix_ms": T},
    "reported/roster": {
        "generation": 1,
        "content_sha256": "0" * 64,
        "people_count": 2,
        "state": "active",
        "time_unix_ms": T,
    },
    "desired/roster": {"roster_json": "{}", "key_id": "0" * 16, "signature_base64": "", "generation": 1},
    "desired/zones": {"plan_json": "{}", "key_id": "0" * 16, "signature_base64": "", "generation": 1},
    "cmd/camera": {
        "command_id": "0" * 32,
        "market": "jungang",
        "device": "edge-1",
        "camera": "c-1",
        "action": "view",
        "lasts_s": 60,
        "issued_unix_ms": T,
        "expires_unix_ms": T,
        "signature_base64": "",
    },
    "ack/camera": {"command_id": "0" * 32, "outcome": "done", "time_unix_ms": T},
    "view/camera": {
        "camera": "c-1",
        "time_unix_ms": T,
        "score": 0.1,
        "fire": "quiet",
        "width_px": 1,
        "height_px": 1,
        "jpeg_base64": "AAAA",
    },
    "desired/signage": {"manifest_json": "{}", "key_id": "0" * 16, "signature_base64": "", "generation": 1},
    "cmd/siren": {
        "command_id": "0" * 32,
        "market": "jungang",
        "device": "edge-1",
        "action": "silence",
        "issued_unix_ms": T,
        "expires_unix_ms": T,
        "signature_base64": "",
    },
    "ack/siren": {"command_id": "0" * 32, "outcome": "done", "time_unix_ms": T},
    "ack/delivered": {"epoch": "0123456789abcdef", "seqs": [1], "store": "readings"},
}
_FIELDS = {
    **{f"telemetry/{name}": {**NUMBERED, "readings": [reading]} for name, reading in _READINGS.items()},
    **_OTHERS,
}


def sample_of(path: str, model: type[Payload]) -> Payload:
    """The sample for a catalogue path; a new row without one is a KeyError that names it."""
    return model.model_validate(_FIELDS[path], strict=False)


SAMPLES: dict[str, Payload] = {row.path: sample_of(row.path, row.model) for row in CATALOG}
