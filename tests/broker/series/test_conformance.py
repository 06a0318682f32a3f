"""What every series store does: the same tests against memory, SQLite and a real InfluxDB behind nginx."""

import pytest

from broker.series.ports import FieldValue, Sample, Series, SeriesStore
from runtime.errors import PartialError

T0 = 1_767_225_600_000
BAY = Series("jungang", "pi-1", "bays", "bay-1")
GATE = Series("jungang", "pi-1", "gates", "gate-1")
ELSEWHERE = Series("nambu", "pi-9", "bays", "bay-1")


def bay(offset_ms: int, series: Series = BAY, **fields: FieldValue) -> Sample:
    return Sample(series, T0 + offset_ms, fields or {"state": "free", "confidence": 0.5})


def test_an_empty_store_has_nothing(store: SeriesStore) -> None:
    assert list(store.latest("jungang")) == []
    assert list(store.range(BAY, "state", 0, T0)) == []
    store.write([])


def test_every_type_comes_back_as_it_was(store: SeriesStore) -> None:
    fields: dict[str, FieldValue] = {
        "state": "occupied",
        "confidence": 0.875,
        "distance_mm": 1234.0625,
        "since_unix_ms": T0 - 1,
        "in_count": 2**53,
        "tiny": 1e-12,
        "minus": -7,
        "sounding": True,
        "silenced": False,
        "empty": "",
    }
    store.write([Sample(BAY, T0, fields)])
    (found,) = store.latest("jungang")
    assert found == Sample(BAY, T0, fields)
    assert isinstance(found.fields["sounding"], bool)
    assert isinstance(found.fields["since_unix_ms"], int)
    for name, value in fields.items():
        assert list(store.range(BAY, name, T0, T0 + 1)) == [(T0, value)]


@pytest.mark.parametrize(
    "text",
    ['say "free"', "back\\slash", "trailing\\", "a,b=c d", "두 줄\nsecond\r\n", "시장 🚗 É", "'", "#x", "\t", '\\"'],
)
def test_text_of_any_kind_comes_back(store: SeriesStore, text: str) -> None:
    store.write([Sample(BAY, T0, {"detail": text}), Sample(BAY, T0 + 1, {"detail": "next"})])
    assert list(store.range(BAY, "detail", T0, T0 + 2)) == [(T0, text), (T0 + 1, "next")]


def test_writing_the_same_again_changes_nothing(store: SeriesStore) -> None:
    samples = [bay(offset, state="free", confidence=offset / 10) for offset in range(5)]
    store.write(samples)
    before = (list(store.latest("jungang")), list(store.range(BAY, "confidence", T0, T0 + 10)))
    store.write(samples)
    store.write(samples[:2])
    assert (list(store.latest("jungang")), list(store.range(BAY, "confidence", T0, T0 + 10))) == before
    assert len(before[1]) == 5


def test_the_same_time_twice_in_one_write_keeps_the_last(store: SeriesStore) -> None:
    store.write([bay(0, state="free"), bay(0, state="occupied")])
    assert list(store.range(BAY, "state", T0, T0 + 1)) == [(T0, "occupied")]


def test_rewriting_a_time_overwrites_the_fields_that_it_names(store: SeriesStore) -> None:
    store.write([bay(0, state="free", confidence=0.5)])
    store.write([bay(0, state="occupied")])
    (found,) = store.latest("jungang")
    assert found.fields == {"state": "occupied", "confidence": 0.5}


def test_the_latest_only_moves_forward_in_time(store: SeriesStore) -> None:
    store.write([bay(1000, state="occupied")])
    store.write([bay(500, state="free"), bay(900, state="free")])
    (found,) = store.latest("jungang")
    assert (found.time_unix_ms, found.fields) == (T0 + 1000, {"state": "occupied"})
    assert len(store.range(BAY, "state", T0, T0 + 2000)) == 3


def test_the_latest_is_one_sample_not_a_mixture_of_times(store: SeriesStore) -> None:
    store.write([bay(0, state="free", distance_mm=900.5), bay(1, state="unknown", reason="no-echo")])
    (found,) = store.latest("jungang")
    assert found.fields == {"state": "unknown", "reason": "no-echo"}


def test_the_latest_is_of_one_market_and_every_kind(store: SeriesStore) -> None:
    gate = Sample(GATE, T0 + 5, {"in_count": 3, "out_count": 1})
    other = Series("jungang", "pi-1", "bays", "bay-2")
    store.write([bay(0), bay(7, other), gate, bay(9, ELSEWHERE)])
    assert list(store.latest("jungang")) == [bay(0), bay(7, other), gate]
    assert list(store.latest("nambu")) == [bay(9, ELSEWHERE)]


