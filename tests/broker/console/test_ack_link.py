"""The page behind an acknowledge link: what it shows, who it lets through, and that looking changes nothing."""

import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine, delete, update
from structlog.testing import capture_logs

from broker.console.link_tries import TRIES_MAX
from broker.stores.acknowledge_tokens import LIFE_S, MS_PER_S, LinkToken, add_token, new_token
from broker.stores.database import transaction
from broker.stores.incident_models import Picture, Sighting
from broker.stores.incidents import Incidents
from broker.stores.messages import NewMessage
from broker.stores.schema import acknowledge_tokens, recipients
from contract.events import Phase
from contract.ids import ID_LENGTH_MAX
from tests.broker.console.conftest import EPOCH, Bench, running

JPEG = b"\xff\xd8\xff\xe0 a picture"
KIM = "01012345678"
Spoil = Callable[[Bench, str, int], Awaitable[str]]


def link(bench: Bench, incident_id: int, *, market: str = "jungang", recipient: str = KIM) -> str:
    """The path of a link as a message carries it."""
    token, sha256 = new_token()
    made = LinkToken(f"https://x.kr/a/{token}", sha256, bench.clock.unix_ms() + LIFE_S * MS_PER_S)
    with transaction(bench.engine) as connection:
        add_token(
            connection,
            made,
            incident_id=incident_id,
            market=market,
            recipient_name="김상인",
            recipient=recipient,
            now_unix_ms=bench.clock.unix_ms(),
        )
    return f"/a/{token}"


def picture(engine: Engine, bench: Bench, seq: int = 1) -> None:
    still = Picture("jungang", "alley-1", EPOCH, seq + 100, f"{seq:032x}", "cam-1", bench.clock.unix_ms(), JPEG)
    Incidents(engine, bench.clock).record([still], lambda _change: ())


def acts(bench: Bench) -> list[tuple[str, str, str, str]]:
    return [(row.who, row.action, row.subject, row.detail) for row in reversed(bench.console.audit.newest())]


def by(bench: Bench, incident_id: int) -> tuple[str | None, str | None]:
    found = bench.console.incidents.get(incident_id)
    return found.acknowledged_by, found.acknowledged_via


async def test_it_shows_what_burns_where_since_when_and_who_is_told(bench: Bench) -> None:
    fire = bench.fire()
    picture(bench.engine, bench)
    path = link(bench, fire)
    answer = await bench.stranger.get(path)
    code = bench.console.incidents.get(fire).code
    assert answer.status_code == 200
    for words in ("화재", "중앙시장", "먹자골목", "Food alley", "김상인", code, "119", "제가 맡겠습니다", "인증된"):
        assert words in answer.text
    assert answer.text.index("중앙시장") < answer.text.index("Jungang Market"), "Korean first"
    shown = re.search(r'<img src="(/a/[^"]+)"', answer.text)
    assert shown is not None
    seen = await bench.stranger.get(shown[1])
    assert (seen.content, seen.headers["content-type"]) == (JPEG, "image/jpeg")
    assert "01012345678" not in answer.text


async def test_looking_acknowledges_nothing_however_often_and_whoever_previews(bench: Bench) -> None:
    fire = bench.fire()
    path = link(bench, fire)
    for agent in ("facebookexternalhit/1.1", "kakaotalk-scrap/1.0", "TelegramBot", "curl"):
        for method in ("GET", "HEAD"):
            answer = await bench.stranger.request(method, path, headers={"user-agent": agent})
            assert answer.status_code == 200
    assert by(bench, fire) == (None, None)
    assert acts(bench) == []


async def test_pressing_acknowledges_by_the_name_the_link_was_sent_to(bench: Bench) -> None:
    fire = bench.fire()
    path = link(bench, fire)
    answer = await bench.stranger.post(path)
    assert answer.status_code == 200
    assert "확인했습니다" in answer.text
    assert by(bench, fire) == ("김상인", "link")
    assert bench.console.messages.of_incident(fire)[0].state == "cancelled"
    code = bench.console.incidents.get(fire).code
    assert acts(bench) == [("김상인", "incident.acknowledge", f"jungang/{code}", "link")]


