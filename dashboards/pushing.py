"""Dashboards into a running Grafana over its HTTP API: data source checked, folder made, each dashboard by its uid.

Source: https://grafana.com/docs/grafana/latest/developers/http_api/ (folder, dashboard, data source). Nothing is
overwritten unseen: a save names the version that was read, and is read and tried again when somebody saved in between.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import niquests.exceptions
from grafana_client.api import GrafanaApi
from grafana_client.client import (
    GrafanaClientError,
    GrafanaException,
    GrafanaServerError,
    GrafanaTimeoutError,
    GrafanaUnauthorizedError,
)

from dashboards.influxql import DATASOURCE_UID
from runtime.errors import FatalError

FOLDER_UID = "jangteo"
FOLDER_TITLE = "장터 Jangteo"
DATASOURCE_FILE = "dashboards/provisioning/datasources/jangteo.yaml"
MESSAGE = "jangteo dashboards push"
SAVES_MAX = 3
TIMEOUT_S = 10.0

_GRAFANAS_OWN = frozenset({"id", "version", "schemaVersion"})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_FORBIDDEN, _NOT_FOUND, _CONFLICT, _CHANGED = 403, 404, 409, 412

Outcome = Literal["created", "updated", "unchanged"]
Json = dict[str, Any]  # Grafana's own documents: whatever keys its version has


class PushError(FatalError):
    """Grafana could not be given the dashboards; the sentence says why and what would be right."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """What became of one dashboard."""

    uid: str
    title: str
    outcome: Outcome
    version: int


class GrafanaPusher:
    """One Grafana, reached with a service account's token. Makes no connection before `push`.

    Raises:
        PushError: `url` is none, or would send the token over the network in the clear.
    """

    def __init__(self, url: str, token: str) -> None:
        self._url = checked_url(url)
        self._api = GrafanaApi.from_url(self._url, credential=token, timeout=TIMEOUT_S)
        self._api.client.s.trust_env = False  # a proxy of the environment has no business with the token

    def push(self, texts: Mapping[str, str]) -> Iterator[Pushed]:
        """Bring dashboards (name → JSON) up to date, one after the other, as they are asked for.

        Raises:
            PushError: one clear sentence. What was yielded before is in Grafana, the rest is as it was.
        """
        self._check_grafana()
        self._check_datasource()
        self._ensure_folder()
        for text in texts.values():
            yield self._save(json.loads(text))

    def close(self) -> None:
        """Close the connections."""
        self._api.client.s.close()

    def _check_grafana(self) -> None:
        try:
            health = self._call("GET", "/health")
        except GrafanaClientError as error:
            raise self._as_ours(error) from error
        if not isinstance(health, dict) or "database" not in health:
            raise PushError(f"{self._url}: what answers there is not Grafana: give the address of its front page")

    def _check_datasource(self) -> None:
        try:
            found = self._call("GET", f"/datasources/uid/{DATASOURCE_UID}")
        except GrafanaClientError as error:
            if error.status_code != _NOT_FOUND:
                raise self._as_ours(error) from error
            raise PushError(
                f"{self._url}: Grafana has no data source with uid {DATASOURCE_UID}:"
                f" provision it with {DATASOURCE_FILE} (adapt its url), then push again"
            ) from error
        language = (found.get("jsonData") or {}).get("version", "InfluxQL")
        if found.get("type") != "influxdb" or language != "InfluxQL":
            raise PushError(
                f"{self._url}: data source {DATASOURCE_UID} is {found.get('type')} in {language},"
                f" the dashboards ask influxdb in InfluxQL: set it as {DATASOURCE_FILE} does"
            )

    def _ensure_folder(self) -> None:
        try:
            self._call("GET", f"/folders/{FOLDER_UID}")
        except GrafanaClientError as error:
            if error.status_code != _NOT_FOUND:
                raise self._as_ours(error) from error
            self._make_folder()

    def _make_folder(self) -> None:
        try:
            self._call("POST", "/folders", {"uid": FOLDER_UID, "title": FOLDER_TITLE})
        except GrafanaClientError as error:
            # Somebody who pushes at the same time made it, which is as good.
            if error.status_code not in {_CONFLICT, _CHANGED}:
                raise self._as_ours(error) from error

    def _save(self, wanted: Json) -> Pushed:
        uid, title = str(wanted["uid"]), str(wanted["title"])
        for _ in range(SAVES_MAX):
            there, folder = self._read(uid)
            if there is not None and folder == FOLDER_UID and is_up_to_date(there, wanted):
                return Pushed(uid, title, "unchanged", int(there["version"]))
            body = {
                "dashboard": {**wanted, "id": None, "version": there["version"] if there else 0},
                "folderUid": FOLDER_UID,
                "message": MESSAGE,
                "overwrite": False,
            }
            try:
                saved = self._call("POST", "/dashboards/db", body)
            except GrafanaClientError as error:
                if not _changed_meanwhile(error):
                    raise self._as_ours(error, f"{uid}: ") from error
            else:
                return Pushed(uid, title, "updated" if there else "created", int(saved["version"]))
        raise PushError(f"{self._url}: {uid}: somebody else keeps saving this dashboard: push again when they are done")

    def _read(self, uid: str) -> tuple[Json | None, str]:
        """The dashboard as it is in Grafana and the uid of its folder; None when there is none."""
        try:
            found = self._call("GET", f"/dashboards/uid/{uid}")
        except GrafanaClientError as error:
            if error.status_code == _NOT_FOUND:
                return None, ""
            raise self._as_ours(error, f"{uid}: ") from error
        if found["meta"].get("provisioned"):
            raise PushError(
                f"{self._url}: {uid}: this Grafana loads the dashboard from a file and does not let it be saved:"
                " update the file in its provisioning folder instead"
            )
        return dict(found["dashboard"]), str(found["meta"].get("folderUid", ""))

    def _call(self, method: Literal["GET", "POST"], path: str, body: Json | None = None) -> Any:  # noqa: ANN401 - Grafana's answer
        """Ask Grafana. Its 4xx answers come as `GrafanaClientError`, but for the token's, which is final."""
        try:
            return getattr(self._api.client, method)(path, json=body)
        except GrafanaUnauthorizedError as error:
            raise self._as_ours(error) from error
        except GrafanaClientError:
            raise
        except (GrafanaException, niquests.exceptions.RequestException, OSError) as error:
            raise self._as_ours(error) from error

    def _as_ours(self, error: Exception, about: str = "") -> PushError:
        """One sentence for whatever went wrong; it never holds the token."""
        match error:
            case GrafanaUnauthorizedError():
                said = "Grafana does not know the token: put a valid service account token into the token file"
            case GrafanaClientError(status_code=status) if status == _FORBIDDEN:
                said = (
                    "the token may not do this: give its service account the role Admin, or Editor with the right to"
                    f" read data sources ({_words(error)})"
                )
            case GrafanaClientError(status_code=status) if status == _NOT_FOUND:
                said = "what answers there is not Grafana: give the address of its front page"
            case GrafanaTimeoutError() | niquests.exceptions.Timeout():
                said = f"Grafana did not answer within {TIMEOUT_S:g} s: try again"
            case GrafanaServerError(status_code=status):
                said = f"Grafana has a fault of its own ({status}: {_words(error)}): see its log, then push again"
            case GrafanaClientError(status_code=status):
                said = f"Grafana refuses ({status}: {_words(error)})"
            case niquests.exceptions.JSONDecodeError():
                said = "what answers there is not Grafana: give the address of its front page"
            case niquests.exceptions.SSLError():
                said = f"the TLS certificate is not trusted: {error}"
            case _:
                said = f"Grafana cannot be reached ({type(error).__name__}): is it running there?"
        return PushError(f"{self._url}: {about}{said}")


