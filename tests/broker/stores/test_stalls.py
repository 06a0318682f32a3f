"""The canary's finding, as alerts reads it."""

from sqlalchemy import Engine

from broker.stores.stalls import Stall, Stalls
from contract.access import DeviceIdentity

ONE, TWO = DeviceIdentity("jungang", "pi-1"), DeviceIdentity("nambu", "pi-1")


def test_the_table_says_what_is_stalled_now_and_since_when(engine: Engine) -> None:
    stalls = Stalls(engine)
    assert stalls.all() == ()
    stalls.replace({TWO: None, ONE: 50}, 100)
    stalls.replace({ONE: 60, TWO: 70}, 200)
    assert stalls.all() == (Stall(ONE, 100, 60), Stall(TWO, 100, 70))
    stalls.replace({TWO: 70}, 300)
    assert stalls.all() == (Stall(TWO, 100, 70),)
    stalls.replace({}, 400)
    stalls.replace({TWO: 70}, 500)
    assert stalls.all() == (Stall(TWO, 500, 70),)
