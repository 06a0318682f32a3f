"""What every payload has in common."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contract.ids import UNIX_MS_MAX

UnixMs = Annotated[int, Field(ge=0, le=UNIX_MS_MAX, description="Milliseconds since 1970-01-01T00:00:00Z.")]
Count = Annotated[int, Field(ge=0, le=2**53)]
Share = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
Text = Annotated[str, Field(max_length=500)]
Epoch = Annotated[
    str,
    Field(pattern=r"^[0-9a-f]{16}$", description="16 hex digits, drawn once when a device's outbox file is made."),
]
Seq = Annotated[int, Field(ge=1, le=2**53, description="Counts a device's batches and events from 1 within an epoch.")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class BadPayloadError(ValueError):
    """A payload that does not fit its model; the sentence names the field, what is wrong and what was there."""


class Payload(BaseModel):
    """A message body: strict (`"12"` is not a number), frozen, tolerant of fields that a later version added."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    @classmethod
    def from_bytes(cls, body: bytes) -> Self:
        """Read a body.

        Raises:
            BadPayloadError: not JSON, or not this model.
        """
        try:
            return cls.model_validate_json(body)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "body"
            found = repr(first["input"])[:80]
            raise BadPayloadError(f"{cls.__name__}: {where}: {first['msg']} (found {found})") from error

    def to_bytes(self) -> bytes:
        """The body as UTF-8 JSON, without the fields that are absent: a fifth of a bay's reading would be `null`."""
        return self.model_dump_json(exclude_none=True).encode()
