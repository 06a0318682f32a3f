import pytest

from firmware_sim.wiring import DeviceWiring, EchoWiring, SirenWiring, WiringError


def test_a_pin_with_two_users_is_refused_with_both_names() -> None:
    with pytest.raises(WiringError, match=r"parking-1: pin 5 is wired to a-01 \(echo\) and to siren-1"):
        DeviceWiring("parking-1", echoes=(EchoWiring("a-01", "main", 4, 5),), sirens=(SirenWiring("siren-1", 5),))
