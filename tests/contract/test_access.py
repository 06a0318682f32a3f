"""Access rules: the ACL file says what the catalogue says. What a broker makes of it: tests/broker/mosquitto."""

import pytest

from contract.access import DeviceIdentity, device_rules, mosquitto_acl, role_rules
from contract.catalog import CATALOG, Role
from contract.ids import BadIdError

EDGE = DeviceIdentity("jungang", "edge-1")


def test_a_device_writes_only_its_own_topics() -> None:
    for access, topic in device_rules(EDGE):
        if access == "write":
            assert topic.startswith("market/v1/jungang/edge-1/")
        assert topic.startswith("market/v1/jungang/"), "never another market"
        assert "#" not in topic


def test_commands_are_read_by_their_device_alone_and_written_by_the_console_alone() -> None:
    rules = {access: [topic for one, topic in device_rules(EDGE) if one == access] for access in ("read", "write")}
    assert "market/v1/jungang/edge-1/cmd/siren" in rules["read"]
    assert not [topic for topic in rules["write"] if "/cmd/" in topic or "/desired/" in topic]
    for role in (Role.INGEST, Role.ALERTS):
        assert not [topic for access, topic in role_rules(role) if access == "write" and "/cmd/" in topic]


def test_every_row_is_written_and_read_by_somebody() -> None:
    for row in CATALOG:
        assert row.writers, row.path
        assert row.readers, row.path


def test_the_file_is_the_same_whatever_the_order() -> None:
    other = DeviceIdentity("seomun", "edge-1")
    text = mosquitto_acl([EDGE, other, EDGE])
    assert text == mosquitto_acl([other, EDGE])
    assert text.count("user jungang.edge-1\n") == 1
    assert [line for line in text.splitlines() if line.startswith("user ")][:3] == [
        "user ingest",
        "user alerts",
        "user console",
    ]
    assert "\npattern" not in text
    assert "topic readwrite" not in text


@pytest.mark.parametrize("name", ["a.b", "a\nuser console", "+", "#", "", "A"])
def test_no_name_can_write_a_rule_of_its_own(name: str) -> None:
    with pytest.raises(BadIdError):
        DeviceIdentity("jungang", name)
    with pytest.raises(BadIdError):
        DeviceIdentity(name, "edge-1")
