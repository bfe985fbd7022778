"""What a job can be asked to do: one attrs class per task.

===========================  ==============================================  =======================================
task                         class                                           needs
===========================  ==============================================  =======================================
text-to-video                ``TextToVideoInput``                            ``prompt``
image-to-video               ``ImageToVideoInput``                           ``prompt``, ``data``
video-to-video               ``VideoToVideoInput``                           ``prompt``, ``data``
first-last-frame             ``FirstLastFrameInput``                         ``prompt``, ``start``, ``end``
motion                       ``ImageToMotionVideoInput``                     ``data``, ``trajectory``
video-restyle                ``VideoRestyleInput``                           ``data``, and a prompt or a reference image
video-edit, virtual-try-on   ``VideoEdit2Input``                             ``data``
text-to-image                ``TextToImageInput``                            ``prompt``
image-to-image               ``ImageToImageInput``                           ``prompt``, ``data``
===========================  ==============================================  =======================================

Everything here is checked when the object is made, so a mistake costs one clear sentence and no money. Where the
service declares no bound, there is none here: a prompt may be as long as you like. The classes that hold files are in
`decart.file_inputs`: making them takes longer than all the rest here, and a program that sends a text needs none.
"""

from __future__ import annotations

import io
import numbers
import operator
import reprlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import attrs

from .errors import DecartSDKError, InvalidInputError
from .models import ModelDefinition, Resolution, Task

CLASS_OF: dict[Task, str] = {
    "text-to-video": "TextToVideoInput",
    "image-to-video": "ImageToVideoInput",
    "video-to-video": "VideoToVideoInput",
    "first-last-frame": "FirstLastFrameInput",
    "motion": "ImageToMotionVideoInput",
    "video-restyle": "VideoRestyleInput",
    "video-edit": "VideoEdit2Input",
    "virtual-try-on": "VideoEdit2Input",
    "text-to-image": "TextToImageInput",
    "image-to-image": "ImageToImageInput",
}
SEED_MAX = 4_294_967_295


def refuse(field: str, rule: str, value: object) -> InvalidInputError:
    """Return the error of a value that breaks a rule."""
    return InvalidInputError(f"{field} must be {rule}, not {shown(value)}.")


def shown(value: object) -> str:
    """Return a value as it may stand in a message, whatever it is."""
    try:
        return one_line(reprlib.repr(value))
    except ValueError:  # Python refuses to write out a number of thousands of digits
        return "a number far too large"
    except Exception:  # a __repr__ of the caller's
        return type(value).__name__


def one_line(text: str, limit: int = 200) -> str:
    """Make a text fit for a message: printable, one line, not too long."""
    if not text.isprintable():
        text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def reason_of(error: BaseException) -> str:
    """Return why something of the caller's failed, in words that fit into a message."""
    kind = type(error).__name__
    words = getattr(error, "strerror", None)
    try:
        text = one_line(words if isinstance(words, str) and words else str(error))
    except Exception:  # a __str__ of the caller's
        return kind
    if not text:
        return kind
    says_it_all = isinstance(error, (OSError, ValueError, EOFError)) and not isinstance(error, io.UnsupportedOperation)
    return text if says_it_all else f"{kind}: {text}"


@contextmanager
def blaming(what: str) -> Iterator[None]:
    """Turn whatever an object of the caller's raises into one sentence of ours."""
    try:
        yield
    except DecartSDKError:
        raise
    except Exception as error:
        raise InvalidInputError(f"{what} cannot be read ({reason_of(error)}).") from error


def is_model(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, ModelDefinition):
        hint = f"models.video({value!r})" if isinstance(value, str) else "models.video('lucy-pro-t2v')"
        raise InvalidInputError(f"model must be a ModelDefinition; write {hint}.")


def is_text(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, str):
        raise refuse(attribute.name, "a str", value)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidInputError(f"{attribute.name} holds half of a character (a lone surrogate).") from None


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
    """Turn what is an integer in all but type (numpy's, say) into an int; leave the rest for the validator."""
    try:
        return value if isinstance(value, bool) else operator.index(value)
    except Exception:  # an __index__ of the caller's may raise anything
        return value


def real(value: Any) -> Any:
    """Turn what is a real number in all but type (numpy's, a ``Decimal``) into a float; leave the rest as it is."""
    number = whole(value)
    if isinstance(number, int) or not isinstance(number, numbers.Number):
        return number
    try:
        return float(number)  # type: ignore[arg-type]
    except Exception:  # a complex number, say
        return value


optional = attrs.validators.optional


@attrs.frozen(kw_only=True)
class JobInput:
    """What the inputs of every task share.

    Attributes:
        model: The model that does it.
        seed: The same seed and inputs give the same video; 0 to 4294967295, chosen by the service when not given.
        resolution: ``"720p"`` (the service's default) or, where the model does it, ``"480p"``.

    Raises:
        InvalidInputError: A value is out of its bounds, or the model does not take it.
    """

    model: ModelDefinition = attrs.field(validator=is_model)
    seed: int | None = attrs.field(default=None, converter=whole, validator=optional(_is_seed))
    resolution: Resolution | None = None

    def __attrs_post_init__(self) -> None:
        wanted = CLASS_OF[self.model.task]
        if type(self).__name__ != wanted:
            raise InvalidInputError(f"model {self.model.name} takes {wanted}, not {type(self).__name__}.")
        known = isinstance(self.resolution, str) and self.resolution in self.model.resolutions
        if self.resolution is not None and not known:
            choice = " or ".join(map(repr, self.model.resolutions))
            raise refuse("resolution", f"{choice} for {self.model.name}", self.resolution)
        for name in sorted(self.model.lacks):
            if getattr(self, name, None) is not None:
                raise InvalidInputError(f"{name}: {self.model.name} does not take it.")
        self._check()

    @property
    def has_files(self) -> bool:
        """Whether a file goes with the job."""
        files = (field.name for field in attrs.fields(type(self)) if field.metadata.get("file"))
        return any(getattr(self, name) is not None for name in files)

    def _check(self) -> None:
        """Check what concerns more than one field."""


@attrs.frozen(kw_only=True)
class TextToVideoInput(JobInput):
    """A video of five seconds from a text.

    Attributes:
        prompt: What it should show.
        orientation: ``"landscape"`` (the service's default) or ``"portrait"``.
    """

    prompt: str = attrs.field(validator=is_prompt)
    orientation: Literal["landscape", "portrait"] | None = attrs.field(
        default=None, validator=optional(_is_orientation)
    )


class TextToImageInput(TextToVideoInput):
    """A picture from a text; the same inputs as a video from a text."""

    __slots__ = ()