def checked_url(url: str) -> str:
    """The address with a slash at its end, as the client wants it where there is a path.

    Raises:
        PushError: no http(s) address with a host, or plain http beyond loopback.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise PushError(f"{url}: this is no address ({error}): give one like https://grafana.example.kr") from error
    if parts.scheme not in {"http", "https"} or not host or port == 0:
        raise PushError(f"{url}: this is no address of Grafana: give one like https://grafana.example.kr")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise PushError(f"{parts.scheme}://{host}: give the address alone; the token belongs into the token file")
    if parts.scheme == "http" and host not in _LOOPBACK:
        raise PushError(f"{url}: http would send the token in the clear: use https, or push on Grafana's own machine")
    path = parts.path.rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path}/" if path else f"{parts.scheme}://{parts.netloc}"


def is_up_to_date(there: Json, wanted: Json) -> bool:
    """Whether the dashboard in Grafana is the wanted one, but for what Grafana itself counts and migrates."""
    return holds(there, {key: value for key, value in wanted.items() if key not in _GRAFANAS_OWN})


def holds(there: object, wanted: object) -> bool:
    """Whether a document holds all of another: Grafana adds keys of its own to what it was given."""
    if isinstance(wanted, dict):
        return isinstance(there, dict) and all(key in there and holds(there[key], wanted[key]) for key in wanted)
    if isinstance(wanted, list):
        return (
            isinstance(there, list)
            and len(there) == len(wanted)
            and all(holds(one, other) for one, other in zip(there, wanted, strict=True))
        )
    return there == wanted


def _changed_meanwhile(error: GrafanaClientError) -> bool:
    answer = error.response if isinstance(error.response, dict) else {}
    return error.status_code == _CHANGED and answer.get("status") == "version-mismatch"


def _words(error: GrafanaException) -> str:
    answer = error.response if isinstance(error.response, dict) else {}
    return str(answer.get("message") or "no reason given")[:300]
