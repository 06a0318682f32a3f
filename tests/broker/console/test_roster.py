"""The roster page: people added, changed and removed by managers, numbers in one form, every mistake in a sentence."""

import html
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx
import pytest
from starlette.datastructures import FormData

from broker.console.problems import PROBLEMS
from broker.console.roster_form import BadPersonError, PersonInput, input_of, person_of, read_person
from broker.stores.policies import Policies
from broker.stores.policy_models import Policy, Step
from broker.stores.registry import Kept, Recipient, Registry
from broker.stores.rosters import RosterBook
from broker.stores.users import Users
from tests.broker.console.conftest import JUNGANG, Bench
from tests.broker.console.test_access import form_token

PAGE = "/markets/jungang/roster"
GOOD = {"name": "박총무", "phone": "+82 10-2222-3333", "role": "deputy", "language": "ja"}
KIM = Recipient("김상인", "01012345678")


def people(bench: Bench, market: str = "jungang") -> list[Recipient]:
    return [one.recipient for one in RosterBook(bench.engine).of(market).people]


def first_id(bench: Bench) -> int:
    return RosterBook(bench.engine).of("jungang").people[0].recipient_id


async def post(
    browser: httpx.AsyncClient, path: str, data: Mapping[str, str] | None = None, language: str = "en"
) -> httpx.Response:
    token = await form_token(browser)
    return await browser.post(f"{path}?lang={language}", data={"form_token": token, **(data or {})})


@asynccontextmanager
async def english(bench: Bench) -> AsyncIterator[httpx.AsyncClient]:
    """A manager who reads English."""
    async with bench.browser() as browser:
        browser.cookies.set("jangteo_language", "en")
        yield browser


@asynccontextmanager
async def viewer_of(bench: Bench) -> AsyncIterator[httpx.AsyncClient]:
    users = Users(bench.engine, bench.clock)
    session = users.new_session(users.ensure("viewer", "x", "viewer"))
    async with bench.client(headers={"accept": "text/html"}) as viewer:
        viewer.cookies.set("jangteo_session", session)
        yield viewer


async def test_a_person_is_added_with_their_number_in_one_form(bench: Bench) -> None:
    async with english(bench) as browser:
        answer = await post(browser, PAGE, {**GOOD, "quiet_from": "22:00", "quiet_to": "07:30"})
        assert (answer.status_code, answer.headers["location"]) == (303, f"{PAGE}?said=add")
        page = (await browser.get(f"{PAGE}?said=add")).text
    assert people(bench) == [KIM, Recipient("박총무", "01022223333", "deputy", "ja", 1320, 450)]
    assert "Added to the roster." in page
    assert "010-2222-3333" in page
    assert "22:00\u201307:30" in page
    newest = bench.console.audit.newest()[0]
    assert (newest.who, newest.action, newest.subject) == ("manager", "roster.add", "jungang/박총무")
    assert newest.detail == "박총무 010-2222-3333 deputy ja 22:00-07:30"


async def test_a_person_is_changed_in_the_same_form(bench: Bench) -> None:
    path = f"{PAGE}/{first_id(bench)}"
    async with english(bench) as browser:
        page = (await browser.get(f"{PAGE}?edit={first_id(bench)}")).text
        assert 'name="phone" type="tel" value="010-1234-5678"' in page
        assert f'action="{path}"' in page
        assert (await post(browser, path, {**GOOD, "name": "김상인"})).status_code == 303
    assert people(bench) == [Recipient("김상인", "01022223333", "deputy", "ja")]
    newest = bench.console.audit.newest()[0]
    assert newest.action == "roster.change"
    assert newest.detail == "김상인 010-1234-5678 manager ko → 김상인 010-2222-3333 deputy ja"


async def test_whoever_is_removed_is_gone_and_an_empty_roster_is_warned_of_everywhere(bench: Bench) -> None:
    async with english(bench) as browser:
        assert (await post(browser, f"{PAGE}/{first_id(bench)}/remove")).status_code == 303
        page = (await browser.get(PAGE)).text
        policies = (await browser.get("/markets/jungang/policies")).text
        form = (await browser.get("/markets/jungang/policies/camera")).text
    assert people(bench) == []
    assert "Nobody would be told of a fire." in page
    assert "no policy reaches anybody" in policies
    assert "no policy reaches anybody" in form
    assert bench.console.audit.newest()[0].action == "roster.remove"


async def test_what_was_edited_here_stays_until_it_is_given_back(bench: Bench) -> None:
    async with english(bench) as browser:
        assert "site file&#39;s roster" in (await browser.get(f"{PAGE}?lang=en")).text
        await post(browser, PAGE, GOOD)
        assert "was edited here" in (await browser.get(PAGE)).text
        assert Registry(bench.engine).enrol(JUNGANG) == Kept(roster=True)
        assert len(people(bench)) == 2
        answer = await post(browser, f"{PAGE}/give-back")
        assert answer.headers["location"] == f"{PAGE}?said=give-back"
    assert Registry(bench.engine).enrol(JUNGANG) == Kept()
    assert people(bench) == [KIM]
    assert bench.console.audit.newest()[0].action == "roster.give-back"


