"""Where a camera's reference views are kept over restarts: one small file that only its owner may read."""

import base64
import os
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.cameras.glance import Grey
from edge.cameras.seeing import SightMemory
from edge.cameras.sources.stream import without_password
from edge.cameras.views import VIEW_SIDE_PX, VIEWS_MAX

log = structlog.get_logger(__name__)

PNG_BASE64_LENGTH_MAX = 60_000
OWNER_ONLY = 0o600


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    sharpness: Annotated[float, Field(ge=0.0, le=10.0)] | None
    views_png_base64: Annotated[
        tuple[Annotated[str, Field(max_length=PNG_BASE64_LENGTH_MAX)], ...], Field(max_length=VIEWS_MAX)
    ]


def load_reference(path: Path, source: str) -> SightMemory:
    """What `path` holds for this `source`. A file that cannot be used is said in the log and counts as none."""
    try:
        kept = _Kept.model_validate_json(path.read_bytes())
        views = tuple(_picture(text) for text in kept.views_png_base64)
    except FileNotFoundError:
        return SightMemory()
    except (OSError, ValidationError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        log.warning("camera.reference_unreadable", path=str(path), reason=reason, consequence="a new one is learnt")
        return SightMemory()
    if kept.source != _mark(source):
        log.info("camera.reference_of_another_source", path=str(path), consequence="a new one is learnt")
        return SightMemory()
    return SightMemory(views, kept.sharpness)


def save_reference(path: Path, source: str, memory: SightMemory) -> bool:
    """Replace `path` whole; whether that worked. At most `VIEWS_MAX` pictures of 160 pixels, some 60 KB in all."""
    kept = _Kept(
        source=_mark(source),
        sharpness=memory.sharpness,
        views_png_base64=tuple(_text(view) for view in memory.views),
    )
    fresh = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY), "w") as file:
            file.write(kept.model_dump_json())
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        log.warning("camera.reference_not_saved", path=str(path), reason=str(error))
        return False
    log.info("camera.reference_saved", path=str(path), views=len(memory.views))
    return True


def _mark(source: str) -> str:
    """Another camera has another view; neither its address nor its password stands in the file."""
    return sha256(without_password(source).encode()).hexdigest()[:16]


def _text(view: Grey) -> str:
    return base64.b64encode(cv2.imencode(".png", view)[1].tobytes()).decode()


def _picture(text: str) -> Grey:
    data = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) if data.size else None
    if picture is None or max(picture.shape) > VIEW_SIDE_PX:
        raise ValueError("a reference view is no picture, or too large")
    return np.asarray(picture, np.uint8)
