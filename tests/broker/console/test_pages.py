"""Pages: complete in both languages, nothing from elsewhere, every state said in words."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from brand import STATIC as BRAND
from broker.console.pages import STATIC
from broker.console.render import TEMPLATES
from contract.events import FireEvent, Phase
from contract.telemetry import BayState, CameraBatch, CameraReading, SirenBatch, SirenReading
from tests.broker.console.conftest import EPOCH, NOW, Bench, bay, running
from tests.broker.console.test_access import form_token

PAGES = ("/", "/markets/jungang", "/markets/jungang/notices", "/messages", "/devices", "/dead-letters", "/health")
LOADING = {"src", "href", "action", "formaction", "poster", "srcset", "data", "sse-connect", "hx-get", "hx-post"}


class Collector(HTMLParser):
    """Every address, inline script, inline style and handler of a page; and its headings, labels, landmarks."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.inline: list[str] = []
        self.tags: list[str] = []
        self.unnamed: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = dict(attrs)
        self.addresses += [value or "" for name, value in attrs if name in LOADING]
        self.inline += [f"{tag} {name}" for name in values if name.startswith("on") or name == "style"]
        if tag == "style" or (tag == "script" and "src" not in values):
            self.inline.append(tag)
        if tag == "img" and "alt" not in values:
            self.unnamed.append(tag)


@pytest.mark.parametrize("language", ["ko", "en"])
async def test_every_page_is_there_in_both_languages_and_loads_nothing_from_elsewhere(
    bench: Bench, language: str
) -> None:
    await fill(bench)
    async with bench.browser() as browser:
        for path in PAGES:
            answer = await browser.get(path, params={"lang": language})
            assert answer.status_code == 200, path
            seen = Collector()
            seen.feed(answer.text)
            assert f'<html lang="{language}"' in answer.text
            elsewhere = [one for one in seen.addresses if "//" in one and "127.0.0.1" not in one]
            assert (elsewhere, seen.inline, seen.unnamed) == ([], [], []), path
            assert {"main", "header", "nav", "h1"} <= set(seen.tags)
            if language == "en":
                text = re.sub(r"<[^>]+>", " ", answer.text)
                assert set(re.findall("[가-힣]+", text)) <= {"한국어", "김상인", "화재", "중앙시장", "먹자골목"}, path


async def fill(bench: Bench) -> None:
    bench.fire()
    await bench.presence("alley-1", "online")
    await bench.park(bay("a-01", BayState.FREE, NOW), bay("a-02", BayState.OCCUPIED, NOW))
    await bench.api.post("/api/v1/markets/jungang/notices", json={"title": "x"})
    await bench.until("markets/jungang/occupancy", "occupied", "bays", 1, "state")


def test_styles_and_scripts_name_nothing_elsewhere() -> None:
    ours = [*STATIC.glob("*.css"), *STATIC.glob("*.js"), BRAND / "tokens.css"]
    assert len(ours) >= 3
    for file in ours:
        assert not re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}", file.read_text(encoding="utf-8")), file


def test_each_vendored_script_has_its_licence_beside_it() -> None:
    scripts = sorted(STATIC.glob("vendor/*.js"))
    assert len(scripts) == 3
    licences = {file.stem.removeprefix("LICENSE-") for file in STATIC.glob("vendor/LICENSE-*.txt")}
    assert licences == {"htmx", "htmx-ext-sse", "idiomorph"}
    base = (TEMPLATES / "base.html").read_text(encoding="utf-8")
    assert all(f"/static/vendor/{script.name}" in base for script in scripts)


async def test_everything_that_a_page_names_is_served(bench: Bench) -> None:
    async with bench.browser() as browser:
        seen = Collector()
        seen.feed((await browser.get("/markets/jungang")).text)
        for address in {one for one in seen.addresses if one.startswith(("/static", "/brand"))}:
            assert (await bench.stranger.get(address)).status_code == 200, address
    assert (await bench.stranger.get("/brand/pretendard-variable.woff2")).status_code == 200


