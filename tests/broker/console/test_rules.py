"""The pages of the rules: what they say, who may start a dry run, and what one shows."""

import re
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import yaml

from broker.console.dry_runs import Asked, BusyError, DryRuns
from broker.console.problems import NotHereError
from broker.console.rules import months
from broker.console.security import SESSION_COOKIE
from broker.rules.dry_run import Span
from broker.series.memory import MemorySeriesStore
from broker.series.ports import FieldValue, Series
from broker.stores.rule_states import RulePlace, RuleState, RuleStates
from broker.stores.users import Users
from runtime.errors import RetryableError
from tests.broker.console.conftest import NOW, Bench, running
from tests.broker.console.test_access import form_token
from tests.broker.rules.ruleset import BAY, FAULT, FULL, bay_fields, rule, write
from tests.eventually import eventually, eventually_async

S = 1000
SPAN = Span(NOW - 86_400_000, NOW)
ASKED = Asked(rule(), "jungang", "2025-12", SPAN)


@pytest.fixture
async def ruled(tmp_path: Path) -> AsyncIterator[Bench]:
    """A console that knows two rules."""
    folder = tmp_path / "rules"
    folder.mkdir()
    text = yaml.safe_dump({"rules": [dict(FAULT), {**FULL, "level": "watch"}]}, allow_unicode=True)
    (folder / "mine.yaml").write_text(text, encoding="utf-8")
    async with running(tmp_path, rules_dir=folder) as bench:
        yield bench


def fault(store: MemorySeriesStore, begin_s: int, end_s: int) -> None:
    """A bay that is at fault in between, seconds counted from a day ago, and free in the rest of two hours."""
    write(
        store,
        BAY,
        (
            (SPAN.from_unix_ms + second * S, bay_fields("unknown" if begin_s <= second < end_s else "free"))
            for second in range(0, 7200, 20)
        ),
    )


async def start(bench: Bench, **changes: str) -> tuple[int, str]:
    """Press the button; the answer's status, and where it leads."""
    asked = {"rule": "bay-fault", "market": "jungang", "month": "2025-12", **changes}
    async with bench.browser() as browser:
        answer = await browser.post("/rules/dry-runs", data={"form_token": await form_token(browser), **asked})
    return answer.status_code, answer.headers.get("location", answer.text)


async def test_without_rules_the_page_says_how_to_have_some(bench: Bench) -> None:
    async with bench.browser() as browser:
        text = (await browser.get("/rules")).text
    assert "규칙이 없습니다." in text
    assert "rules_dir" in text
    assert "<form class" not in text


async def test_the_rules_say_what_they_ask_and_where_they_stand(ruled: Bench) -> None:
    place = RulePlace("bay-fault", "jungang", "parking-1", "a-01")
    other = RulePlace("bay-fault", "jungang", "parking-1", "a-02")
    states = [RuleState(place, NOW - 900 * S, "f" * 32), RuleState(other, NOW, None)]
    RuleStates(ruled.engine).write(states, ())
    async with ruled.browser() as browser:
        korean = (await browser.get("/rules")).text
        english = (await browser.get("/rules?lang=en")).text
    assert "주차면 센서 고장" in korean
    assert "울림 1" in korean
    assert "jungang/a-01" in korean
    assert "기다림 1" in korean
    assert "at fault (value unknown), for 600 s" in english
    assert "outbox_share above 0.8, for 60 s" in english
    assert "over at 0.7" in english
    assert "watch" in english
    assert "quiet" in english


async def test_a_mistake_in_the_files_is_said_with_the_rules_from_before(ruled: Bench) -> None:
    async with ruled.browser() as browser:
        await browser.get("/rules")
        file = ruled.data / "rules" / "mine.yaml"
        file.write_text("rules: [{name: <b>}]", encoding="utf-8")
        text = (await browser.get("/rules")).text
    assert "고치기 전 규칙을 계속 씁니다" in text
    assert "mine.yaml:1: rules[0].name" in text
    assert "bay-fault" in text
    assert "<b>" not in text


async def test_a_dry_run_shows_when_and_how_long(ruled: Bench) -> None:
    fault(ruled.series, 1000, 4600)
    status, way = await start(ruled)
    assert (status, way) == (303, "/rules/dry-runs/1")
    await eventually_async(lambda: ruled.console.dry_runs.get(1).state == "done")
    async with ruled.browser() as browser:
        text = (await browser.get(way)).text
        english = (await browser.get(f"{way}?lang=en")).text
        assert "/rules/dry-runs/1" in (await browser.get("/rules")).text
    assert "1곳 가운데 1곳에서 1번 울렸을 것입니다. 모두 50 min" in text
    assert "It would have fired on 1 of 1. Firings: 1, 50 min in all" in english
    assert "2025-12-31 09:26, for 50 min" in english, "1,600 s after nine in Korea"
    assert 'aria-label="a-01: firings 1, 50 min in all"' in english
    (mark,) = re.findall(r'<rect class="line__mark" x="([\d.]+)"', text)
    december_ms = 31 * 86_400_000
    begin_ms = SPAN.from_unix_ms + 1600 * S - (NOW - 9 * 3_600_000 - 30 * 86_400_000 - 15 * 3_600_000)
    assert float(mark) == pytest.approx(begin_ms / december_ms * 1000, abs=35)
    assert "hx-trigger" not in text, "what is done is not asked for again"
    (row,) = [one for one in ruled.console.audit.newest() if one.action == "rule.dry_run"]
    assert row.subject == "bay-fault jungang 2025-12"


