"""The policies' pages: what counts, edited by managers, in a plain form whose every mistake has its sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import httpx
import pytest
from starlette.datastructures import FormData, UploadFile

from broker.console.policy_form import BadPolicyError, PolicyInput, StepInput, input_of, policy_of, read_policy
from broker.stores.policies import Policies
from broker.stores.policy_models import KINDS, ROLES, Policy, PolicyTable, Step
from broker.stores.registry import Kept, Recipient, Registry
from broker.stores.rosters import RosterBook
from tests.broker.console.conftest import JUNGANG, Bench
from tests.broker.console.test_access import form_token
from tests.broker.console.test_roster import english, viewer_of

PAGE = "/markets/jungang/policies"
Fields = Mapping[str, str | Sequence[str]]
GOOD: Fields = {
    "step-0-after": "0",
    "step-0-role": ["manager"],
    "step-0-channel": ["sms", "webhook"],
    "step-1-after": "90",
    "step-1-role": ["deputy", "merchant"],
    "step-1-channel": ["sms"],
    "step-2-after": "",
    "step-2-channel": ["sms"],
    "repeat_every_s": "300",
    "repeats_max": "5",
    "quiet_hours": "ignores",
    "cap_per_hour": "12",
    "language": ["ko", "en"],
    "note-ko": "  119에\n신고하세요 ",
}
SAVED = Policy(
    steps=(
        Step(after_s=0, roles=("manager",), channels=("sms", "webhook")),
        Step(after_s=90, roles=("deputy", "merchant")),
    ),
    repeat_every_s=300,
    repeats_max=5,
    quiet_hours="ignores",
    cap_per_hour=12,
    languages=("ko", "en"),
    notes={"ko": "119에 신고하세요"},
)


def form(fields: Fields) -> FormData:
    pairs: list[tuple[str, str | UploadFile]] = [
        (name, one) for name, value in fields.items() for one in ([value] if isinstance(value, str) else value)
    ]
    return FormData(pairs)


async def post(
    browser: httpx.AsyncClient, path: str, data: Fields | None = None, language: str = "en"
) -> httpx.Response:
    token = await form_token(browser)
    return await browser.post(f"{path}?lang={language}", data={"form_token": token, **(data or {})})


def table(bench: Bench) -> PolicyTable:
    return Policies(bench.engine, bench.clock).of("jungang").table


async def test_every_kind_stands_in_the_table_with_whom_it_reaches(bench: Bench) -> None:
    async with english(bench) as browser:
        page = (await browser.get(f"{PAGE}?lang=en")).text
        korean = (await browser.get(f"{PAGE}?lang=ko")).text
    for kind in KINDS:
        assert f'id="{kind}"' in page
        assert f'href="{PAGE}/{kind}"' in page
    assert "at once Manager (SMS): 1 people" in page
    assert "after 60 s Deputy (SMS): 0 people" in page
    assert "The default counts here." in page
    assert "바로 관리자 (문자) 1명" in korean


async def test_a_policy_that_is_saved_counts_and_is_written_down(bench: Bench) -> None:
    async with english(bench) as browser:
        answer = await post(browser, f"{PAGE}/fire", GOOD)
        assert (answer.status_code, answer.headers["location"]) == (303, f"{PAGE}?said=save#fire")
        page = (await browser.get(f"{PAGE}?said=save")).text
        form = (await browser.get(f"{PAGE}/fire")).text
    assert table(bench) == PolicyTable().with_policy("fire", SAVED)
    assert "Saved. It counts from the next incident on." in page
    assert "Edited by manager" in page
    assert 'name="step-1-after" value="90"' in form
    assert ">119에 신고하세요</textarea>" in form
    newest = bench.console.audit.newest()[0]
    assert (newest.who, newest.action, newest.subject) == ("manager", "policy.save", "jungang/fire")
    assert '"after_s":90' in newest.detail.split(" → ")[1]


async def test_what_was_saved_here_stays_until_the_default_is_wanted(bench: Bench) -> None:
    site = replace(JUNGANG, policies=PolicyTable())
    async with english(bench) as browser:
        await post(browser, f"{PAGE}/fire", GOOD)
        assert Registry(bench.engine).enrol(site) == Kept(policies=True)
        answer = await post(browser, f"{PAGE}/forget")
        assert answer.headers["location"] == f"{PAGE}?said=forget"
        assert "The default counts again." in (await browser.get(f"{PAGE}?said=forget")).text
    assert table(bench) == PolicyTable()
    assert bench.console.audit.newest()[0].action == "policy.forget"


@pytest.mark.parametrize(
    ("kind", "changes", "key"),
    [
        ("fire", {"step-0-after": "5"}, "policy_no_first"),
        ("fire", {"step-0-after": "", "step-0-role": [], "step-1-after": "", "step-1-role": []}, "policy_no_first"),
        ("fire", {"quiet_hours": "holds"}, "policy_fire_quiet"),
        ("camera", {"quiet_hours": "maybe"}, "policy_quiet"),
        ("camera", {"step-0-after": "soon"}, "policy_after"),
        ("camera", {"step-0-after": "-1"}, "policy_after"),
        ("camera", {"step-0-after": "86401"}, "policy_after"),
        ("camera", {"step-0-after": ""}, "policy_after"),
        ("camera", {"step-1-after": "0"}, "policy_order"),
        ("camera", {"step-1-role": []}, "policy_no_role"),
        ("camera", {"step-1-role": ["boss"]}, "policy_role"),
        ("camera", {"step-1-channel": []}, "policy_no_channel"),
        ("camera", {"step-1-channel": ["fax"]}, "policy_channel"),
        ("camera", {"repeat_every_s": "5"}, "policy_repeat_every"),
        ("camera", {"repeat_every_s": "x"}, "policy_repeat_every"),
        ("camera", {"repeats_max": "101"}, "policy_repeats"),
        ("camera", {"repeats_max": "0"}, "policy_repeats_half"),
        ("camera", {"cap_per_hour": "0"}, "policy_cap"),
        ("camera", {"language": []}, "policy_languages"),
        ("camera", {"note-ko": "대피 🔥"}, "policy_note_letter"),
        ("camera", {"note-ko": "가" * 501}, "policy_note_long"),
        ("camera", {"note-zh": "灾" * 401}, "policy_note_long"),
        (
            "camera",
            {"step-0-role": ["merchant"], "step-0-channel": ["sms"], "step-1-role": ["merchant"]},
            "policy_nobody",
        ),
    ],
)
def test_each_mistake_has_its_sentence(kind: str, changes: Fields, key: str) -> None:
    with pytest.raises(BadPolicyError) as caught:
        policy_of(kind, read_policy(form({**GOOD, **changes})), {"manager"})
    assert caught.value.key == key


async def test_a_mistake_is_said_above_the_form_with_what_was_typed_still_in_it(bench: Bench) -> None:
    wrong = {**GOOD, "step-1-after": "0", "note-ko": "모두 나가세요"}
    async with english(bench) as browser:
        for language, says in (("ko", "2단계가 앞 단계(0초)보다 늦지 않습니다."), ("en", "step 2 is not later than")):
            answer = await post(browser, f"{PAGE}/fire", wrong, language)
            assert answer.status_code == 422
            assert says in answer.text
            assert 'role="alert" id="error"' in answer.text
            assert 'name="step-1-after" value="0"' in answer.text
            assert 'name="cap_per_hour" value="12"' in answer.text
            assert ">모두 나가세요</textarea>" in answer.text
    assert table(bench) == PolicyTable()


async def test_a_kind_that_does_not_exist_is_said_so(bench: Bench) -> None:
    async with english(bench) as browser:
        assert (await browser.get(f"{PAGE}/flood")).status_code == 404
        assert (await post(browser, f"{PAGE}/flood", GOOD)).status_code == 404
        assert (await post(browser, "/markets/atlantis/policies/fire", GOOD)).status_code == 404


async def test_a_viewer_reads_and_changes_nothing(bench: Bench) -> None:
    async with viewer_of(bench) as viewer:
        assert (await viewer.get(PAGE)).status_code == 200
        form = await viewer.get(f"{PAGE}/fire?lang=en")
        assert "You may look, not change." in form.text
        assert "<button" not in form.text.split("<main")[1]
        for path in (f"{PAGE}/fire", f"{PAGE}/forget"):
            assert (await post(viewer, path, GOOD)).status_code == 403, path
    assert table(bench) == PolicyTable()


async def test_a_form_without_its_token_changes_nothing(bench: Bench) -> None:
    async with english(bench) as browser:
        for path in (f"{PAGE}/fire", f"{PAGE}/forget"):
            assert (await browser.post(path, data=GOOD)).status_code == 403, path
            token = await form_token(browser)
            foreign = await browser.post(
                path, data={**GOOD, "form_token": token}, headers={"sec-fetch-site": "cross-site"}
            )
            assert foreign.status_code == 403, path
    assert table(bench) == PolicyTable()


async def test_a_policy_that_reaches_nobody_any_more_is_marked(bench: Bench) -> None:
    book = RosterBook(bench.engine)
    book.change("jungang", book.of("jungang").people[0].recipient_id, Recipient("최", "01012345678", "merchant"))
    async with english(bench) as browser:
        page = (await browser.get(f"{PAGE}?lang=en")).text
    rows = {kind: page.split(f'<tr id="{kind}">')[1].split("</tr>")[0] for kind in KINDS}
    assert "reaches nobody" in rows["camera"]
    assert "reaches nobody" not in rows["fire"], "its third step tells merchants"
    assert "reaches nobody" not in rows["sensor"], "nobody is meant to be told"


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_saved_is_typed_as_it_was(kind: str) -> None:
    policy = PolicyTable().of(kind)
    assert policy_of(kind, input_of(policy), ROLES) == policy


def test_a_channel_beside_sms_reaches_somebody_without_a_roster() -> None:
    typed = PolicyInput(steps=(StepInput("0", ("merchant",), ("webhook",)),))
    assert policy_of("camera", typed, ()).steps[0].channels == ("webhook",)
    with pytest.raises(BadPolicyError) as caught:
        policy_of("camera", PolicyInput(steps=(StepInput("0", ("merchant",)),)), ())
    assert caught.value.key == "policy_nobody"
