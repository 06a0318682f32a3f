import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.events import FireSign
from edge.cameras.evidence import NECESSARY
from edge.cameras.fusion import HASTENED, LOOKS_MIN, SIGNS, Seen, fused_score, signs_of

KINDS = [*(ramp.name for ramp in NECESSARY), "flame_colour"]
ALL = dict.fromkeys(KINDS, 1.0)
SHARE = st.floats(0, 1)


def test_every_kind_of_evidence_is_told_by_one_sign() -> None:
    assert sorted(name for names in SIGNS.values() for name in names) == sorted(KINDS)
    assert set(KINDS) > HASTENED


def test_all_evidence_and_a_sure_look_make_a_full_score() -> None:
    assert fused_score(ALL, Seen(1.0, 1.0)) == 1.0


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_sure_look_never_replaces_evidence(kind: str) -> None:
    assert fused_score(ALL | {kind: 0.0}, Seen(1.0, 1.0)) == 0.0


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_sure_look_needs_half_of_what_only_time_makes_strong(kind: str) -> None:
    expected = 0.8 if kind in HASTENED else 0.4
    assert fused_score(ALL | {kind: 0.4}, Seen(1.0, 1.0)) == pytest.approx(expected)
    assert fused_score(ALL | {kind: 0.4}, Seen(0.9, 0.1)) == pytest.approx(0.4)


def test_what_does_not_look_like_flame_is_none_whatever_it_does() -> None:
    assert fused_score(ALL, Seen(LOOKS_MIN, 1.0)) == 0.0


@given(st.dictionaries(st.sampled_from(KINDS), SHARE), SHARE, SHARE, SHARE, st.sampled_from(KINDS))
def test_more_evidence_never_lowers_the_score(
    some: dict[str, float], region: float, whole: float, more: float, kind: str
) -> None:
    by_name = ALL | some
    score = fused_score(by_name, Seen(region, whole))
    assert fused_score(by_name | {kind: max(more, by_name[kind])}, Seen(region, whole)) >= score
    assert fused_score(by_name, Seen(max(region, more), whole)) >= score
    assert fused_score(by_name, Seen(region, max(whole, more))) >= score


def test_the_signs_are_the_looks_and_the_weakest_of_their_kinds() -> None:
    said = {one.sign: one.strength for one in signs_of(ALL | {"not_rigid": 0.3, "shines": 0.7}, Seen(0.8, 0.4))}
    assert said[FireSign.LOOKS_LIKE_FLAME] == 0.8
    assert said[FireSign.PICTURE_LOOKS_LIKE_FIRE] == 0.4
    assert said[FireSign.IRREGULAR] == 0.3
    assert said[FireSign.SHINES] == 0.7
    assert said[FireSign.BRIGHT] == 1.0
