"""What a process that prepares something tells the one that started it: a line of JSON at a time."""

from importlib import import_module
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from livecassi.drivers.errors import LivecassiError
from livecassi.engines.errors import PreparationError


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Said(_Line):
    """See `Progress.say`."""

    kind: Literal["said"] = "said"
    doing: str
    share: float | None


class Done(_Line):
    """All is made."""

    kind: Literal["done"] = "done"


class Failed(_Line):
    """It could not be made: the error by its module and name, and what it says."""

    kind: Literal["failed"] = "failed"
    module: str
    name: str
    message: str

    @classmethod
    def of(cls, error: LivecassiError) -> "Failed":
        """For an error."""
        return cls(module=type(error).__module__, name=type(error).__qualname__, message=str(error))

    def error(self) -> LivecassiError:
        """The same error, or a `PreparationError` with its message where it is none that livecassi defines."""
        if self.module.startswith("livecassi."):
            kind = getattr(import_module(self.module), self.name, None)
            if isinstance(kind, type) and issubclass(kind, LivecassiError):
                return kind(self.message)
        return PreparationError(self.message)


Line = Said | Done | Failed

LINE: TypeAdapter[Line] = TypeAdapter(Annotated[Line, Field(discriminator="kind")])
