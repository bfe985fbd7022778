"""What a job can do: one attrs class per task.

===========================  ==============================================  =======================================
task                         class                                           required
===========================  ==============================================  =======================================
text-to-video                ``TextToVideoInput``                            ``prompt``
image-to-video               ``ImageToVideoInput``                           ``prompt``, ``data``
video-to-video               ``VideoToVideoInput``                           ``prompt``, ``data``
first-last-frame             ``FirstLastFrameInput``                         ``prompt``, ``start``, ``end``
motion                       ``ImageToMotionVideoInput``                     ``data``, ``trajectory``
video-restyle                ``VideoRestyleInput``                           ``data``, and a prompt or a reference image
video-edit, virtual-try-on   ``VideoEditInput``                              ``data``
text-to-image                ``TextToImageInput``                            ``prompt``
image-to-image               ``ImageToImageInput``                           ``prompt``, ``data``
===========================  ==============================================  =======================================

Everything is checked when the object is created, so a mistake costs one clear sentence and no money. Where the service
declares no limit, there is none here: a prompt may have any length. The classes with files are in `decart.file_inputs`,
because they take longer to import than everything else here, and a program that sends only text needs none of them.
"""

from __future__ import annotations

import io
import numbers
import operator
import reprlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar, Literal, TypeVar

import attrs

from .errors import DecartSDKError, InvalidInputError
from .models import ModelDefinition, Resolution, Task, known, makes

T = TypeVar("T")

SEED_MAX = 4_294_967_295


def refuse(field: str, rule: str, value: object) -> InvalidInputError:
    """Return the error for a value that breaks a rule."""
    return InvalidInputError(f"{field} must be {rule}, not {shown(value)}.")


def shown(value: object) -> str:
    """Return any value in a form that is fit for a message."""
    try:
        return one_line(reprlib.repr(value))
    except ValueError:  # Python refuses to print an int of thousands of digits
        return "a number far too large"
    except Exception:  # the caller's __repr__ failed
        return type(value).__name__


def one_line(text: str, limit: int = 200) -> str:
    """Make a text fit for a message: printable, on one line and not too long."""
    if not text.isprintable():
        text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def reason_of(error: BaseException) -> str:
    """Return why an object of the caller failed, in words that are fit for a message."""
    kind = type(error).__name__
    words = getattr(error, "strerror", None)
    try:
        text = one_line(words if isinstance(words, str) and words else str(error))
    except Exception:  # the caller's __str__ failed
        return kind
    if not text:
        return kind
    says_it_all = isinstance(error, (OSError, ValueError, EOFError)) and not isinstance(error, io.UnsupportedOperation)
    return text if says_it_all else f"{kind}: {text}"


def read(what: str, function: Callable[..., T], *arguments: object) -> T:
    """Call a function that reads an object of the caller; turn whatever it raises into an ``InvalidInputError``."""
    try:
        return function(*arguments)
    except DecartSDKError:
        raise
    except Exception as error:
        raise InvalidInputError(f"{what} cannot be read ({reason_of(error)}).") from error


def not_a_model(value: object, expected: Literal["image", "video"] | None = None) -> InvalidInputError:
    """Return the error for what is not a model, such as the name of one; ``expected`` is what the call makes."""
    name = value if isinstance(value, str) else "lucy-image-2" if expected == "image" else "lucy-2.5"
    model = known(name)
    kind = makes(model) if model else expected or "video"
    return InvalidInputError(f"model must be a ModelDefinition; write models.{kind}({name!r}).")


def is_text(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, str):
        raise refuse(attribute.name, "a str", value)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidInputError(f"{attribute.name} contains a lone surrogate, which UTF-8 cannot encode.") from None


