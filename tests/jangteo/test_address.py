import pytest

from jangteo.address import host_and_port
from runtime.errors import SettingsError


@pytest.mark.parametrize(
    "text", ["localhost", "localhost:", ":1883", "localhost:0", "localhost:65536", "host:a", "host:²", ""]
)
def test_an_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="write it as HOST:PORT"):
        host_and_port(text)


def test_addresses() -> None:
    assert host_and_port("broker.example:8883") == ("broker.example", 8883)
    assert host_and_port("[::1]:1883") == ("::1", 1883)
