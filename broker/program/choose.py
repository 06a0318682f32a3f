"""Mosquitto where it can be had, the trial broker elsewhere."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from broker.program.mosquitto import MosquittoProgram, find_mosquitto
from broker.program.port import BrokerProgram
from broker.program.trial import TrialProgram
from contract.access import DeviceIdentity


def choose_program(
    directory: Path, port: int, passwords: Mapping[str, str], devices: Iterable[DeviceIdentity]
) -> BrokerProgram:
    """The best broker that this machine can run; its `kind` says which it became."""
    program = find_mosquitto()
    if program is None:
        return TrialProgram(port)
    return MosquittoProgram(program, directory, port, passwords, devices)
