"""Pushing, against the fake that is shipped beside it. No real Grafana was at hand."""

import http.server
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dashboards.documents import documents
from dashboards.fake_grafana import FakeGrafana
from dashboards.influxql import DATASOURCE_UID
from dashboards.pushing import FOLDER_UID, GrafanaPusher, Pushed, PushError, checked_url, is_up_to_date
from jangteo.dashboards import app
from runtime.errors import SettingsError
from runtime.secret_files import write_secret

TOKEN = "glsa_not_a_real_token"
UIDS = [json.loads(text)["uid"] for text in documents().values()]


@pytest.fixture
def grafana() -> Iterator[FakeGrafana]:
    source = {"uid": DATASOURCE_UID, "type": "influxdb", "jsonData": {"version": "InfluxQL"}}
    with FakeGrafana(TOKEN, datasources={DATASOURCE_UID: source}).serving() as serving:
        yield serving


def push(url: str, token: str = TOKEN) -> list[Pushed]:
    with closing(GrafanaPusher(url, token)) as pusher:
        return list(pusher.push(documents()))


def refusal(url: str, token: str = TOKEN) -> str:
    with pytest.raises(PushError) as caught:
        push(url, token)
    said = str(caught.value)
    assert token not in said
    assert "\n" not in said
    return said


def test_everything_is_there_after_a_push(grafana: FakeGrafana) -> None:
    pushed = push(grafana.url)
    assert [(one.uid, one.outcome, one.version) for one in pushed] == [(uid, "created", 1) for uid in UIDS]
    assert set(grafana.folders) == {FOLDER_UID}
    for text in documents().values():
        wanted = json.loads(text)
        there, folder = grafana.dashboards[wanted["uid"]]
        assert folder == FOLDER_UID
        assert is_up_to_date(there, wanted)


def test_pushing_again_changes_nothing(grafana: FakeGrafana) -> None:
    push(grafana.url)
    before = grafana.saves_count
    assert {(one.outcome, one.version) for one in push(grafana.url)} == {("unchanged", 1)}
    assert grafana.saves_count == before


def test_what_differs_is_brought_up_to_date_and_nothing_else(grafana: FakeGrafana) -> None:
    push(grafana.url)
    there, folder = grafana.dashboards[UIDS[2]]
    grafana.dashboards[UIDS[2]] = ({**there, "panels": there["panels"][1:]}, folder)
    grafana.dashboards[UIDS[3]] = (grafana.dashboards[UIDS[3]][0], "elsewhere")
    assert [one.outcome for one in push(grafana.url)] == ["unchanged", "unchanged", "updated", "updated", "unchanged"]
    assert grafana.dashboards[UIDS[3]][1] == FOLDER_UID


def test_somebody_who_saves_in_between_is_not_overwritten_unseen(grafana: FakeGrafana) -> None:
    push(grafana.url)
    there, folder = grafana.dashboards[UIDS[0]]
    grafana.dashboards[UIDS[0]] = ({**there, "title": "changed by hand"}, folder)
    others = iter([True])

    def somebody_saves() -> None:
        if next(others, False):
            now, held = grafana.dashboards[UIDS[0]]
            grafana.dashboards[UIDS[0]] = ({**now, "version": now["version"] + 1}, held)

    grafana.before_save = somebody_saves
    assert push(grafana.url)[0] == Pushed(UIDS[0], json.loads(next(iter(documents().values())))["title"], "updated", 3)


def test_somebody_who_never_stops_saving_ends_it(grafana: FakeGrafana) -> None:
    push(grafana.url)
    there, folder = grafana.dashboards[UIDS[0]]
    grafana.dashboards[UIDS[0]] = ({**there, "title": "changed by hand"}, folder)

    def somebody_saves() -> None:
        now, held = grafana.dashboards[UIDS[0]]
        grafana.dashboards[UIDS[0]] = ({**now, "version": now["version"] + 1}, held)

    grafana.before_save = somebody_saves
    assert "somebody else keeps saving" in refusal(grafana.url)


def test_a_title_that_is_taken_is_said_in_grafanas_words(grafana: FakeGrafana) -> None:
    title = json.loads(next(iter(documents().values())))["title"]
    grafana.folders[FOLDER_UID] = {"uid": FOLDER_UID}
    grafana.dashboards["foreign"] = ({"uid": "foreign", "title": title, "version": 1, "id": 9}, FOLDER_UID)
    assert "same name in the folder already exists" in refusal(grafana.url)


def test_a_wrong_token_is_named_but_not_shown(grafana: FakeGrafana) -> None:
    said = refusal(grafana.url, "glsa_wrong")
    assert said == (
        f"{grafana.url}: Grafana does not know the token: put a valid service account token into the token file"
    )
    assert not grafana.dashboards