async def test_a_month_without_a_reading_says_nothing_of_it(ruled: Bench) -> None:
    _, way = await start(ruled, month="2025-10")
    await eventually_async(lambda: ruled.console.dry_runs.get(1).state == "done")
    async with ruled.browser() as browser:
        assert "아무것도 말할 수 없습니다" in (await browser.get(way)).text


@pytest.mark.parametrize(
    ("changes", "status", "says"),
    [
        ({"rule": "<none>"}, 404, "규칙이 없습니다. 규칙 페이지에서 고르세요"),
        ({"market": "nowhere"}, 404, "시장은 등록되어 있지 않습니다"),
        ({"month": "2019-01"}, 404, "고를 수 있는 달이 아닙니다"),
        ({"month": ""}, 422, "month: 비어 있습니다"),
    ],
)
async def test_what_cannot_be_run_is_said(ruled: Bench, changes: dict[str, str], status: int, says: str) -> None:
    found, text = await start(ruled, **changes)
    assert found == status
    assert says in text
    assert ruled.console.dry_runs.newest() == ()


async def test_a_viewer_looks_and_starts_nothing(ruled: Bench) -> None:
    fault(ruled.series, 1000, 4600)
    await start(ruled)
    users = Users(ruled.engine, ruled.clock)
    session = users.new_session(users.ensure("viewer", "x", "viewer"))
    async with ruled.client(headers={"accept": "text/html"}) as browser:
        browser.cookies.set(SESSION_COOKIE, session)
        text = (await browser.get("/rules")).text
        assert "관리자만 시작할 수 있습니다" in text
        assert 'action="/rules/dry-runs"' not in text
        assert (await browser.get("/rules/dry-runs/1")).status_code == 200
        asked = {"rule": "bay-fault", "market": "jungang", "month": "2025-12"}
        answer = await browser.post("/rules/dry-runs", data={"form_token": await form_token(browser), **asked})
        assert answer.status_code == 403
        assert (await browser.get("/rules/dry-runs/99")).status_code == 404
    assert len(ruled.console.dry_runs.newest()) == 1


async def test_a_form_without_its_token_starts_nothing(ruled: Bench) -> None:
    async with ruled.browser() as browser:
        asked = {"rule": "bay-fault", "market": "jungang", "month": "2025-12", "form_token": "0" * 64}
        assert (await browser.post("/rules/dry-runs", data=asked)).status_code == 403
    assert ruled.console.dry_runs.newest() == ()


async def test_months_are_the_market_s_and_this_one_ends_now(bench: Bench) -> None:
    found = months(bench.console)
    assert list(found)[:3] == ["2026-01", "2025-12", "2025-11"]
    assert len(found) == 13
    nine_hours_ms = 9 * 3_600_000
    assert found["2026-01"] == Span(NOW - nine_hours_ms, NOW)
    assert found["2025-12"] == Span(NOW - nine_hours_ms - 31 * 86_400_000, NOW - nine_hours_ms)


class Slow(MemorySeriesStore):
    """Answers when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.let = threading.Event()
        self.fails = False

    def range(
        self, series: Series, field: str, from_unix_ms: int, until_unix_ms: int
    ) -> Sequence[tuple[int, FieldValue]]:
        self.let.wait(10)
        if self.fails:
            raise RetryableError("the store does not answer")
        return super().range(series, field, from_unix_ms, until_unix_ms)


def test_one_goes_on_at_a_time_and_the_newest_are_kept() -> None:
    store = Slow()
    fault(store, 1000, 4600)
    runs = DryRuns(store)
    first = runs.begin(ASKED)
    with pytest.raises(BusyError, match="another dry run is going on"):
        runs.begin(ASKED)
    assert runs.get(first).state == "running"
    store.let.set()
    eventually(lambda: runs.get(first).state == "done")
    for _ in range(8):
        runs.begin(ASKED)
        eventually(lambda: runs.newest()[0].state == "done")
    assert len(runs.newest()) == 8
    with pytest.raises(NotHereError):
        runs.get(first)
    runs.close()


def test_a_store_that_fails_is_said_and_closing_ends_it() -> None:
    store = Slow()
    fault(store, 1000, 4600)
    runs = DryRuns(store)
    store.fails = True
    store.let.set()
    number = runs.begin(ASKED)
    eventually(lambda: runs.get(number).state == "failed")
    assert runs.get(number).total.subjects == 0
    store.fails = False
    store.let.clear()
    number = runs.begin(ASKED)
    threading.Timer(0.05, store.let.set).start()
    runs.close()
    assert runs.get(number).state == "failed"
