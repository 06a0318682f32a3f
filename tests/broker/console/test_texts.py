"""Texts: Korean and English complete, and everything that a template asks for is there."""

import re
from string import Formatter
from typing import get_args

import pytest

from broker.alerts.stalled import NAMES as STALLED
from broker.console.camera_pages import ACTIONS
from broker.console.camera_sections import SIREN_IN_A_DRILL
from broker.console.incident_sections import STRENGTHS
from broker.console.incident_timeline import STEP_WORDS
from broker.console.policy_form import QUIET
from broker.console.policy_pages import SAID as POLICY_SAID
from broker.console.render import TEMPLATES
from broker.console.roster_pages import SAID as ROSTER_SAID
from broker.console.texts import LANGUAGES, PARTS, TEXTS, age_text, fault_text, translator
from broker.console.zone_form import KINDS
from broker.rules.model import QUESTIONS
from broker.stores.incident_models import LOG_SUCCEEDED, LOG_WINDOW
from broker.stores.incident_states import Action, State
from broker.stores.incidents import Via
from broker.stores.policy_models import CHANNELS, ROLES
from broker.stores.policy_models import KINDS as POLICY_KINDS
from broker.stores.policy_models import LANGUAGES as POLICY_LANGUAGES
from broker.stores.stills import MOMENTS
from contract.cameras import CameraAction
from contract.events import FireSign, Phase
from contract.hours import WHOLE_WEEK
from contract.telemetry import Reason

CENTRAL = ("undeliverable", "canary", "balance", "disk", "rule")  # troubles of the centre, by their events' names
USED = re.compile(r"\bt\('([a-z_.-]+)'")
DERIVED = {  # keys that templates put together, by what they begin with
    "state.": ("free", "occupied", "unknown", "closed", "live"),
    "showing.": ("standby", "notice", "occupancy", "evacuation", "nothing"),
    "fire.": ("quiet", "suspected", "confirmed"),
    "arrival.": ("active", "waiting", "fetching", "rejected", "offline"),
    "message.": ("due", "leased", "accepted", "delivered", "failed", "unknown", "cancelled"),
    "phase.": ("waiting", "showing", "over", "withdrawn"),
    "presence.": ("online", "offline", "unknown"),
    "part.": ("ok", "degraded", "stale", "down"),
    "silence.": ("done", "refused", "expired", "waiting"),
    "incident.": ("fire", "drill", "trouble"),
    "incident.state.": tuple(one.value for one in State),
    "incident.via.": get_args(Via),
    "timeline.": (*(one.value for one in Action), "sent", "delivered", "failed", "unknown", "due"),
    "timeline.close.": (LOG_WINDOW, LOG_SUCCEEDED, "acknowledged"),
    "timeline.step.": ("other", "gathered", *STEP_WORDS.values()),
    "sign.": tuple(one.value for one in FireSign),
    "strength.": tuple(word for _, word in STRENGTHS),
    "pictures.": MOMENTS,
    "pictures.alt.": MOMENTS,
    "event.": ("fire", "drill", "still", "trouble", "presence", *STALLED, *CENTRAL),
    "event.phase.": tuple(one.value for one in Phase),
    "step.": ("accepted", "seen", "confirmed", "incident", "sent", "delivered"),
    "step.state.": ("waiting", "failed", "pending"),
    "verdict.": (
        *("running", "passed", "spooled", "no_receipt", "nobody", "unsent", "unrecorded"),
        *("refused", "expired", "unanswered", "unseen", "stopped"),
    ),
    "camera.did.": tuple(ACTIONS),
    "camera.said.": ("done", "refused", "expired", "waiting"),
    "zones.kind.": KINDS,
    "zones.state.": ("none", "waiting", "active", "rejected"),
    "audit.camera.": (*(one.value for one in CameraAction), "watched", "picture", "zones"),
    "audit.incident.": ("acknowledge", "picture"),
    "test.siren.": SIREN_IN_A_DRILL,
    "rules.ask.": QUESTIONS,
    "rules.level.": ("watch", "alarm"),
    "dry_run.state.": ("running", "done", "failed"),
    "day.": tuple(map(str, WHOLE_WEEK)),
    "role.": ROLES,
    "channel.": CHANNELS,
    "language.": POLICY_LANGUAGES,
    "policy.kind.": POLICY_KINDS,
    "policies.quiet.": QUIET,
    "policies.said.": tuple(POLICY_SAID),
    "roster.said.": tuple(ROSTER_SAID),
    "roster.": ("name", "phone", "role", "language", "quiet", "act"),
    "audit.roster.": tuple(ROSTER_SAID),
    "audit.policy.": tuple(POLICY_SAID),
    "nav.": ("roster", "policies"),
    "siren.": ("silent", "sounding", "silenced"),
    "reason.": tuple(one.value for one in Reason),
}


@pytest.mark.parametrize("key", TEXTS)
def test_both_languages_say_it_with_the_same_values(key: str) -> None:
    korean, english = TEXTS[key]
    assert korean.strip()
    assert english.strip()
    fields = [{name for _, name, _, _ in Formatter().parse(text) if name} for text in (korean, english)]
    assert fields[0] == fields[1]


def test_a_text_is_written_once() -> None:
    assert sum(map(len, PARTS)) == len(TEXTS)


def test_korean_is_korean_and_english_has_no_korean() -> None:
    hangul = re.compile("[가-힣]")
    latin_only = {"device.cpu", "other_language", "alarm.where"}
    assert not [key for key, (korean, _) in TEXTS.items() if not hangul.search(korean) and key not in latin_only]
    assert not [key for key, (_, english) in TEXTS.items() if hangul.search(english) and key != "other_language"]


def test_every_text_that_a_template_names_is_there() -> None:
    named = {key for file in TEMPLATES.rglob("*.html") for key in USED.findall(file.read_text(encoding="utf-8"))}
    assert len(named) > 60
    assert not {key for key in named if key not in TEXTS and not key.endswith(".")}


@pytest.mark.parametrize("start", DERIVED)
def test_every_word_of_the_contract_has_a_text(start: str) -> None:
    assert not [start + word for word in DERIVED[start] if start + word not in TEXTS]


def test_templates_contain_no_words_of_their_own() -> None:
    hangul = re.compile("[가-힣]")
    assert not [file.name for file in TEMPLATES.rglob("*.html") if hangul.search(file.read_text(encoding="utf-8"))]


@pytest.mark.parametrize(
    ("age_s", "says"),
    [
        (0.4, "just now"),
        (59.9, "59 s ago"),
        (60, "1 min ago"),
        (3599, "59 min ago"),
        (7200, "2 h ago"),
        (1e6, "11 d ago"),
    ],
)
def test_ages_are_rounded_down(age_s: float, says: str) -> None:
    assert age_text(translator("en"), age_s) == says


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("camera-cam-1", "camera cam-1"),
        ("cameras-cam-1", "camera cam-1"),
        ("device-offline-pi-2", "device pi-2 offline"),
        ("bays-a-01", "bay a-01"),
        ("people-east", "people counter east"),
        ("flood-drain", "flood-drain"),
        ("camera", "camera"),
    ],
)
def test_faults_are_worded_and_unworded_kinds_stay(kind: str, says: str) -> None:
    assert fault_text(translator("en"), kind) == says
    assert LANGUAGES == ("ko", "en")
