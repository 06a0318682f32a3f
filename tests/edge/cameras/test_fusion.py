import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.events import FireSign
from edge.cameras.carried import Carried
from edge.cameras.evidence import APPEARS, BEHAVES
from edge.cameras.fusion import HASTENED, LOOKS_MIN, SIGNS, Seen, carried_score, fused_score, signs_of

SEEN_KINDS = [*(ramp.name for ramp in APPEARS), "flame_colour"]
KINDS = [*SEEN_KINDS, *(ramp.name for ramp in BEHAVES)]
ALL = dict.fromkeys(KINDS, 1.0)
SHARE = st.floats(0, 1)
APPEARING = dict.fromkeys(SEEN_KINDS, 1.0)
BURNING = Carried(travel=3.0, breaths_per_s=3.0)


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


def test_a_flame_that_is_carried_needs_its_looks_its_way_and_its_breath() -> None:
    sure = Seen(0.95, 0.95)
    assert carried_score(APPEARING, BURNING, sure) == 1.0
    assert carried_score(APPEARING, Carried(0.0, 3.0), sure) == 0.0
    assert carried_score(APPEARING, Carried(3.0, 0.0), sure) == 0.0
    assert carried_score(APPEARING, BURNING, Seen(0.95, 0.05)) == 0.0
    for kind in APPEARING:
        assert carried_score(APPEARING | {kind: 0.0}, BURNING, sure) == 0.0


@given(SHARE, SHARE, st.floats(0, 4), st.floats(0, 4), SHARE, st.floats(0, 4))
def test_more_evidence_never_lowers_the_score_of_what_is_carried(
    region: float, whole: float, travel: float, breaths: float, more: float, further: float
) -> None:
    score = carried_score(APPEARING, Carried(travel, breaths), Seen(region, whole))
    assert carried_score(APPEARING, Carried(travel + further, breaths), Seen(region, whole)) >= score
    assert carried_score(APPEARING, Carried(travel, breaths + further), Seen(region, whole)) >= score
    assert carried_score(APPEARING, Carried(travel, breaths), Seen(max(region, more), max(whole, more))) >= score


def test_what_is_carried_flickers_as_it_breathes() -> None:
    said = {one.sign: one.strength for one in signs_of(APPEARING, Seen(0.8, 0.9), Carried(3.0, 1.5))}
    assert said[FireSign.FLICKERS] == 0.5
    assert FireSign.IRREGULAR not in said
    assert said[FireSign.LOOKS_LIKE_FLAME] == 0.8