async def test_a_second_recipient_sees_who_was_first_and_takes_nothing_over(bench: Bench) -> None:
    fire = bench.fire()
    path = link(bench, fire)
    bench.console.incidents.acknowledge(fire, "김관리", "console")
    page = (await bench.stranger.get(path)).text
    assert "김관리 님이" in page
    assert "<form" not in page
    answer = await bench.stranger.post(path)
    assert "김관리 님이" in answer.text
    assert by(bench, fire) == ("김관리", "console")
    assert acts(bench)[-1][1] == "acknowledge.already"


async def used(bench: Bench, path: str, _fire: int) -> str:
    await bench.stranger.post(path)
    return path


async def expired(bench: Bench, path: str, _fire: int) -> str:
    bench.clock.advance(LIFE_S)
    return path


async def guessed(_bench: Bench, _path: str, _fire: int) -> str:
    return f"/a/{new_token()[0]}"


async def misspelt(_bench: Bench, path: str, _fire: int) -> str:
    return path.swapcase().replace("/A/", "/a/")


async def cut(_bench: Bench, path: str, _fire: int) -> str:
    return path[:-1]


async def long(_bench: Bench, _path: str, _fire: int) -> str:
    return "/a/" + "x" * 4 * ID_LENGTH_MAX


async def foreign(bench: Bench, path: str, _fire: int) -> str:
    elsewhere = bench.fire(2, "seomun")
    with transaction(bench.engine) as connection:
        connection.execute(update(acknowledge_tokens).values(incident_id=elsewhere))
    return path


async def withdrawn(bench: Bench, path: str, _fire: int) -> str:
    with transaction(bench.engine) as connection:
        connection.execute(delete(recipients).where(recipients.c.phone == KIM))
    return path


SPOILS: tuple[Spoil, ...] = (used, expired, guessed, misspelt, cut, long, foreign, withdrawn)


@pytest.mark.parametrize("spoil", SPOILS, ids=lambda one: one.__name__)
async def test_what_does_not_count_does_nothing_and_is_told_from_nothing_else(bench: Bench, spoil: Spoil) -> None:
    fire = bench.fire()
    whole = link(bench, fire)
    path = await spoil(bench, whole, fire)
    before, audited = by(bench, fire), len(acts(bench))
    wrong = await bench.stranger.get("/a/AAAAAAAAAAAA")
    answers = [
        await bench.stranger.get(path),
        await bench.stranger.post(path),
        await bench.stranger.get(f"{path}/picture"),
    ]
    assert [(one.status_code, one.text) for one in answers] == [(404, wrong.text)] * 3
    assert "쓸 수 없는 링크" in wrong.text
    assert "답장" in wrong.text, "what to do instead"
    assert by(bench, fire) == before
    assert by(bench, fire)[1] == ("link" if spoil is used else None)
    tries = [(action, detail) for _, action, _, detail in acts(bench)[audited:]]
    assert tries == [("acknowledge.refused", method) for method in ("GET", "GET", "POST", "GET")]


async def test_whoever_guesses_waits_and_a_link_that_counts_still_opens_elsewhere(bench: Bench) -> None:
    fire = bench.fire()
    path = link(bench, fire)
    statuses = [(await bench.stranger.post(f"/a/{new_token()[0]}")).status_code for _ in range(TRIES_MAX)]
    assert statuses == [404] * TRIES_MAX
    late = await bench.stranger.post(path)
    assert (late.status_code, late.headers["retry-after"]) == (429, "60")
    assert "60초 뒤에" in late.text
    assert by(bench, fire) == (None, None)
    assert len(acts(bench)) == TRIES_MAX, "the rest is counted, not written down"
    assert acts(bench)[-1][3] == "POST, waits from now on"
    assert bench.console.counters.link_tries_refused_total == 1
    async with bench.client(address="192.0.2.7") as phone:
        assert (await phone.post(path)).status_code == 200
    bench.clock.advance(61)
    assert (await bench.stranger.get("/a/AAAAAAAAAAAA")).status_code == 404


