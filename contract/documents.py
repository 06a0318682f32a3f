"""Documents generated from the catalogue: a JSON Schema for each channel, and the page docs/contract.md."""

import json
from collections.abc import Mapping

from contract.catalog import CATALOG, Channel, Role
from contract.payload import Payload
from contract.signage import Manifest
from contract.topics import ROOT, VERSION

SCHEMA_FOLDER = "config/schemas"
PAGE = "docs/contract.md"
ROLE_NAMES = {
    Role.DEVICE: "device",
    Role.INGEST: "ingest",
    Role.ALERTS: "alerts",
    Role.CONSOLE: "console",
}


def documents() -> Mapping[str, str]:
    """Path from the project's root → text of every generated document of the contract."""
    schemas = {
        f"{SCHEMA_FOLDER}/{row.channel}.{row.name}.json": schema_text(row.model, f"{row.channel}:{row.name}")
        for row in CATALOG
    }
    manifest = {f"{SCHEMA_FOLDER}/manifest.json": schema_text(Manifest, "manifest")}
    return {**schemas, **manifest, PAGE: page_text()}


def schema_text(model: type[Payload], name: str) -> str:
    """The JSON Schema (draft 2020-12) of a payload."""
    schema = model.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["$id"] = f"urn:jangteo:{VERSION}:{name}"
    return json.dumps(schema, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def page_text() -> str:
    """docs/contract.md: the table of channels, then each payload's fields."""
    payloads = [_payload(f"`{row.path}`", row.model) for row in CATALOG]
    manifest = _payload("inside `desired/signage`", Manifest)
    parts = [_HEAD, *(_row(row) for row in CATALOG), _MIDDLE, *payloads, manifest]
    return "\n".join(parts) + "\n"


_HEAD = f"""# The contract

Generated from `contract/catalog.py` by `jangteo generate`. Do not edit.

A topic is `{ROOT}/{VERSION}/<market>/<device>/<channel>/<name>`. Every level is an id: 1 to 63 of `a-z`, `0-9` and `-`,
not starting with `-`. Payloads are UTF-8 JSON, strict (`"12"` is no number), and change only by addition: a reader
passes over fields that it does not know. Every quantity has its unit in its name.

A device numbers its batches and events `(epoch, seq)`, keeps them until `ack/delivered` says that they are in a store,
and sends them again otherwise. The same number, or the same series and time, stored twice changes nothing.

| channel/name | payload | from | to | QoS | retained | bytes at most | what |
| --- | --- | --- | --- | --- | --- | --- | --- |"""

_MIDDLE = """
`device` as a reader means the device that the topic names; where "of the market" stands, every device of that market.

## Payloads
"""


def _row(row: Channel) -> str:
    writers = ", ".join(ROLE_NAMES[role] for role in row.writers)
    readers = ", ".join(
        f"{ROLE_NAMES[role]} (of the market)" if role is Role.DEVICE and row.market_wide else ROLE_NAMES[role]
        for role in row.readers
    )
    retained = "yes" if row.retain else "no"
    cells = (
        f"`{row.path}`",
        f"`{row.model.__name__}`",
        writers,
        readers,
        str(row.qos),
        retained,
        f"{row.bytes_max:,}",
        row.what,
    )
    return f"| {' | '.join(cells)} |"


def _payload(where: str, model: type[Payload]) -> str:
    schema = model.model_json_schema()
    lines = [f"### {where}: {model.__name__}", "", _one_line(schema.get("description", "")), ""]
    lines += _fields(schema)
    for name, nested in sorted(schema.get("$defs", {}).items()):
        if "properties" in nested:
            lines += ["", f"`{name}`: {_one_line(nested.get('description', ''))}", "", *_fields(nested)]
    return "\n".join([*lines, ""])


def _fields(schema: Mapping[str, object]) -> list[str]:
    properties = schema.get("properties", {})
    required = schema.get("required", [])
    assert isinstance(properties, dict)  # noqa: S101 — narrows what JSON Schema guarantees
    assert isinstance(required, list)  # noqa: S101 — the same
    lines = ["| field | type | required |", "| --- | --- | --- |"]
    for name, body in properties.items():
        lines.append(f"| `{name}` | {_type(body)} | {'yes' if name in required else 'no'} |")
    return lines


def _type(body: Mapping[str, object]) -> str:
    reference = body.get("$ref")
    if isinstance(reference, str):
        return f"`{reference.rpartition('/')[2]}`"
    any_of = body.get("anyOf")
    if isinstance(any_of, list):
        return " or ".join(_type(one) for one in any_of)
    if "const" in body:
        return f"`{body['const']}`"
    choices = body.get("enum")
    if isinstance(choices, list):
        return " · ".join(f"`{choice}`" for choice in choices)
    items = body.get("items")
    if isinstance(items, dict):
        return f"list of {_type(items)}"
    return str(body.get("type", "object"))


def _one_line(text: str) -> str:
    return " ".join(str(text).split())
