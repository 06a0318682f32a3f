"""The page of dead letters: filters, roles, replays, what it says when there is nothing."""

import httpx

from broker.console.security import SESSION_COOKIE
from broker.stores.dead_letters import DeadLetter
from broker.stores.users import Users
from tests.broker.console.conftest import NOW, Bench
from tests.broker.console.test_access import form_token


def letter(kind: str = "malformed", *, device: str = "parking-1", body: bytes = b"{}", age_s: int = 0) -> DeadLetter:
    return DeadLetter(
        received_unix_ms=NOW - age_s * 1000,
        part="ingest",
        reason_kind=kind,
        reason="not JSON",
        topic=f"market/v1/jungang/{device}/telemetry/bays",
        body=body,
        body_bytes=len(body),
        market="jungang",
        device=device,
        epoch="a" * 16,
        seq=7,
    )


async def send(browser: httpx.AsyncClient, path: str, **fields: str) -> httpx.Response:
    return await browser.post(path, data={"form_token": await form_token(browser), **fields})


async def test_nothing_refused_says_what_that_means(bench: Bench) -> None:
    async with bench.browser() as browser:
        text = (await browser.get("/dead-letters")).text
    assert "거절된 메시지가 없습니다." in text
    assert "규약에 맞습니다" in text
    assert 'action="/dead-letters/' not in text


async def test_letters_are_counted_by_device_and_filtered_by_the_address(bench: Bench) -> None:
    bench.console.dead_letters.add([letter(), letter("clock", device="alley-1"), letter("clock", age_s=7200)])
    async with bench.browser() as browser:
        text = (await browser.get("/dead-letters?lang=en")).text
        assert (text.count('id="letter-'), "jungang/alley-1" in text) == (3, True)
        for query, numbers in (
            ("kind=clock", (3, 2)),
            ("device=jungang/alley-1", (2,)),
            ("since=hour", (2, 1)),
            ("kind=clock&since=hour", (2,)),
            ("below=3", (2, 1)),
            ("below=x&since=ever&kind=", (3, 2, 1)),
        ):
            text = (await browser.get(f"/dead-letters?lang=en&{query}")).text
            assert tuple(n for n in (3, 2, 1) if f'id="letter-{n}"' in text) == numbers, query
        text = (await browser.get("/dead-letters?lang=en&kind=oversized")).text
        assert "No refused message fits what you chose." in text


async def test_more_than_a_page_leads_to_the_older(bench: Bench) -> None:
    bench.console.dead_letters.add([letter()] * 101)
    async with bench.browser() as browser:
        text = (await browser.get("/dead-letters?kind=malformed")).text
        assert "/dead-letters?kind=malformed&amp;below=2" in text
        assert (await browser.get("/dead-letters?below=2")).text.count('id="letter-') == 1


async def test_a_manager_asks_for_a_replay_and_it_is_written_down(bench: Bench) -> None:
    bench.console.dead_letters.add([letter(), letter("clock")])
    async with bench.browser() as browser:
        answer = await send(browser, "/dead-letters/1/replay", kind="malformed")
        assert (answer.status_code, answer.headers["location"]) == (
            303,
            "/dead-letters?kind=malformed&said=replay&n=1",
        )
        text = (await browser.get(answer.headers["location"])).text
        assert "1건을 다시 넣도록 맡겼습니다" in text
        assert "다시 넣는 중" in text
    assert bench.console.dead_letters.get(1).replay_requested_unix_ms == bench.clock.unix_ms()
    assert bench.console.dead_letters.get(2).replay_requested_unix_ms is None
    (row,) = [one for one in bench.console.audit.newest() if one.action.startswith("dead_letter")]
    assert (row.action, row.subject) == ("dead_letter.replay", "1")


async def test_all_that_are_chosen_are_replayed_and_no_others(bench: Bench) -> None:
    bench.console.dead_letters.add([letter(), letter("clock"), letter("clock", body=b"x" * 70_000)])
    async with bench.browser() as browser:
        answer = await send(browser, "/dead-letters/replay", kind="clock")
        assert answer.headers["location"].endswith("said=replay&n=1")
    wanted = [one.dead_letter_id for one in bench.console.dead_letters.newest() if one.replay_requested_unix_ms]
    assert wanted == [2]


async def test_what_cannot_be_replayed_says_why_and_has_no_button(bench: Bench) -> None:
    bench.console.dead_letters.add([letter(body=b"x" * 70_000)])
    async with bench.browser() as browser:
        text = (await browser.get("/dead-letters?lang=en")).text
        assert "Only the first 65536 of 70000 bytes were kept" in text
        assert "/dead-letters/1/replay" not in text
        assert (await send(browser, "/dead-letters/1/replay")).headers["location"].endswith("said=replay&n=0")


async def test_a_manager_forgets_a_letter_and_what_it_was_is_written_down(bench: Bench) -> None:
    bench.console.dead_letters.add([letter()])
    async with bench.browser() as browser:
        assert (await send(browser, "/dead-letters/1/forget")).status_code == 303
        gone = await send(browser, "/dead-letters/1/forget")
        assert (gone.status_code, "1번 거절된 수신이 없습니다" in gone.text) == (404, True)
        assert (await send(browser, "/dead-letters/1/replay")).status_code == 404
        assert "거절된 수신 지움" in (await browser.get("/health")).text
    assert bench.console.dead_letters.count() == 0
    assert "not JSON" in bench.console.audit.newest()[0].detail


async def test_a_viewer_sees_the_letters_and_changes_nothing(bench: Bench) -> None:
    bench.console.dead_letters.add([letter()])
    users = Users(bench.engine, bench.clock)
    session = users.new_session(users.ensure("viewer", "x", "viewer"))
    async with bench.client(headers={"accept": "text/html"}) as browser:
        browser.cookies.set(SESSION_COOKIE, session)
        text = (await browser.get("/dead-letters")).text
        assert 'id="letter-1"' in text
        assert "/dead-letters/1/" not in text
        for path in ("/dead-letters/1/replay", "/dead-letters/1/forget", "/dead-letters/replay"):
            answer = await browser.post(path, data={"form_token": await form_token(browser)})
            assert answer.status_code == 403, path
    kept = bench.console.dead_letters.get(1)
    assert kept.replay_requested_unix_ms is None


async def test_a_hostile_letter_is_only_text(bench: Bench) -> None:
    bench.console.dead_letters.add([letter("<b>", device='"><script>', body=b"<script>alert(1)</script>\xff")])
    async with bench.browser() as browser:
        text = (await browser.get('/dead-letters?kind=<b>&device="><script>')).text
    assert "<script>alert" not in text
    assert '"><script>' not in text
