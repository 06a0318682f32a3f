"""`jangteo generate`: writes every generated file, or says which are out of date."""

import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel

from contract import documents as contract_documents
from dashboards import documents as dashboard_documents
from edge.settings import DeviceSettings
from jangteo.site import SiteSettings

ROOT = Path(__file__).resolve().parent.parent


def generated_files() -> Mapping[str, str]:
    """Path from the project's root → text."""
    return {
        **contract_documents.documents(),
        **dashboard_documents.documents(),
        "config/site.schema.json": _settings_schema(SiteSettings, "site"),
        "config/device.schema.json": _settings_schema(DeviceSettings, "device"),
    }


def out_of_date() -> list[str]:
    """The generated files that are missing or differ from what the code says."""
    stale = []
    for name, text in generated_files().items():
        path = ROOT / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
    return stale


def write() -> list[str]:
    """Write what is out of date; return the names."""
    stale = out_of_date()
    files = generated_files()
    for name in stale:
        path = ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[name], encoding="utf-8")
    return stale


def _settings_schema(model: type[BaseModel], name: str) -> str:
    schema = model.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["$id"] = f"urn:jangteo:settings:{name}"
    return json.dumps(schema, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
