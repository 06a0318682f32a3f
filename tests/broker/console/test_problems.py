"""What people are told when something cannot be done: complete, in their language, on every path."""

import ast
import re
from pathlib import Path
from string import Formatter

import httpx
import pytest
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import OperationalError

from broker.console import problems
from broker.console.errors import _INPUT, _PASSING, answer_to
from broker.console.problems import LABELS, PROBLEMS
from broker.console.texts import TEXTS
from broker.stores.users import Users
from runtime.errors import FatalError, RetryableError
from tests.broker.console.conftest import Bench
from tests.broker.console.test_access import form_token

HANGUL = re.compile("[가-힣]")
NOTICES = "/markets/jungang/notices"
RAISED = re.compile(r"(Error|problem_text)$")


def keys_in(file: Path) -> set[str]:
    """Every key with which a file raises an error of the table or asks for a sentence."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and RAISED.search(node.func.id):
            key = node.args[1 if node.func.id == "problem_text" else 0] if node.args else None
            if isinstance(key, ast.Constant) and key.value != "control_characters":  # pydantic's, put in words later
                found.add(str(key.value))
    return found


@pytest.mark.parametrize("key", PROBLEMS)
def test_every_problem_is_said_in_both_languages_with_the_same_values(key: str) -> None:
    korean, english = PROBLEMS[key]
    assert HANGUL.search(korean)
    assert not HANGUL.search(english)
    fields = [{name for _, name, _, _ in Formatter().parse(text) if name} for text in (korean, english)]
    assert fields[0] == fields[1]


def test_every_problem_that_is_raised_is_in_the_table_and_none_is_there_for_nothing() -> None:
    folder = Path(problems.__file__).parent
    used = set().union(*(keys_in(file) for file in folder.glob("*.py")))
    used |= {key for key, _ in _INPUT.values()} | set(_PASSING.values()) | {"input.other", "unexpected"}
    used |= {key for key in PROBLEMS if key.startswith("http.")}
    assert used == set(PROBLEMS)
    assert set(LABELS.values()) <= set(TEXTS)


async def send(browser: httpx.AsyncClient, picture: bytes = b"", **data: str) -> httpx.Response:
    token = await form_token(browser)
    files = {"picture": ("x.png" if picture else "", picture, "image/png")}
    return await browser.post(NOTICES, data={"form_token": token, **data}, files=files)


@pytest.mark.parametrize(
    ("data", "picture", "status", "says"),
    [
        ({"title": ""}, b"", 422, "제목: 비어 있습니다"),
        ({"title": "   "}, b"", 422, "제목: 비어 있습니다"),
        ({"title": "가" * 81}, b"", 422, "제목: 너무 깁니다. 80자"),
        ({"title": "반값", "text": "나" * 501}, b"", 422, "내용: 너무 깁니다. 500자"),
        ({"title": "반\0값"}, b"", 422, "제목: 보이지 않는 제어 문자"),
        ({"title": "반값", "duration_s": "x"}, b"", 422, "보일 시간: 정수"),
        ({"title": "반값", "duration_s": "0"}, b"", 422, "보일 시간: 1 이상"),
        ({"title": "반값"}, b"GIF89a", 422, "PNG, JPEG, WebP 사진이 아닙니다"),
        ({"title": "반값"}, b"\xff\xd8\xff", 422, "사진 파일이 잘렸습니다"),
        ({"title": "반값"}, b"\x89PNG" + b"\0" * 5_000_000, 422, "5 MB 이하로"),
    ],
)
async def test_what_is_wrong_with_a_notice_is_said_in_korean_with_the_form_as_it_was(
    bench: Bench, data: dict[str, str], picture: bytes, status: int, says: str
) -> None:
    async with bench.browser() as browser:
        answer = await send(browser, picture, **data)
        assert (answer.status_code, says in answer.text) == (status, True), problem_in(answer)
        assert 'name="title"' in answer.text
        assert data["title"].replace("\0", "") in answer.text.replace("\0", "")
        assert 'id="error"' in answer.text
        english = await browser.post(
            f"{NOTICES}?lang=en", data={"form_token": await form_token(browser), **data}, files={"picture": picture}
        )
        assert not HANGUL.search(problem_in(english))
    assert (await bench.api.get(f"/api/v1{NOTICES}")).json()["notices"] == []


def problem_in(answer: httpx.Response) -> str:
    """The sentence that a page shows as what went wrong."""
    form = re.search(r'id="error">(.*?)</p>', answer.text, re.DOTALL)
    page = re.search(r"</h1><p>(.*?)</p>", answer.text, re.DOTALL)
    found = form or page
    assert found is not None, answer.text
    return found[1]


async def test_a_market_that_is_full_keeps_what_was_typed(bench: Bench) -> None:
    for number in range(20):
        await bench.api.post(f"/api/v1{NOTICES}", json={"title": str(number)})
    async with bench.browser() as browser:
        answer = await send(browser, title="하나 더")
        assert (answer.status_code, problem_in(answer)) == (
            409,
            "화면에 알림이 이미 20개 있습니다. 먼저 하나를 내리세요.",
        )
        assert 'value="하나 더"' in answer.text


async def test_every_error_page_is_in_the_pages_language(bench: Bench) -> None:
    fire = bench.fire()
    async with bench.browser() as browser:
        data = {"form_token": await form_token(browser)}
        bench.bus.go_down()
        for method, path, sent, status in (
            ("GET", "/markets/atlantis", {}, 404),
            ("GET", "/no-such-page", {}, 404),
            ("GET", "/incidents/99/still", {}, 404),
            ("GET", f"/incidents/{2**70}/still", {}, 422),
            ("GET", f"/incidents/{fire}/still", {}, 404),
            ("POST", "/markets/jungang/incidents/99/acknowledge", data, 404),
            ("POST", f"/markets/seomun/incidents/{fire}/acknowledge", data, 404),
            ("POST", f"/markets/jungang/incidents/{fire}/acknowledge", {}, 403),
            ("POST", "/markets/atlantis/notices", {**data, "title": "x"}, 404),
            ("POST", "/markets/jungang/notices/99/withdraw", data, 404),
            ("POST", "/markets/jungang/devices/nobody/silence", data, 404),
            ("POST", "/markets/jungang/devices/alley-1/silence", data, 503),
            ("PUT", "/markets/jungang", {}, 405),
            ("POST", "/sign-in", {"name": "x" * 300, "password": "y"}, 422),
            ("POST", "/sign-in", {"name": "a\0b", "password": "y"}, 401),
        ):
            for language, is_korean in (("ko", True), ("en", False)):
                answer = await browser.request(method, path, data=sent, params={"lang": language})
                assert answer.status_code == status, (path, answer.text)
                sentence = problem_in(answer) if status != 401 else ("이름" if is_korean else "name")
                assert bool(HANGUL.search(sentence)) == is_korean, (path, sentence)
                assert f'<html lang="{language}"' in answer.text
    assert (await bench.api.get(f"/api/v1/incidents/{fire}")).json()["acknowledged_by"] is None


async def test_a_viewer_is_refused_in_korean_and_a_script_hears_it_too(bench: Bench) -> None:
    fire = bench.fire()
    users = Users(bench.engine, bench.clock)
    session = users.new_session(users.ensure("viewer", "x", "viewer"))
    async with bench.client(headers={"accept": "text/html"}) as viewer:
        viewer.cookies.set("jangteo_session", session)
        path, data = f"/markets/jungang/incidents/{fire}/acknowledge", {"form_token": await form_token(viewer)}
        assert "볼 수만 있고" in problem_in(await viewer.post(path, data=data))
        told = await viewer.post(path, data=data, headers={"hx-request": "true"})
        assert (told.status_code, "볼 수만 있고" in told.json()["error"]) == (403, True)


async def test_what_nobody_expected_is_a_page_and_is_logged(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_limit: int) -> None:
        raise RuntimeError("a secret detail")

    async with bench.browser() as browser:
        monkeypatch.setattr(bench.console.dead_letters, "find", broken)
        transport = httpx.ASGITransport(bench.app, raise_app_exceptions=False)
        kept = dict(browser.cookies)
        async with httpx.AsyncClient(transport=transport, base_url="http://console.test", cookies=kept) as lenient:
            answer = await lenient.get("/dead-letters", headers={"accept": "text/html"})
            assert (answer.status_code, "예상하지 못한 문제" in problem_in(answer)) == (500, True)
            assert "a secret detail" not in answer.text
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            told = await lenient.get("/api/v1/dead-letters")
            assert (told.status_code, list(told.json())) == (500, ["error"])
            assert not HANGUL.search(told.text)


async def test_a_database_that_is_gone_still_gives_a_page(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_arguments: object) -> None:
        raise OperationalError("SELECT", {}, Exception("gone"))

    async with bench.browser() as browser:
        monkeypatch.setattr(bench.console.users, "by_secret", gone)
        answer = await browser.get("/health")
        assert (answer.status_code, "중앙 데이터베이스가 답하지 않습니다" in problem_in(answer)) == (503, True)


async def test_the_api_is_english_whatever_the_browser_prefers(bench: Bench) -> None:
    async with bench.browser() as browser:
        await browser.get("/health?lang=ko")
        answer = await browser.get("/api/v1/markets/atlantis/occupancy", headers={"accept-language": "ko"})
        assert answer.json() == {"error": "there is no market 'atlantis': see /api/v1/markets"}


def test_errors_of_other_parts_are_worded_by_what_to_do() -> None:
    assert answer_to(RetryableError("x"), "en").sentence == PROBLEMS["later"][1]
    assert answer_to(FatalError("inner words"), "ko").status == 500
    odd = RequestValidationError([{"type": "odd", "loc": ("body", "title"), "msg": "is odd", "input": ""}])
    assert answer_to(odd, "en").sentence == "title: is odd"
    assert answer_to(odd, "ko", labelled=True).sentence == "제목: 값이 맞지 않습니다 (is odd)."
