"""The trial broker's program: `python -m transport.trial_broker --port N`, on loopback only.

iotcore (rumqttd) speaks MQTT 5 on a listener of its own, keeps everything in memory, has no access rules and drops a
connection that sends more than `BROKER_BYTES_MAX`.
"""

import argparse
import contextlib
import tempfile
from collections.abc import Sequence
from pathlib import Path

from contract.catalog import BROKER_BYTES_MAX

LOOPBACK = "127.0.0.1"

_CONFIGURATION = """\
id = 0

[router]
id = 0
max_connections = 1000
max_outgoing_packet_count = 1000
max_segment_size = 104857600
max_segment_count = 10

[v5.1]
name = "v5-1"
listen = "{host}:{port}"
next_connection_delay_ms = 1

[v5.1.connections]
connection_timeout_ms = 60000
max_payload_size = {payload_bytes_max}
max_inflight_count = 1000
dynamic_filters = true
"""


def configuration(port: int) -> str:
    """The broker's TOML."""
    return _CONFIGURATION.format(host=LOOPBACK, port=port, payload_bytes_max=BROKER_BYTES_MAX + 65_536)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m transport.trial_broker", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="TCP port on 127.0.0.1")
    port: int = parser.parse_args(arguments).port
    from iotcore.iotcore import IotCoreBroker  # noqa: PLC0415 - only this program needs the library

    with tempfile.TemporaryDirectory(prefix="jangteo-trial-") as directory:
        file = Path(directory) / "broker.toml"
        file.write_text(configuration(port), encoding="utf-8")
        broker = IotCoreBroker(config_path=str(file))  # reads the file now: SIGTERM would leave it behind later
    with contextlib.suppress(KeyboardInterrupt):
        broker.run_forever()


if __name__ == "__main__":
    main()