@pytest.mark.parametrize(
    ("changes", "said", "korean"),
    [
        ({"phone": "010-22"}, "'010-22' is not a Korean number", "한국 번호가 아닙니다"),
        ({"phone": ""}, "phone: is empty", "비어 있습니다"),
        ({"phone": "010-abcd-1234"}, "holds something that is not a digit", "숫자가 아닌 것"),
        ({"phone": "119"}, "emergency number", "긴급 번호"),
        ({"phone": "1588-1234"}, "cannot receive texts", "받을 수 없는 번호"),
        ({"phone": "+12"}, "not an international number", "국제 번호가 아닙니다"),
        ({"name": " "}, "name: give 1 to 80", "이름"),
        ({"name": "가" * 81}, "name: give 1 to 80", "이름"),
        ({"name": "a\x07b"}, "name: give 1 to 80", "이름"),
        ({"role": "boss"}, "there is no role 'boss'", "역할 'boss'"),
        ({"language": "fr"}, "there is no language 'fr'", "언어 'fr'"),
        ({"quiet_from": "25:00", "quiet_to": "07:00"}, "'25:00' is not a time of day", "시각이 아닙니다"),
        ({"quiet_from": "22:00"}, "both their beginning and their end", "모두 적거나"),
        ({"quiet_from": "22:00", "quiet_to": "22:00"}, "begin when they end", "시작과 끝이 같습니다"),
    ],
)
def test_each_mistake_has_its_sentence(changes: dict[str, str], said: str, korean: str) -> None:
    held = {**GOOD, **changes}
    with pytest.raises(BadPersonError) as caught:
        person_of(read_person(FormData(held)))
    assert said in caught.value.sentence("en")
    assert korean in caught.value.sentence("ko")
    assert caught.value.field in PersonInput.__slots__


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"phone": "010-22"}, ("한국 번호가 아닙니다", "'010-22' is not a Korean number")),
        ({"phone": "+82 (0)10 1234 5678"}, ("이미 김상인의 번호", "010-1234-5678 is 김상인's number already")),
    ],
)
async def test_a_mistake_is_said_above_the_form_with_what_was_typed_still_in_it(
    bench: Bench, changes: dict[str, str], said: tuple[str, str]
) -> None:
    async with english(bench) as browser:
        for language, sentence in zip(("ko", "en"), said, strict=True):
            answer = await post(browser, PAGE, {**GOOD, **changes}, language)
            assert answer.status_code == 422
            shown = html.unescape(answer.text)
            assert sentence in shown
            assert f'value="{changes["phone"]}"' in shown
            assert 'role="alert" id="error"' in shown
    assert people(bench) == [KIM]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "?edit=99"),
        ("POST", "/99"),
        ("POST", "/99/remove"),
    ],
)
async def test_somebody_who_is_not_there_is_said_so(bench: Bench, method: str, path: str) -> None:
    async with english(bench) as browser:
        if method == "GET":
            answer = await browser.get(PAGE + path)
        else:
            answer = await post(browser, PAGE + path, GOOD)
        assert answer.status_code == 404
        elsewhere = await post(browser, f"/markets/seomun/roster/{first_id(bench)}/remove")
        assert elsewhere.status_code == 404, "nobody of another market"
        assert (await post(browser, "/markets/atlantis/roster", GOOD)).status_code == 404
    assert people(bench) == [KIM]


async def test_a_viewer_reads_and_changes_nothing(bench: Bench) -> None:
    async with viewer_of(bench) as viewer:
        page = await viewer.get(f"{PAGE}?lang=en")
        assert page.status_code == 200
        assert "010-1234-5678" in page.text
        assert "<button" not in page.text.split("<main")[1]
        for path in (PAGE, f"{PAGE}/{first_id(bench)}", f"{PAGE}/{first_id(bench)}/remove", f"{PAGE}/give-back"):
            assert (await post(viewer, path, GOOD)).status_code == 403, path
    assert people(bench) == [KIM]


async def test_a_form_without_its_token_changes_nothing(bench: Bench) -> None:
    async with english(bench) as browser:
        for path in (PAGE, f"{PAGE}/{first_id(bench)}", f"{PAGE}/{first_id(bench)}/remove", f"{PAGE}/give-back"):
            assert (await browser.post(path, data=GOOD)).status_code == 403, path
            token = await form_token(browser)
            foreign = await browser.post(
                path, data={**GOOD, "form_token": token}, headers={"origin": "http://evil.test"}
            )
            assert foreign.status_code == 403, path
    assert people(bench) == [KIM]


async def test_a_roster_without_anybody_for_the_first_step_is_warned_of(bench: Bench) -> None:
    steps = (Step(after_s=0, roles=("deputy",)),)
    Policies(bench.engine, bench.clock).save("jungang", "fire", Policy(steps=steps, quiet_hours="ignores"), "kim")
    async with english(bench) as browser:
        assert "a fire is told to everybody at once" in (await browser.get(f"{PAGE}?lang=en")).text


def test_a_saved_person_is_typed_as_they_were() -> None:
    one = Recipient("박총무", "+819012345678", "merchant", "ja", 0, 450)
    assert person_of(input_of(one)) == one
    assert person_of(input_of(KIM)) == KIM
    with pytest.raises(BadPersonError) as caught:
        person_of(PersonInput("a", "010-1", "manager", "ko"))
    assert (caught.value.key, caught.value.field) == ("phone_korean", "phone")
    assert caught.value.key in PROBLEMS
