"""A short history of the alert crash benchmark, and that its checker sees what is not there."""

import json
from pathlib import Path

import pytest

from benchmarks.alert_crash.checker import Received, judge
from benchmarks.alert_crash.history import Options, run_history
from benchmarks.alert_crash.provider import read_journal
from benchmarks.alert_crash.town import alarm_in, expected, managers, market_of
from broker.stores.database import sqlite_url

SHORT = Options(
    alarms=45,
    per_s=8.0,
    open_max=40,
    between_s=(0.3, 1.0),
    down_s=(0.1, 0.8),
    kills_max=8,
    settle_s_max=60,
    with_kannel=False,
)


def first_word(alarm: int) -> str:
    return f"[화재] 시장{market_of(alarm)} z{alarm}구역 cam-1 화염감지 14:32 확인코드 K7Q2"


def all_told(alarms: int) -> list[Received]:
    return [Received(phone, first_word(alarm)) for alarm, phone in sorted(expected(alarms))]


def test_markets_have_one_manager_or_two_and_no_storms() -> None:
    assert {len(managers(market)) for market in range(10)} == {1, 2}
    assert len(expected(9)) == 3 * 1 + 3 * 2 + 3 * 1
    assert len({phone for _, phone in expected(3000)}) == sum(len(managers(market)) for market in range(1000))


def test_who_is_told_everything_once_has_no_complaint() -> None:
    verdict = judge(12, all_told(12))
    assert (verdict.lost, verdict.strange, verdict.duplicates, verdict.most_copies) == ((), (), 0, 1)
    assert verdict.expected == len(expected(12))


@pytest.mark.parametrize("missing", range(0, 18, 5))
def test_a_first_word_that_is_missing_is_lost_whatever_else_came(missing: int) -> None:
    told = all_told(12)
    gone = told.pop(missing)
    told.append(Received(gone.phone, gone.text.replace("[화재]", "[화재 미확인]")))
    told.append(told[0])
    verdict = judge(12, told)
    assert verdict.lost == ((alarm_in(gone.text), gone.phone),)
    assert (verdict.duplicates, verdict.most_copies) == (1, 2)


def test_a_word_to_somebody_of_another_market_is_strange() -> None:
    assert judge(12, [*all_told(12), Received(managers(3)[0], first_word(0))]).strange


def test_a_half_written_line_of_a_killed_provider_counts_for_nothing(tmp_path: Path) -> None:
    assert read_journal(tmp_path / "none") == []
    line = json.dumps({"phone": "010", "text": "x"})
    (tmp_path / "journal").write_text(f"{line}\n{line[:9]}", encoding="utf-8")
    assert read_journal(tmp_path / "journal") == [Received("010", "x")]


@pytest.mark.server
async def test_nothing_is_lost_while_everything_is_killed(tmp_path: Path) -> None:
    history = await run_history(tmp_path, sqlite_url(tmp_path / "central.db"), 1, SHORT)
    assert history.verdict is not None
    assert history.verdict.lost == ()
    assert history.verdict.strange == ()
    assert history.verdict.duplicates < history.verdict.expected / 2
    assert history.kills.total() >= 5, "else nothing was shown"
    assert history.kills["alerts-1"] + history.kills["alerts-2"] >= 1
