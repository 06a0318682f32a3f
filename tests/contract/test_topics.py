"""Topics: parsing and printing are inverses, and nothing that a name holds can change a topic's shape."""

import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contract.ids import ID_LENGTH_MAX, BadIdError, check_id
from contract.topics import LEVELS, BadTopicError, Topic, TopicFilter

IDS = st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True)
TOPICS = st.builds(Topic, IDS, IDS, IDS, IDS)
LEVEL_OR_ANY = st.none() | IDS
FILTERS = st.builds(TopicFilter, LEVEL_OR_ANY, LEVEL_OR_ANY, LEVEL_OR_ANY, LEVEL_OR_ANY)


@given(TOPICS)
def test_parsing_undoes_printing(topic: Topic) -> None:
    assert Topic.parse(str(topic)) == topic


@given(st.text())
@example("market/v1/a/b/c/d\n")
@example("market/v1/a/b/c/d/e")
@example("market/v1//b/c/d")
@example("market/v2/a/b/c/d")
@example("market/v1/+/b/c/d")
@example("market/v1/a/b/c/é")
@example("market/v1/a/b/c/\u0661")
def test_what_parses_prints_as_it_came(text: str) -> None:
    with contextlib.suppress(BadTopicError):
        assert str(Topic.parse(text)) == text


@given(st.text(), st.sampled_from(["market", "device", "channel", "name"]))
@example("a/b", "market")
@example("a\n", "device")
@example("#", "name")
@example("", "channel")
@example("-a", "market")
@example("A", "device")
@example("a" * (ID_LENGTH_MAX + 1), "name")
def test_no_name_can_change_a_topics_shape(name: str, level: str) -> None:
    levels = {"market": "m", "device": "d", "channel": "c", "name": "n", level: name}
    try:
        topic = str(Topic(**levels))
    except BadIdError as error:
        assert repr(name) in str(error)  # noqa: PT017 - most names are refused, some are not
        return
    assert topic.count("/") == LEVELS - 1
    assert not set(topic) & set("+#\n\0")
    assert Topic.parse(topic) == Topic(**levels)


@given(st.text())
def test_an_id_is_what_its_sentence_says(text: str) -> None:
    allowed = set("abcdefghijklmnopqrstuvwxyz0123456789-")
    good = 1 <= len(text) <= ID_LENGTH_MAX and set(text) <= allowed and not text.startswith("-")
    try:
        assert check_id(text, "device") == text
    except BadIdError:
        assert not good
    else:
        assert good


@given(FILTERS, TOPICS)
def test_a_filter_matches_as_mqtt_does(topic_filter: TopicFilter, topic: Topic) -> None:
    pairs = zip(str(topic_filter).split("/"), str(topic).split("/"), strict=True)
    assert topic_filter.matches(topic) == all(wanted in {"+", level} for wanted, level in pairs)


@given(TOPICS)
def test_a_filter_made_of_a_topic_matches_it_alone(topic: Topic) -> None:
    exact = TopicFilter(topic.market, topic.device, topic.channel, topic.name)
    assert str(exact) == str(topic)
    assert exact.matches(topic)
    assert TopicFilter().matches(topic)
    assert not exact.matches(Topic(topic.market, f"{topic.device[:50]}x1", topic.channel, topic.name))


def test_a_filter_takes_no_wildcard_as_text() -> None:
    for level in ("+", "#", "a/b"):
        with pytest.raises(BadIdError):
            TopicFilter(market=level)
