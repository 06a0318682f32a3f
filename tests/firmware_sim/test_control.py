import stat
from pathlib import Path

import pytest

from firmware_sim import control
from firmware_sim.control import Block, ControlFile, Cross, Drive, SetBay, SetFault, parse
from firmware_sim.pins.beams import Crossing
from firmware_sim.pins.echo import EchoFault


@pytest.mark.parametrize(
    ("line", "order"),
    [
        ('{"bay": "a-01", "occupied": true}', SetBay(bay="a-01", occupied=True)),
        ('{"bay": "a-01", "occupied": null}', SetBay(bay="a-01", occupied=None)),
        ('{"bay": "a-01", "fault": "no-echo"}', SetFault(bay="a-01", fault=EchoFault.NO_ECHO)),
        ('{"bay": "a-01", "fault": null}', SetFault(bay="a-01", fault=None)),
        ('{"counter": "east", "cross": "turn-back"}', Cross(counter="east", cross=Crossing.TURN_BACK)),
        ('{"counter": "east", "blocked": true}', Block(counter="east", blocked=True)),
        ('{"gate": "main-gate", "drive": "out"}', Drive(gate="main-gate", drive="out")),
    ],
)
def test_an_order_is_read(line: str, order: object) -> None:
    assert parse(line) == order


@pytest.mark.parametrize(
    "line",
    [
        "",
        "occupied",
        "[]",
        "[" * 100_000,
        '{"bay": "a-01"}',
        '{"bay": "a-01", "fault": "sick"}',
        '{"bay": "a-01", "occupied": 1}',
    ],
)
def test_what_is_no_order_is_refused_and_the_sentence_says_what_would_be_right(line: str) -> None:
    with pytest.raises(ValueError, match=r'write one of .*"no-echo"'):
        parse(line)


def test_only_what_is_appended_is_read_and_only_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "device" / "control.jsonl"
    path.parent.mkdir()
    path.write_text("an order of yesterday\n", encoding="utf-8")
    orders = ControlFile(path)
    assert orders.new_lines() == []
    with path.open("a", encoding="utf-8") as file:
        file.write("one\ntwo\nthr")
    assert orders.new_lines() == ["one", "two"]
    with path.open("a", encoding="utf-8") as file:
        file.write("ee\n")
    assert orders.new_lines() == ["three"]
    assert orders.new_lines() == []


def test_a_new_file_is_the_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "control.jsonl"
    ControlFile(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_was_emptied_is_read_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "control.jsonl"
    path.write_text("a long line that was there before\n", encoding="utf-8")
    orders = ControlFile(path)
    path.write_text("new\n", encoding="utf-8")
    assert orders.new_lines() == ["new"]


def test_an_endless_line_is_given_up(tmp_path: Path) -> None:
    orders = ControlFile(tmp_path / "control.jsonl")
    (tmp_path / "control.jsonl").write_text("x" * (control.LINE_BYTES_MAX + 1), encoding="utf-8")
    assert orders.new_lines() == []
    with (tmp_path / "control.jsonl").open("a", encoding="utf-8") as file:
        file.write("\nfine\n")
    assert orders.new_lines() == ["fine"]


def test_a_file_that_is_gone_is_no_order(tmp_path: Path) -> None:
    orders = ControlFile(tmp_path / "control.jsonl")
    (tmp_path / "control.jsonl").unlink()
    assert orders.new_lines() == []
