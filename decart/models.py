"""The catalogue: a model's name -> what it does, how large its pictures are, and whether the service still runs it.

``video(name)`` and ``image(name)`` look a name up. The catalogue is data, the table below; a model that is not in it
is a ``ModelDefinition`` of one's own, used in the same way. Sizes and frame rates are those of the service's public
clients; retirements are those of its change log.

A retired name still works as far as this library is concerned (the service decides): only when the service answers
that it does not know the name, the error says since when the model is gone. A deprecated alias is still sent as it was
written, and warns once per process. A name that ends in ``-latest`` is resolved by the service and moves over time.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from functools import partial
from typing import Any, Literal

import attrs

from .errors import InvalidInputError, ModelNotFoundError

Task = Literal[
    "text-to-video",
    "image-to-video",
    "video-to-video",
    "first-last-frame",
    "motion",
    "video-restyle",
    "video-edit",
    "virtual-try-on",
    "text-to-image",
    "image-to-image",
]
Resolution = Literal["720p", "480p"]

TASKS: tuple[Task, ...] = Task.__args__  # type: ignore[attr-defined]


def _text(instance: ModelDefinition, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, str) or not value.strip():
        raise InvalidInputError(f"ModelDefinition: {attribute.name} must be a non-empty str, not {value!r}.")


def _path(instance: ModelDefinition, attribute: attrs.Attribute[Any], value: object) -> None:
    _text(instance, attribute, value)
    path = str(value)
    unsafe = any(ch in "?#\\ " or not ch.isprintable() for ch in path)  # and half characters are not printable
    if unsafe or not path.startswith("/") or "/../" in f"{path}/":
        raise InvalidInputError(
            f"ModelDefinition: endpoint must be a path like '/v1/jobs/lucy-pro-t2v', without blanks, not {value!r}."
        )


def _task(instance: ModelDefinition, attribute: attrs.Attribute[Any], value: object) -> None:
    if value not in TASKS:
        raise InvalidInputError(f"ModelDefinition: task must be one of {', '.join(TASKS)}, not {value!r}.")


def _endpoint(model: ModelDefinition) -> str:
    return f"/v1/jobs/{model.name}"


def _names(value: Iterable[str]) -> frozenset[str]:
    return frozenset(value)


@attrs.frozen(kw_only=True)
class ModelDefinition:
    """One model of the service, or one of your own.

    Attributes:
        name: What the service calls it.
        task: What it does; it decides which inputs the model takes.
        endpoint: The path that a job is posted to; ``/v1/jobs/<name>`` unless given.
        fps: Frames per second of its videos, where known.
        width: Width in pixels of a landscape picture at 720p, where known.
        height: Height in pixels of a landscape picture at 720p, where known.
        resolutions: What ``resolution`` may be.
        lacks: Optional inputs of the task that this model does not take.
        alias_of: The canonical name, when this one is deprecated.
        retired: Since when the service no longer runs it ("March 2026"); ``None`` while it does.

    Example:
        >>> preview = ModelDefinition(name="lucy-preview", task="video-edit")
        >>> preview.endpoint
        '/v1/jobs/lucy-preview'
    """

    name: str = attrs.field(validator=_text)
    task: Task = attrs.field(validator=_task)
    endpoint: str = attrs.field(default=attrs.Factory(_endpoint, takes_self=True), validator=_path)
    fps: int | None = None
    width: int | None = None
    height: int | None = None
    resolutions: tuple[Resolution, ...] = ("720p",)
    lacks: frozenset[str] = attrs.field(default=frozenset(), converter=_names)
    alias_of: str | None = None
    retired: str | None = None


_BOTH: tuple[Resolution, ...] = ("720p", "480p")
_NO_REFERENCE = frozenset({"reference_image"})
_NO_ANCHOR = frozenset({"self_anchor"})


_t2v = partial(
    ModelDefinition, task="text-to-video", fps=25, width=1280, height=704, resolutions=_BOTH, retired="March 2026"
)
_i2v = partial(
    ModelDefinition, task="image-to-video", fps=25, width=1280, height=704, resolutions=_BOTH, retired="March 2026"
)
_v2v = partial(ModelDefinition, task="video-to-video", fps=25, width=1280, height=704)
_robot = partial(ModelDefinition, task="video-to-video", lacks=frozenset({"reference_image"}))
_flf = partial(ModelDefinition, task="first-last-frame", fps=25, width=1280, height=704, resolutions=_BOTH)
_motion = partial(ModelDefinition, task="motion", fps=25, width=1280, height=704, retired="May 2026")
_restyle = partial(ModelDefinition, task="video-restyle", fps=22, width=1280, height=704)
_edit = partial(ModelDefinition, task="video-edit", fps=20, width=1280, height=720, lacks=_NO_ANCHOR)
_try_on_2 = partial(ModelDefinition, task="virtual-try-on", fps=20, width=1088, height=624, lacks=_NO_ANCHOR)
_try_on_3 = partial(ModelDefinition, task="virtual-try-on", fps=20, width=1280, height=720, lacks=_NO_ANCHOR)
_try_on_cut = partial(ModelDefinition, task="virtual-try-on", lacks=_NO_ANCHOR)
_t2i = partial(
    ModelDefinition, task="text-to-image", fps=25, width=1280, height=704, resolutions=_BOTH, retired="March 2026"
)
_i2i = partial(ModelDefinition, task="image-to-image", fps=25, width=1280, height=704, resolutions=_BOTH)

_MODELS: dict[str, ModelDefinition] = {
    model.name: model
    for model in (
        # the five of the documented page, and their kin
        _t2v(name="lucy-pro-t2v"),
        _i2v(name="lucy-pro-i2v"),
        _i2v(name="lucy-dev-i2v", resolutions=("720p",)),
        _v2v(name="lucy-pro-v2v", alias_of="lucy-clip"),
        _v2v(name="lucy-fast-v2v", lacks=_NO_REFERENCE, retired="March 2026"),
        _v2v(name="lucy-dev-v2v", lacks=_NO_REFERENCE, retired="November 2025"),
        _v2v(name="lucy-clip"),
        _v2v(name="lucy-clip-latest"),
        _robot(name="lucy-robot-720p"),
        _flf(name="lucy-pro-flf2v", retired="17 March 2026"),
        _motion(name="lucy-motion"),
        _motion(name="lucy-motion-latest"),
        # restyling, editing, trying on
        _restyle(name="lucy-restyle-v2v", alias_of="lucy-restyle-2"),
        _restyle(name="lucy-restyle-2"),
        _restyle(name="lucy-restyle-latest"),
        _edit(name="lucy-2-v2v", alias_of="lucy-2", retired="April 2026"),
        _edit(name="lucy-2", retired="April 2026"),
        _edit(name="lucy-2.1"),
        _edit(name="lucy-2.5", lacks=frozenset()),
        _edit(name="lucy-2.6"),
        _edit(name="lucy-latest", lacks=frozenset()),
        _try_on_2(name="lucy-2.1-vton", retired="June 2026"),
        _try_on_2(name="lucy-vton", alias_of="lucy-2.1-vton", retired="June 2026"),
        _try_on_2(name="lucy-vton-2", retired="September 2026"),
        _try_on_2(name="lucy-2.1-vton-2", alias_of="lucy-vton-2", retired="September 2026"),
        _try_on_2(name="lucy-vton-3", retired="September 2026"),
        _try_on_3(name="lucy-vton-3.5"),
        _try_on_cut(name="lucy-vton-3.5-4-3"),
        _try_on_cut(name="lucy-vton-3.5-1-1"),
        _try_on_3(name="lucy-vton-3.6"),
        _try_on_3(name="lucy-vton-latest"),
        # pictures
        _t2i(name="lucy-pro-t2i"),
        _i2i(name="lucy-pro-i2i", alias_of="lucy-image-2"),
        _i2i(name="lucy-image-2"),
        _i2i(name="lucy-image-latest"),
    )
}
_warned: set[str] = set()


def video(name: str) -> ModelDefinition:
    """Return the video model of that name.

    Args:
        name: A name of the catalogue, such as ``"lucy-pro-t2v"``; see ``names()``.

    Raises:
        ModelNotFoundError: No video model has that name; the message names the nearest ones.

    Example:
        >>> video("lucy-pro-t2v").task
        'text-to-video'
    """
    return _find(name, "video")


def image(name: str) -> ModelDefinition:
    """Return the image model of that name.

    Args:
        name: A name of the catalogue, such as ``"lucy-image-2"``; see ``names()``.

    Raises:
        ModelNotFoundError: No image model has that name; the message names the nearest ones.

    Example:
        >>> image("lucy-image-2").task
        'image-to-image'
    """
    return _find(name, "image")


def names() -> tuple[str, ...]:
    """Return every name of the catalogue, retired and deprecated ones included.

    Example:
        >>> "lucy-pro-t2v" in names()
        True
    """
    return tuple(_MODELS)


def known(name: str) -> ModelDefinition | None:
    """Return the catalogue's entry for ``name``, or ``None``; never warns."""
    return _MODELS.get(name)


