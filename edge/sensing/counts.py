"""Counts of a counter, in and out."""

from pydantic import BaseModel, ConfigDict

from contract.payload import Count


class Counts(BaseModel):
    """In and out since installation."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    in_count: Count = 0
    out_count: Count = 0

    def plus(self, *, in_count: int, out_count: int) -> "Counts":
        """These counts and some more."""
        return Counts(in_count=self.in_count + in_count, out_count=self.out_count + out_count)