async def test_the_address_is_told_nobody(bench: Bench) -> None:
    path = link(bench, bench.fire())
    with capture_logs() as logs:
        answers = [
            await bench.stranger.get(path),
            await bench.stranger.get(f"{path}/picture"),
            await bench.stranger.post(path),
            await bench.stranger.post(path),
            *[await bench.stranger.get(path) for _ in range(TRIES_MAX)],
        ]
    assert {one.status_code for one in answers} == {200, 404, 429}
    for one in answers:
        assert one.headers["referrer-policy"] == "no-referrer"
        assert one.headers["cache-control"] == "no-store"
        assert "noindex" in one.headers["x-robots-tag"]
        assert "set-cookie" not in one.headers
    token = path.removeprefix("/a/")
    assert token not in str(acts(bench))
    assert token not in str(logs)
    assert logs


async def test_an_error_that_nobody_expected_is_logged_without_the_token(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = link(bench, bench.fire())

    def broken(_incident_id: int) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(bench.console.stills, "of_incident", broken)
    transport = httpx.ASGITransport(bench.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://console.test") as client:
        with capture_logs() as logs:
            assert (await client.get(path)).status_code == 500
    assert [one["path"] for one in logs if one["event"] == "console.unexpected"] == ["/a/…"]


async def test_while_the_database_is_away_nothing_is_used_up(bench: Bench) -> None:
    fire = bench.fire()
    path = link(bench, fire)
    with bench.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE incidents RENAME TO away")
    assert (await bench.stranger.post(path)).status_code == 503
    with bench.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE away RENAME TO incidents")
    assert (await bench.stranger.post(path)).status_code == 200
    assert by(bench, fire) == ("김상인", "link")


async def test_whoever_reads_the_messages_cannot_press_their_links(bench: Bench) -> None:
    now = bench.clock.unix_ms()
    token, sha256 = new_token()
    made = LinkToken(f"https://alrt.kr/a/{token}", sha256, now + LIFE_S * MS_PER_S)
    message = NewMessage("0", "김상인", KIM, f"[화재] 14:32 {made.url}", now, link=made)
    seen = Sighting(
        "jungang", "alley-1", EPOCH, 1, f"{1:032x}", "fire", Phase.RAISED, now, "b", "fire", "fire", "cam-1"
    )
    (change,) = Incidents(bench.engine, bench.clock).record([seen], lambda _change: (message,))
    assert change.incident is not None
    incident_id = change.incident.incident_id
    async with bench.browser() as browser:
        pages = [
            await browser.get("/messages"),
            await browser.get(f"/markets/jungang/incidents/{incident_id}"),
            await browser.get("/markets/jungang"),
            await bench.api.get("/api/v1/messages"),
        ]
    assert [one.status_code for one in pages] == [200] * 4
    assert not [one.url for one in pages if token in one.text]
    assert "https://alrt.kr/a/…" in pages[0].text
    assert (await bench.stranger.get(f"/a/{token}")).status_code == 200


async def test_a_drill_says_that_it_is_one_and_a_signed_in_browser_makes_no_difference(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        fire = bench.fire()
        with transaction(bench.engine) as connection:
            connection.exec_driver_sql("UPDATE incidents SET severity = 'drill', kind = 'drill'")
        path = link(bench, fire)
        async with bench.browser() as browser:
            page = (await browser.get(path)).text
            assert "훈련입니다" in page
            assert "119 전화" not in page
            assert (await browser.post(path)).status_code == 200
        assert by(bench, fire) == ("김상인", "link")
