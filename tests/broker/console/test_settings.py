"""Several consoles beside each other: one user, a client id each."""

import pytest

from broker.console.settings import ConsoleSettings


@pytest.mark.parametrize(("instance", "client_id"), [(None, "console"), ("b", "console-b")])
def test_each_console_has_a_client_id_of_its_own_and_all_have_one_user(instance: str | None, client_id: str) -> None:
    settings = ConsoleSettings.model_validate(
        {
            "database_url": "sqlite:///central.db",
            "series": {"kind": "embedded", "path": "series.db"},
            "signing_key_file": "signing.key",
            "assets_dir": "assets",
            **({} if instance is None else {"instance": instance}),
        }
    )
    made = settings.broker_settings()
    assert (made.client_id, made.username) == (client_id, "console")
