import random
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.backoff import Backoff
from runtime.clock import ManualClock, SystemClock
from runtime.errors import PartialError, Rejected, SettingsError
from runtime.secret_files import ensure_secret, read_secret, write_secret


@given(st.integers(0, 2**32), st.integers(1, 200))
def test_backoff_grows_to_its_bound_and_never_past_it(seed: int, tries: int) -> None:
    backoff = Backoff(delay_s_min=0.5, delay_s_max=30.0, rng=random.Random(seed))
    delays = [backoff.next_delay_s() for _ in range(tries)]
    assert all(0.25 <= delay <= 30.0 for delay in delays)
    assert delays[0] <= 0.5
    assert tries < 8 or delays[-1] >= 15.0
    backoff.reset()
    assert backoff.next_delay_s() <= 0.5


def test_backoff_jitters() -> None:
    assert len({Backoff(rng=random.Random(seed)).next_delay_s() for seed in range(50)}) == 50


def test_a_first_delay_of_its_own_is_drawn_from_nothing_up_and_comes_again_after_a_reset() -> None:
    rng = random.Random(3)
    backoff = Backoff(0.5, 10.0, rng, first_delay_s_max=2.0)
    firsts = []
    for _ in range(400):
        firsts.append(backoff.next_delay_s())
        assert 0.5 <= backoff.next_delay_s() <= 1.0, "from the second on it doubles as ever"
        assert 1.0 <= backoff.next_delay_s() <= 2.0
        backoff.reset()
    assert 0.0 <= min(firsts) < 0.1
    assert 1.9 < max(firsts) <= 2.0
    assert sum(one < 1.0 for one in firsts) in range(160, 241)


def test_a_manual_clock_moves_only_when_told() -> None:
    clock = ManualClock(unix_ms=1000, monotonic_s=5.0)
    clock.advance(1.5)
    assert (clock.unix_ms(), clock.monotonic_s()) == (2500, 6.5)
    clock.jump(-86_400)
    assert clock.monotonic_s() == 6.5
    assert clock.unix_ms() < 0


def test_the_system_clock_runs_forward() -> None:
    clock = SystemClock()
    assert clock.monotonic_s() <= clock.monotonic_s()
    assert clock.unix_ms() > 1_700_000_000_000


def test_a_secret_is_private_random_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "secret"
    value = ensure_secret(path)
    assert len(value) >= 32
    assert ensure_secret(path) == value == read_secret(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert ensure_secret(tmp_path / "other") != value
    assert [one.name for one in path.parent.iterdir()] == ["secret"]


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    write_secret(path, "hush")
    path.chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        read_secret(path)
    with pytest.raises(SettingsError, match="cannot be read"):
        read_secret(tmp_path / "missing")
    write_secret(path, " ")
    with pytest.raises(SettingsError, match="empty"):
        read_secret(path)


def test_a_partial_error_says_how_much_and_the_first_reason() -> None:
    error = PartialError([Rejected(3, "field type conflict"), Rejected(9, "other")])
    assert str(error) == "2 refused, first: field type conflict"
    assert [one.index for one in error.rejected] == [3, 9]