def test_a_range_is_half_open_ordered_and_of_one_series(store: SeriesStore) -> None:
    store.write([bay(offset, confidence=offset / 100) for offset in (30, 10, 20, 40)])
    store.write([bay(20, ELSEWHERE, confidence=0.99), bay(25, state="free")])
    assert list(store.range(BAY, "confidence", T0 + 10, T0 + 40)) == [
        (T0 + 10, 0.1),
        (T0 + 20, 0.2),
        (T0 + 30, 0.3),
    ]


def test_what_was_never_written_is_an_empty_range(store: SeriesStore) -> None:
    store.write([bay(0)])
    assert list(store.range(BAY, "no_such_field", T0, T0 + 1)) == []
    assert list(store.range(ELSEWHERE, "state", T0, T0 + 1)) == []
    assert list(store.range(GATE, "in_count", T0, T0 + 1)) == []


def test_whole_and_broken_numbers_do_not_conflict(store: SeriesStore) -> None:
    store.write([bay(0, value=3), bay(1, value=3.5), bay(2, value=4)])
    assert list(store.range(BAY, "value", T0, T0 + 3)) == [(T0, 3), (T0 + 1, 3.5), (T0 + 2, 4)]


def test_a_kind_gains_fields_later(store: SeriesStore) -> None:
    store.write([bay(0, state="free")])
    store.write([bay(1, state="unknown", reason="no-echo", detail="new")])
    assert list(store.range(BAY, "reason", T0, T0 + 2)) == [(T0 + 1, "no-echo")]
    assert list(store.range(BAY, "state", T0, T0 + 2)) == [(T0, "free"), (T0 + 1, "unknown")]


BAD = [
    (Sample(Series("Jung Ang", "pi-1", "bays", "b"), T0, {"x": 1}), "market"),
    (Sample(Series("jungang", "pi-1", "bays", "b\n"), T0, {"x": 1}), "subject"),
    (Sample(BAY, T0, {"x": float("nan")}), "nan"),
    (Sample(BAY, T0, {"x": float("inf")}), "inf"),
    (Sample(BAY, T0, {"x": 2**53 + 1}), "2^53"),
    (Sample(BAY, T0, {}), "0 fields"),
    (Sample(BAY, T0, {"a b": 1}), "field name"),
    (Sample(BAY, T0, {'x"; DROP TABLE series; --': 1}), "field name"),
    (Sample(BAY, T0, {"time": 1}), "field name"),
    (Sample(BAY, T0, {"x": "\ud800"}), "Unicode"),
    (Sample(BAY, T0, {"x": "\0"}), "NUL"),
    (Sample(BAY, T0, {"x": "가" * 30_000}), "bytes of text"),
    (Sample(BAY, -1, {"x": 1}), "1970"),
]


@pytest.mark.parametrize(("bad", "words"), BAD, ids=[words for _, words in BAD])
def test_what_no_store_takes_is_named_and_the_rest_is_stored(store: SeriesStore, bad: Sample, words: str) -> None:
    with pytest.raises(PartialError) as caught:
        store.write([bay(0), bad, bay(1)])
    (rejected,) = caught.value.rejected
    assert rejected.index == 1
    assert words in rejected.reason
    assert [time for time, _ in store.range(BAY, "state", 0, T0 + 9)] == [T0, T0 + 1]
    store.write([bay(2)])
    assert len(store.range(BAY, "state", 0, T0 + 9)) == 3


def test_a_value_of_another_type_is_rejected_and_the_rest_is_stored(store: SeriesStore) -> None:
    store.write([bay(0, state="free", value=1, flag=True)])
    with pytest.raises(PartialError) as caught:
        store.write(
            [
                bay(1, state="free"),
                bay(2, state=1.5),
                bay(3, value="three"),
                bay(4, state="occupied"),
                bay(5, flag="yes", state="free"),
                bay(6, flag=False),
            ]
        )
    assert [one.index for one in caught.value.rejected] == [1, 2, 4]
    assert all(one.reason for one in caught.value.rejected)
    assert [time - T0 for time, _ in store.range(BAY, "state", T0, T0 + 9)] == [0, 1, 4]
    assert list(store.range(BAY, "flag", T0, T0 + 9)) == [(T0, True), (T0 + 6, False)]