async def test_an_empty_console_says_what_to_do_next(bench: Bench) -> None:
    async with bench.browser() as browser:
        empty = (await browser.get("/markets/seomun", params={"lang": "en"})).text
        assert "No parking bays are registered." in empty
        assert "under sensors in the site file" in empty
        assert "no screens" in (await browser.get("/markets/seomun/notices")).text


async def test_states_are_words_not_colours(bench: Bench) -> None:
    await bench.park(bay("a-01", BayState.FREE, NOW))
    await bench.until("markets/jungang/occupancy", "free", "bays", 0, "state")
    async with bench.browser() as browser:
        text = (await browser.get("/markets/jungang")).text
        assert re.search(r'id="bay-parking-1-a-01" data-state="free".*?비었음', text, re.DOTALL)
        assert re.search(r'id="bay-parking-1-a-02" data-state="unknown".*?아직 보고 없음', text, re.DOTALL)
        bench.clock.advance(90)
        text = (await browser.get("/markets/jungang")).text
        assert re.search(r'id="bay-parking-1-a-01" data-state="unknown".*?오래된 값.*?마지막 비었음', text, re.DOTALL)


async def test_the_summary_counts_only_cameras_that_are_heard_of(bench: Bench) -> None:
    seen = CameraReading(time_unix_ms=NOW, camera="cam-1", state="live", fps=5.0, frame_age_s=0.1)
    await bench.say("alley-1", CameraBatch(epoch=EPOCH, seq=1, readings=(seen,)))
    await bench.until("devices?market=jungang", "live", 0, "cameras", 0, "state")
    async with bench.browser() as browser:
        assert "모두 감시 중" in (await browser.get("/markets/jungang")).text
        bench.clock.advance(9)
        text = (await browser.get("/markets/jungang")).text
        assert "모두 감시 중" not in text
        assert "정상 아님 cam-1" in text


async def test_a_lost_link_is_said_where_all_would_be_well(bench: Bench) -> None:
    seen = CameraReading(time_unix_ms=NOW, camera="cam-1", state="live", fps=5.0, frame_age_s=0.1)
    await bench.say("alley-1", CameraBatch(epoch=EPOCH, seq=1, readings=(seen,)))
    await bench.until("devices?market=jungang", "live", 0, "cameras", 0, "state")
    bench.bus.go_down()
    await bench.until("markets/jungang/occupancy", "lost", "link", "state")
    async with bench.browser() as browser:
        text = (await browser.get("/markets/jungang")).text
        assert "모두 감시 중" not in text
        assert text.count("브로커 끊김: 이전 값") == 2


async def test_a_fire_is_on_every_page_even_while_only_a_device_speaks_of_it(bench: Bench) -> None:
    event = FireEvent(
        epoch=EPOCH,
        seq=1,
        event_id="a" * 32,
        time_unix_ms=NOW,
        phase=Phase.RAISED,
        zone="b",
        camera="cam-1",
        score=0.9,
        first_seen_unix_ms=NOW,
        decided_unix_ms=NOW,
    )
    async with bench.browser() as browser:
        assert 'class="alarm"' not in (await browser.get("/messages")).text
        await bench.say("alley-1", event)
        await bench.presence("alley-1", "online")
        await bench.until("devices?market=jungang", "online", 0, "presence")
        text = (await browser.get("/messages")).text
        assert re.search(r'role="alert".*?화재 발생.*?중앙시장 먹자골목.*?직접 알리세요', text, re.DOTALL)
        bench.fire()
        text = (await browser.get("/health")).text
        assert text.count('class="alarm"') == 1
        assert "직접 알리세요" not in text


async def test_pressing_acknowledge_with_and_without_script(bench: Bench) -> None:
    first = bench.fire()
    async with bench.browser() as browser:
        data = {"form_token": await form_token(browser)}
        path = f"/markets/jungang/incidents/{first}/acknowledge"
        assert (await browser.post(path, data=data, headers={"hx-request": "true"})).status_code == 204
        assert (await browser.post(path, data=data)).headers["location"] == "/markets/jungang#incidents"
        assert "manager 확인" in (await browser.get("/markets/jungang")).text