def is_prompt(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    is_text(instance, attribute, value)
    if not str(value).strip():
        raise InvalidInputError(f"{attribute.name} must not be empty.")


def _is_seed(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= SEED_MAX:
        raise refuse(attribute.name, f"an int from 0 to {SEED_MAX}", value)


def _is_orientation(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, str) or value not in ("landscape", "portrait"):
        raise refuse(attribute.name, "'landscape' or 'portrait'", value)


def whole(value: Any) -> Any:
    """Convert any integer type (such as numpy's) to int; leave other values to the validator."""
    try:
        return value if isinstance(value, bool) else operator.index(value)
    except Exception:  # the caller's __index__ may raise anything
        return value


def real(value: Any) -> Any:
    """Convert any real number type (numpy's, ``Decimal``) to float or int; leave other values to the validator."""
    number = whole(value)
    if isinstance(number, int) or not isinstance(number, numbers.Number):
        return number
    try:
        return float(number)  # type: ignore[arg-type]
    except Exception:  # a complex number, for example
        return value


def seconds_of(field: str, value: object, shortest: int, longest: int) -> int:
    """Return a period as whole seconds.

    Raises:
        InvalidInputError: It is no number and no ``timedelta``, or is out of range.
    """
    number = value.total_seconds() if isinstance(value, timedelta) else real(value)
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not shortest <= number <= longest:
        raise refuse(field, f"a number of seconds or a timedelta, from {shortest} to {longest} s", value)
    if number != int(number):
        raise refuse(field, "a whole number of seconds", value)
    return int(number)


optional = attrs.validators.optional


@attrs.frozen(kw_only=True)
class JobInput:
    """The inputs that every task has.

    Attributes:
        model: The model that runs the job.
        seed: The same seed and inputs give the same result; 0 to 4294967295. The service chooses one by default.
        resolution: ``"720p"`` (the service's default) or, if the model supports it, ``"480p"``.
        tasks: The tasks that the class is for; it takes the models of no other task.
        one_of: Inputs of which a job has exactly one.
        has_files: Whether its jobs have files to upload.

    Raises:
        InvalidInputError: A value is out of range, or the model does not accept it.
    """

    tasks: ClassVar[tuple[Task, ...]] = ()
    one_of: ClassVar[tuple[str, ...]] = ()
    has_files: ClassVar[bool] = True

    model: ModelDefinition
    seed: int | None = attrs.field(
        default=None, converter=attrs.converters.optional(whole), validator=optional(_is_seed)
    )
    resolution: Resolution | None = None

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.model, ModelDefinition):
            raise not_a_model(self.model)
        if self.model.task not in self.tasks:
            kinds = f"{' or '.join(self.tasks)} models" if self.tasks else "subclassing"
            raise InvalidInputError(
                f"{type(self).__name__} is for {kinds}, and {self.model.name} is a model for {self.model.task}."
            )
        known = isinstance(self.resolution, str) and self.resolution in self.model.resolutions
        if self.resolution is not None and not known:
            choice = " or ".join(map(repr, self.model.resolutions))
            raise refuse("resolution", f"{choice} for {self.model.name}", self.resolution)
        for name in sorted(self.model.lacks):
            if getattr(self, name, None) is not None:
                raise InvalidInputError(f"{self.model.name} does not accept {name}.")


@attrs.frozen(kw_only=True)
class _TextInput(JobInput):
    has_files = False

    prompt: str = attrs.field(validator=is_prompt)
    orientation: Literal["landscape", "portrait"] | None = attrs.field(
        default=None, validator=optional(_is_orientation)
    )


@attrs.frozen(kw_only=True)
class TextToVideoInput(_TextInput):
    """A five-second video from text.

    Attributes:
        prompt: What the video shows.
        orientation: ``"landscape"`` (the service's default) or ``"portrait"``.
    """

    tasks = ("text-to-video",)


@attrs.frozen(kw_only=True)
class TextToImageInput(_TextInput):
    """An image from text.

    Attributes:
        prompt: What the image shows.
        orientation: ``"landscape"`` (the service's default) or ``"portrait"``.
    """

    tasks = ("text-to-image",)