def retirement(model: ModelDefinition) -> str:
    """Return the sentences that say since when ``model`` is gone and what does the same task today."""
    current = [m.name for m in _MODELS.values() if m.task == model.task and not m.retired and not m.alias_of]
    instead = (
        f"Models for {model.task} today: {', '.join(current)}." if current else f"No current model does {model.task}."
    )
    return f"{model.name} has been gone from the service since {model.retired}. {instead}"


def _kind(model: ModelDefinition) -> str:
    return "image" if model.task.endswith("-to-image") else "video"


def _find(name: str, kind: str) -> ModelDefinition:
    model = _MODELS.get(name) if isinstance(name, str) else None
    if model is None or _kind(model) != kind:
        raise _not_found(name, kind, model)
    if model.alias_of and name not in _warned:
        _warned.add(name)
        warnings.warn(
            f"The model name {name!r} is deprecated; {model.alias_of!r} is the same model.",
            DeprecationWarning,
            stacklevel=3,
        )
    return model


def _not_found(name: object, kind: str, other: ModelDefinition | None) -> ModelNotFoundError:
    import difflib  # takes a while to load, and is for mistakes only

    if other is not None:
        hint = f"It makes {_kind(other)}s: use models.{_kind(other)}({name!r})."
    else:
        candidates = [m.name for m in _MODELS.values() if _kind(m) == kind]
        nearest = difflib.get_close_matches(str(name)[:100], candidates, n=3, cutoff=0.0)
        hint = f"The nearest names are {', '.join(nearest)}; a model of your own is a ModelDefinition."
    return ModelNotFoundError(f"There is no {kind} model named {str(name)[:100]!r}. {hint}", model=str(name)[:100])