async def test_a_notice_from_the_form_and_its_withdrawal(bench: Bench) -> None:
    async with bench.browser() as browser:
        token = await form_token(browser)
        path = "/markets/jungang/notices"
        files = {"picture": ("", b"", "application/octet-stream")}
        data = {"form_token": token, "title": "반값", "text": "오늘만", "duration_s": "3600"}
        sent = await browser.post(path, data=data, files=files)
        assert sent.headers["location"] == f"{path}?sent=1"
        assert "반값" in (await browser.get(sent.headers["location"])).text
        assert (await browser.post(f"{path}/1/withdraw", data={"form_token": token})).status_code == 303
        assert (await bench.api.get(f"/api/v1{path}")).json()["notices"][0]["phase"] == "withdrawn"


async def test_a_bad_picture_keeps_what_was_typed(bench: Bench) -> None:
    async with bench.browser() as browser:
        data = {"form_token": await form_token(browser), "title": "반값 행사", "text": "오늘만"}
        files = {"picture": ("x.gif", b"GIF89a", "image/gif")}
        answer = await browser.post("/markets/jungang/notices", data=data, files=files)
        assert answer.status_code == 422
        assert "PNG, JPEG, WebP 사진이 아닙니다" in answer.text
        assert 'value="반값 행사"' in answer.text


async def test_silencing_from_the_page_says_what_became_of_it(bench: Bench) -> None:
    siren = SirenReading(time_unix_ms=NOW, siren="siren-1", state="live", sounding=True, since_unix_ms=NOW)
    await bench.say("alley-1", SirenBatch(epoch=EPOCH, seq=1, readings=(siren,)))
    await bench.until("devices?market=jungang", "live", 0, "sirens", 0, "state")
    async with bench.browser() as browser:
        page = (await browser.get("/markets/jungang")).text
        assert 'formaction="/markets/jungang/devices/alley-1/silence"' in page
        data = {"form_token": await form_token(browser)}
        bench.bus.go_down()
        answer = await browser.post("/markets/jungang/devices/alley-1/silence", data=data)
        assert answer.status_code == 503
        assert "문제가 있습니다" in answer.text


async def test_what_devices_say_cannot_become_markup(bench: Bench) -> None:
    evil = '<script>alert("x")</script>'
    camera = CameraReading(time_unix_ms=NOW, camera="cam-1", state="live", detail=evil)
    await bench.say("alley-1", CameraBatch(epoch=EPOCH, seq=1, readings=(camera,)))
    await bench.until("devices?market=jungang", evil, 0, "cameras", 0, "detail")
    await bench.api.post("/api/v1/markets/jungang/notices", json={"title": evil, "text": evil})
    async with bench.browser() as browser:
        for path in ("/markets/jungang", "/markets/jungang/notices"):
            text = (await browser.get(path)).text
            assert evil not in text
            assert "&lt;script&gt;" in text


@pytest.mark.parametrize("is_trial", [True, False])
async def test_the_trial_broker_is_said_on_every_page(tmp_path: Path, *, is_trial: bool) -> None:
    async with running(tmp_path, trial_broker=is_trial) as bench, bench.browser() as browser:
        for path in (*PAGES, "/markets/seomun", "/sign-in", "/sign-in/link/x", "/no-such-page", "/markets/atlantis"):
            for language, says in (("ko", "시험용 브로커"), ("en", "Trial broker")):
                text = (await browser.get(path, params={"lang": language})).text
                assert (says in text) == is_trial, path
        failed = await browser.post("/sign-in", data={"name": "x", "password": "y"})
        assert ("Trial broker" in failed.text) == is_trial


async def test_a_page_that_is_not_there_is_a_page(bench: Bench) -> None:
    async with bench.browser() as browser:
        answer = await browser.get("/markets/atlantis")
        assert (answer.status_code, "문제가 있습니다" in answer.text) == (404, True)


async def test_the_language_chosen_stays(bench: Bench) -> None:
    async with bench.browser() as browser:
        await browser.get("/health?lang=en")
        assert '<html lang="en"' in (await browser.get("/messages")).text
        await browser.get("/health?lang=ko")
        assert '<html lang="ko"' in (await browser.get("/messages")).text