def test_a_token_that_may_not_read_data_sources(grafana: FakeGrafana) -> None:
    grafana.forbidden.add("datasources")
    assert "the token may not do this: give its service account the role Admin" in refusal(grafana.url)


def test_without_the_data_source_nothing_is_pushed(grafana: FakeGrafana) -> None:
    grafana.datasources.clear()
    assert f"no data source with uid {DATASOURCE_UID}" in refusal(grafana.url)
    assert not grafana.folders


def test_a_data_source_in_another_language_is_refused(grafana: FakeGrafana) -> None:
    grafana.datasources[DATASOURCE_UID]["jsonData"]["version"] = "Flux"
    assert "is influxdb in Flux, the dashboards ask influxdb in InfluxQL" in refusal(grafana.url)


def test_a_grafana_that_loads_its_dashboards_from_files(grafana: FakeGrafana) -> None:
    push(grafana.url)
    grafana.provisioned.update(UIDS)
    assert "loads the dashboard from a file" in refusal(grafana.url)


def test_nobody_there() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    said = refusal(f"http://127.0.0.1:{port}")
    assert "cannot be reached" in said
    assert said.endswith("is it running there?")


@contextmanager
def something_else(status: int, body: bytes) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, b"<html>welcome</html>", "what answers there is not Grafana"),
        (200, b'{"status": "fine"}', "what answers there is not Grafana"),
        (404, b"nothing here", "what answers there is not Grafana"),
        (503, b"busy", "Grafana has a fault of its own (503"),
    ],
)
def test_something_that_is_not_grafana(status: int, body: bytes, said: str) -> None:
    with something_else(status, body) as url:
        assert said in refusal(url)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("grafana.example.kr", "this is no address of Grafana"),
        ("ftp://grafana.example.kr", "this is no address of Grafana"),
        ("https://", "this is no address of Grafana"),
        ("https://host:99999", "this is no address"),
        ("http://grafana.example.kr:3000", "http would send the token in the clear"),
        ("https://admin:secret@grafana.example.kr", "the token belongs into the token file"),
    ],
)
def test_an_address_that_cannot_be_used(url: str, said: str) -> None:
    with pytest.raises(PushError, match=said) as caught:
        GrafanaPusher(url, TOKEN)
    assert "secret" not in str(caught.value)


def test_an_address_may_have_a_path(grafana: FakeGrafana) -> None:
    assert checked_url("https://example.kr/grafana") == checked_url("https://example.kr/grafana/")
    with closing(GrafanaPusher("https://example.kr/grafana", TOKEN)) as pusher:
        assert pusher._api.client.url == "https://example.kr/grafana/api"
    assert "what answers there is not Grafana" in refusal(f"{grafana.url}/elsewhere")


# --- the commands


def test_the_command_reports_each_dashboard(grafana: FakeGrafana, tmp_path: Path) -> None:
    secret = tmp_path / "token"
    write_secret(secret, TOKEN)
    for outcome in ("새로 만듦 / created", "그대로 / unchanged"):
        result = CliRunner().invoke(app, ["push", "--url", grafana.url, "--token-file", str(secret)])
        assert result.exit_code == 0, result.output
        for line, uid in zip(result.output.splitlines(), UIDS, strict=True):
            assert line.startswith(f"{uid}: {outcome}, version 1: ")
    assert TOKEN not in result.output


def test_a_token_that_others_may_read_is_refused(grafana: FakeGrafana, tmp_path: Path) -> None:
    secret = tmp_path / "token"
    write_secret(secret, TOKEN)
    secret.chmod(0o644)
    result = CliRunner().invoke(app, ["push", "--url", grafana.url, "--token-file", str(secret)])
    assert isinstance(result.exception, SettingsError)
    assert "others may read this secret" in str(result.exception)


def test_build_writes_the_files_and_check_finds_the_stale_one(tmp_path: Path) -> None:
    runner = CliRunner()
    assert runner.invoke(app, ["build", "--to", str(tmp_path / "new")]).exit_code == 0
    made = sorted((tmp_path / "new").iterdir())
    assert [path.name for path in made] == sorted(Path(name).name for name in documents())
    assert runner.invoke(app, ["build", "--check", "--to", str(tmp_path / "new")]).exit_code == 0
    made[0].write_text("{}", encoding="utf-8")
    result = runner.invoke(app, ["build", "--check", "--to", str(tmp_path / "new")])
    assert result.exit_code == 1
    assert f"{made[0]}: out of date" in result.output
    assert made[0].read_text(encoding="utf-8") == "{}"
