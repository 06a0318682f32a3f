"""What was asked for is checked before anything starts: one sentence that says what would be right."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from jangteo.fleet import fleet
from jangteo.fleet_options import FleetOptions
from runtime.errors import FatalError, SettingsError
from runtime.secret_files import write_secret


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (FleetOptions(minutes=0), "--minutes 0 is not possible: give more than 0"),
        (FleetOptions(markets=0), "--markets 0 is not possible"),
        (FleetOptions(broker="localhost:1883", store="influx"), "leave them or --broker out"),
        (FleetOptions(broker="localhost:1883", workers=2), "leave them or --broker out"),
        (FleetOptions(workers=0), "--workers 0 is not possible: give 1 to 32"),
        (FleetOptions(broker_user="a"), "--broker-user goes with --broker"),
        (FleetOptions(database="sqlite:///x"), "--database goes with --broker"),
        (FleetOptions(figures=Path("/nowhere/at/all.json")), "there is no folder /nowhere/at"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options: FleetOptions, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        options.plan()


def test_influx_needs_an_address_and_a_token_that_is_a_secret(tmp_path: Path) -> None:
    token = tmp_path / "token"
    with pytest.raises(SettingsError, match="needs --influx-url and --influx-token-file"):
        FleetOptions(store="influx").influx()
    token.write_text("word", encoding="utf-8")
    token.chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        FleetOptions(store="influx", influx_url="http://localhost:8086", influx_token_file=token).influx()
    write_secret(token, "word")
    with pytest.raises(SettingsError, match="--influx-url 'localhost:8086'"):
        FleetOptions(store="influx", influx_url="localhost:8086", influx_token_file=token).influx()
    found = FleetOptions(store="influx", influx_url="http://localhost:8086", influx_token_file=token).influx()
    assert found is not None
    assert (found.url, found.token_file, found.bucket) == ("http://localhost:8086", token, "jangteo")
    assert FleetOptions().influx() is None


def test_another_machine_is_spoken_to_with_tls_only(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="give --broker-ca-file for TLS"):
        FleetOptions().place("broker.example:1883")
    nothing = tmp_path / "ca.pem"
    with pytest.raises(SettingsError, match="cannot be used"):
        FleetOptions(broker_ca_file=nothing).place("broker.example:8883")


def test_who_the_devices_are_on_another_broker(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    write_secret(secret, "word")
    assert FleetOptions().place("127.0.0.1:1883").credentials("m.d") == (None, None)
    own = FleetOptions(broker_password_file=secret).place("127.0.0.1:1883")
    assert own.credentials("m.d") == ("m.d", "word")
    one = FleetOptions(broker_user="load", broker_password_file=secret).place("127.0.0.1:1883")
    assert one.credentials("m.d") == ("load", "word")


def command() -> typer.Typer:
    app = typer.Typer()
    app.callback(invoke_without_command=True)(fleet)

    @app.command()
    def flame() -> None:
        typer.echo("a flame")

    return app


def test_the_command_stands_beside_the_others_of_its_group() -> None:
    shown = CliRunner().invoke(command(), ["--help"])
    assert "Example: jangteo sim --markets 500" in shown.output
    assert CliRunner().invoke(command(), ["flame"]).output == "a flame\n"
    failed = CliRunner().invoke(command(), ["--markets", "0"])
    assert isinstance(failed.exception, SettingsError)


def test_a_broker_that_is_not_there_is_said_in_one_sentence() -> None:
    failed = CliRunner().invoke(command(), ["--markets", "1", "--stalls", "1", "--broker", "127.0.0.1:1"])
    assert isinstance(failed.exception, FatalError)
    assert "broker 127.0.0.1:1 cannot be used" in str(failed.exception)
