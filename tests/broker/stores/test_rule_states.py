"""Where rules stand, kept over restarts."""

from sqlalchemy import Engine

from broker.stores.rule_states import RulePlace, RuleState, RuleStates

ONE = RulePlace("bay-fault", "jungang", "parking-1", "a-01")
TWO = RulePlace("bay-fault", "nambu", "parking-1", "a-01")


def test_what_is_written_is_read_by_market_and_what_is_over_is_forgotten(engine: Engine) -> None:
    states = RuleStates(engine)
    assert states.all() == ()
    waits, fires = RuleState(ONE, 100, None), RuleState(TWO, 200, "f" * 32)
    states.write([fires, waits], ())
    assert states.all() == (waits, fires)
    assert states.all("nambu") == (fires,)
    began = RuleState(ONE, 700, "e" * 32)
    states.write([began], [TWO])
    assert states.all() == (began,)
    states.write((), ())
    states.write((), [ONE, TWO])
    assert states.all() == ()


def test_the_longest_names_fit(engine: Engine) -> None:
    longest = RulePlace("r" * 40, "m" * 63, "d" * 63, "s" * 63)
    RuleStates(engine).write([RuleState(longest, 1, None)], ())
    assert RuleStates(engine).all() == (RuleState(longest, 1, None),)
