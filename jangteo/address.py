"""HOST:PORT, as a person writes it on a command line."""

from runtime.errors import SettingsError

PORT_MAX = 65_535


def host_and_port(text: str) -> tuple[str, int]:
    """Read `--broker HOST:PORT`; an IPv6 address stands in brackets.

    Raises:
        SettingsError: it is not that.
    """
    host, separator, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not separator or not host or not (port.isascii() and port.isdecimal()) or not 0 < int(port) <= PORT_MAX:
        raise SettingsError(f"--broker {text!r}: write it as HOST:PORT, such as 127.0.0.1:1883")
    return host, int(port)
