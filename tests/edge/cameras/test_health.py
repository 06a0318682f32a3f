"""How a camera does: live, or unknown with its reason."""

import pytest

from contract.telemetry import Reason
from edge.cameras.health import HUNG_AFTER_S, OPEN_WITHIN_S, STALE_AFTER_S, CameraHealth
from edge.cameras.lines import CannotSee, EndLine, Picture, Retrying, StatusLine

COVERED = CannotSee(reason=Reason.COVERED, detail="something is before the lens")


def status(
    age_s: float | None = 0.1,
    picture: Picture = "moving",
    *,
    cannot_see: CannotSee | None = None,
    retrying: Retrying | None = None,
    opening_s: float | None = None,
) -> StatusLine:
    return StatusLine(
        frame_age_s=age_s,
        fps=8.0,
        score=0.5,
        fire="quiet",
        picture=picture,
        cannot_see=cannot_see,
        retrying=retrying,
        opening_s=opening_s,
    )


def started() -> CameraHealth:
    health = CameraHealth()
    health.process_started(0.0)
    return health


def test_before_the_first_picture_it_is_starting() -> None:
    health = started()
    health.status_line(status(None), 1.0)
    assert health.state(1.0)[:2] == ("unknown", Reason.STARTING)


def test_with_fresh_moving_pictures_it_is_live() -> None:
    health = started()
    health.status_line(status(), 1.0)
    assert health.state(1.0) == ("live", None, None)


@pytest.mark.parametrize(
    ("line", "state", "reason", "words"),
    [
        (status(STALE_AFTER_S + 0.1), "unknown", Reason.STALE, "no new picture"),
        (status(picture="frozen"), "unknown", Reason.FROZEN, "bit by bit"),
        (status(picture="still"), "live", None, "still picture"),
        (status(cannot_see=COVERED), "unknown", Reason.COVERED, "before the lens"),
        (status(picture="frozen", cannot_see=COVERED), "unknown", Reason.FROZEN, "bit by bit"),
    ],
)
def test_what_is_wrong_is_said(line: StatusLine, state: str, reason: Reason | None, words: str) -> None:
    health = started()
    health.status_line(line, 1.0)
    said = health.state(1.0)
    assert said[:2] == (state, reason)
    assert words in (said[2] or "")


def test_a_status_ages_between_lines() -> None:
    health = started()
    health.status_line(status(0.5), 1.0)
    assert health.frame_age_s(3.0) == pytest.approx(2.5)
    assert health.state(1.0 + STALE_AFTER_S)[1] is Reason.STALE


@pytest.mark.parametrize(("end", "reason"), [("absent", Reason.ABSENT), ("lost", Reason.DEAD), ("ended", Reason.ENDED)])
def test_why_it_ended_stays_until_a_picture_comes(end: str, reason: Reason) -> None:
    health = started()
    health.end_line(EndLine.model_validate({"reason": end, "detail": "because"}))
    health.process_ended(0)
    health.process_started(5.0)
    health.status_line(status(None), 6.0)
    assert health.state(6.0) == ("unknown", reason, "because")
    assert health.is_over == (end == "ended")
    health.status_line(status(), 7.0)
    assert health.state(7.0)[0] == "live"


def test_a_process_that_dies_by_itself_is_dead() -> None:
    health = started()
    health.status_line(status(), 1.0)
    health.process_ended(-9)
    assert health.state(1.0)[:2] == ("unknown", Reason.DEAD)
    assert "-9" in (health.detail or "")


def test_it_is_restarted_when_it_does_not_open_or_hangs() -> None:
    opening = started()
    opening.status_line(status(None), 1.0)
    assert not opening.must_restart(OPEN_WITHIN_S - 1)
    assert opening.must_restart(OPEN_WITHIN_S + 1)
    reading = started()
    reading.status_line(status(), 1.0)
    assert not reading.must_restart(1.0)
    reading.status_line(status(HUNG_AFTER_S + 0.1), 20.0)
    assert reading.must_restart(20.0)


def test_a_process_that_tries_again_by_itself_is_left_alone_and_its_reason_is_said() -> None:
    health = started()
    health.status_line(status(), 1.0)
    away = Retrying(reason="lost", detail="the stream broke off")
    health.status_line(status(HUNG_AFTER_S + 60, retrying=away), 70.0)
    assert health.state(70.0) == ("unknown", Reason.DEAD, "the stream broke off")
    assert not health.must_restart(70.0)
    away = Retrying(reason="absent", detail="nobody answers")
    health.status_line(status(HUNG_AFTER_S + 160, retrying=away, opening_s=3.0), 170.0)
    assert health.state(170.0) == ("unknown", Reason.ABSENT, "nobody answers")
    assert not health.must_restart(170.0)


def test_one_whose_opening_hangs_is_restarted_whenever_that_is() -> None:
    health = started()
    health.status_line(status(None, opening_s=2.0), OPEN_WITHIN_S * 10)
    assert not health.must_restart(OPEN_WITHIN_S * 10)
    away = Retrying(reason="absent", detail="nobody answers")
    health.status_line(status(None, retrying=away, opening_s=OPEN_WITHIN_S + 1), OPEN_WITHIN_S * 20)
    assert health.must_restart(OPEN_WITHIN_S * 20)
