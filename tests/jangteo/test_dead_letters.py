"""`jangteo dead-letters`: filters, JSON, clear sentences, and nothing half done."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from sqlalchemy import Engine
from typer.testing import CliRunner, Result

from broker.ingest.progress import Progress
from broker.ingest.replay import Replayer
from broker.series.memory import MemorySeriesStore
from broker.stores.database import migrate, open_database, sqlite_url
from broker.stores.dead_letters import DeadLetter, DeadLetters, UnknownLetterError
from broker.stores.registry import MarketEntry, Named, Registry, Subject
from contract.telemetry import GateBatch, GateReading
from jangteo.dead_letters import app
from jangteo.letter_actions import BadFilterError, moment_unix_ms
from runtime.clock import SystemClock
from runtime.errors import FatalError

NOW = SystemClock().unix_ms()
GATES = "market/v1/jungang/pi-1/telemetry/gates"
NOON = 1_767_225_600_000


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    one = open_database(sqlite_url(tmp_path / "central.db"))
    migrate(one)
    yield one
    one.dispose()


@pytest.fixture
def letters(engine: Engine) -> DeadLetters:
    return DeadLetters(engine)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "ingest.yaml"
    path.write_text(yaml.safe_dump({"database_url": sqlite_url(tmp_path / "central.db"), "worker": "w1"}))
    return path


Run = Callable[..., Result]


@pytest.fixture
def run(config: Path) -> Run:
    def call(*arguments: str) -> Result:
        return CliRunner().invoke(app, [*arguments, "--config", str(config)])

    return call


def letter(kind: str = "malformed", *, device: str = "pi-1", age_s: int = 0, body: bytes = b"{}") -> DeadLetter:
    return DeadLetter(
        received_unix_ms=NOW - age_s * 1000,
        part="ingest",
        reason_kind=kind,
        reason="not JSON",
        topic=f"market/v1/jungang/{device}/telemetry/gates",
        body=body,
        body_bytes=len(body),
        market="jungang",
        device=device,
    )


def numbers(result: Result) -> list[int]:
    assert result.exit_code == 0, result.output
    return [one["dead_letter_id"] for one in json.loads(result.output)]


def test_an_empty_list_says_what_it_means(run: Run, letters: DeadLetters) -> None:
    assert letters.count() == 0
    assert "nothing was refused" in run("list").output


def test_the_filters_leave_what_they_say(run: Run, letters: DeadLetters) -> None:
    letters.add([letter(), letter("clock"), letter(device="pi-2"), letter(age_s=7200)])
    assert numbers(run("list", "--json")) == [4, 3, 2, 1]
    assert numbers(run("list", "--json", "--kind", "clock")) == [2]
    assert numbers(run("list", "--json", "--device", "pi-2")) == [3]
    assert numbers(run("list", "--json", "--market", "seomun")) == []
    assert numbers(run("list", "--json", "--since", "1h")) == [3, 2, 1]
    assert numbers(run("list", "--json", "--until", "1h")) == [4]
    assert numbers(run("list", "--json", "--limit", "2")) == [4, 3]


def test_a_list_for_people_has_reason_topic_and_body_on_one_line_each(run: Run, letters: DeadLetters) -> None:
    letters.add([letter(body=b"\x1b[31mred\nline\xff")])
    lines = run("list").output.splitlines()
    assert [line.strip() for line in lines[1:]] == [GATES, "not JSON", "[31mred line\\xff"]


def test_letters_are_counted_by_device(run: Run, letters: DeadLetters) -> None:
    letters.add([letter("clock"), letter("clock"), letter(device="pi-2")])
    counts = json.loads(run("list", "--by-device", "--json").output)
    assert [(one["device"], one["kind"], one["letters"]) for one in counts] == [
        ("pi-1", "clock", 2),
        ("pi-2", "malformed", 1),
    ]
    assert "jungang/pi-1" in run("list", "--by-device", "--kind", "clock").output


def test_a_letter_is_shown_whole(run: Run, letters: DeadLetters) -> None:
    letters.add([letter(body="시장".encode()), letter(body=b"\xff\x00")])
    assert json.loads(run("show", "1").output)["body"] == "시장"
    assert json.loads(run("show", "2").output)["body_base64"] == "/wA="


@pytest.mark.parametrize("command", ["show", "replay", "forget"])
def test_a_number_that_is_not_there_is_one_sentence(run: Run, letters: DeadLetters, command: str) -> None:
    letters.add([letter()])
    wanted = ["9"] if command == "show" else ["1", "9"]
    result = run(command, *wanted)
    assert isinstance(result.exception, UnknownLetterError)
    assert str(result.exception).startswith("there is no dead letter 9")
    (kept,) = letters.newest()
    assert kept.replay_requested_unix_ms is None, "nothing half done"


def test_letters_are_forgotten_by_number_or_by_filter(run: Run, letters: DeadLetters) -> None:
    letters.add([letter(), letter("clock"), letter("clock"), letter()])
    assert run("forget", "1").output == "Forgotten: 1.\n"
    assert run("forget", "--all", "--kind", "clock").output == "Forgotten: 2.\n"
    assert [one.dead_letter_id for one in letters.newest()] == [4]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "name the letters by number, or say --all"),
        (("1", "--all"), "one of the two"),
        (("1", "--kind", "clock"), "filters go with --all"),
        (("--all", "--since", "yesterday"), "write how long ago"),
    ],
)
@pytest.mark.parametrize("command", ["replay", "forget"])
def test_what_cannot_be_meant_is_refused(
    run: Run, letters: DeadLetters, command: str, arguments: tuple[str, ...], sentence: str
) -> None:
    letters.add([letter()])
    result = run(command, *arguments)
    assert isinstance(result.exception, BadFilterError)
    assert sentence in str(result.exception)
    assert letters.count() == 1


def test_a_replay_that_ingest_has_not_come_to_says_so(run: Run, letters: DeadLetters) -> None:
    letters.add([letter()])
    begun_unix_ms = SystemClock().unix_ms()
    result = run("replay", "1", "--wait", "0")
    assert (result.exit_code, "has not come to it yet" in result.output) == (1, True)
    assert begun_unix_ms <= (letters.get(1).replay_requested_unix_ms or 0) <= SystemClock().unix_ms()


def test_a_body_that_was_cut_is_said_and_left_out(run: Run, letters: DeadLetters) -> None:
    letters.add([letter(body=b"x" * 70_000), letter()])
    result = run("replay", "1")
    assert isinstance(result.exception, FatalError)
    assert "only the first 65536 of its 70000 bytes were kept" in str(result.exception)
    assert "Asked for 1" in run("replay", "--all").output


def test_the_outcome_of_each_replay_is_said(run: Run, engine: Engine, letters: DeadLetters, config: Path) -> None:
    market = Named("jungang", "시장", "Market")
    Registry(engine).enrol(MarketEntry(market, devices=("pi-1",), subjects=(Subject("gates", "g-1", "pi-1"),)))
    reading = GateReading(time_unix_ms=NOW, gate="g-1", lot="lot", state="live", in_count=1, out_count=0)
    good = GateBatch(epoch="a" * 16, seq=1, readings=(reading,)).to_bytes()
    letters.add([letter(body=good), letter(body=b"never")])
    assert run("replay", "1", "2", "--wait", "0").exit_code == 1
    clock = SystemClock()
    assert Replayer(engine, MemorySeriesStore(), Progress(clock), clock).replay_wanted() == 2
    result = CliRunner().invoke(app, ["show", "2", "--config", str(config)])
    assert json.loads(result.output)["replay_attempts"] == 1
    with pytest.raises(UnknownLetterError):
        letters.get(1)


def test_a_central_state_that_is_not_there_is_one_sentence(run: Run, tmp_path: Path) -> None:
    result = run("list")
    assert isinstance(result.exception, FatalError)
    assert "did not answer" in str(result.exception)
    assert str(tmp_path / "ingest.yaml") in str(result.exception)


def test_moments() -> None:
    assert moment_unix_ms("90s", NOON, "--since") == NOON - 90_000
    assert moment_unix_ms("2d", NOON, "--since") == NOON - 172_800_000
    assert moment_unix_ms("2026-01-01T00:00:00+00:00", 0, "--since") == NOON
    assert moment_unix_ms("2026-01-01T09:00:00+09:00", 0, "--since") == NOON
