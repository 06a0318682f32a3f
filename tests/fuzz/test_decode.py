"""Ingest's decode against anything: it never raises, counts everything, receipts nothing that was not said."""

import contextlib
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from benchmarks.decode_target import SEEDS, TOPICS, DecodeTarget
from broker.series.embedded import EmbeddedSeriesStore
from contract.telemetry import Batch
from runtime.errors import PartialError
from tests.contract.samples import SAMPLES
from tests.fuzz.bodies import MESSAGES

BAYS = f"{TOPICS[0].rsplit('/', 2)[0]}/telemetry/bays"
VALID = SAMPLES["telemetry/bays"].to_bytes()


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> DecodeTarget:
    return DecodeTarget(tmp_path_factory.mktemp("decode"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedSeriesStore]:
    one = EmbeddedSeriesStore(tmp_path_factory.mktemp("store") / "readings.db")
    yield one
    one.close()


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(message=MESSAGES)
@example(message=(BAYS, b'{"epoch":"0123456789abcdef","seq":1,"readings":[' + b"[" * 5000))
@example(message=(BAYS, b'{"epoch":"0123456789abcdef","seq":1,"seq":2,"readings":[]}'))
@example(message=(BAYS, VALID[:-30]))
@example(message=(BAYS, b" " + VALID))
@example(message=(BAYS, VALID.replace(b'"b-1"', b'"b-\\ud800"')))
@example(message=(BAYS, b"\xff\xfe" + VALID.decode().encode("utf-16-le")))
@example(message=("market/v1/jungang/edge-1/telemetry/bays\n", VALID))
@example(message=("\ud800", VALID))
def test_one_message_of_any_kind_is_counted(target: DecodeTarget, message: tuple[str, bytes]) -> None:
    target.check(*message)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(messages=st.lists(MESSAGES, min_size=2, max_size=8))
def test_a_bad_message_changes_nothing_for_its_neighbours(
    target: DecodeTarget, store: EmbeddedSeriesStore, messages: list[tuple[str, bytes]]
) -> None:
    together = target.taken(*messages)
    alone = [target.taken(message) for message in messages]
    assert together.samples == [sample for work in alone for sample in work.samples]
    assert together.letters == [letter for work in alone for letter in work.letters]
    assert together.refusals == [kind for work in alone for kind in work.refusals]
    assert together.numbers == [number for work in alone for number in work.numbers]
    assert together.origins == [place for place, work in enumerate(alone) for _ in work.samples]
    with contextlib.suppress(PartialError):  # refused by name, the others stored: the only way to refuse a sample
        store.write(together.samples)


@pytest.mark.parametrize(("place", "body"), SEEDS, ids=[TOPICS[place] for place, _ in SEEDS])
def test_every_valid_body_becomes_what_it_says(target: DecodeTarget, place: int, body: bytes) -> None:
    work = target.check(TOPICS[place], body)
    path = "/".join(TOPICS[place].split("/")[-2:])
    readings = len(getattr(SAMPLES[path], "readings", ())) if isinstance(SAMPLES[path], Batch) else 0
    if path in {"event/fire", "event/trouble"}:
        readings = 1
    assert (len(work.samples), len(work.letters)) == ((readings, 0) if readings else (0, 1))
