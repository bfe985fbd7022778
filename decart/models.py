"""The catalogue: what each model does, the size of its videos, and whether the service still runs it.

``video(name)`` and ``image(name)`` look a name up; a ``ModelDefinition`` is a model of your own. Sizes and frame rates
are those of the service's public clients; limits are those of its documentation, and retirements those of its change
log. ``scripts/models_table.py`` makes the tables in the docs.

A retired name can still be submitted, because the service decides: only if the service does not know the name, the
error says since when the model has been retired. A deprecated alias is sent as written, and warns once per process,
unless the documented page uses it. The service resolves a name that ends in ``-latest``: its meaning changes.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Generic, Literal, get_args, overload

import attrs

from .errors import InvalidInputError, ModelNotFoundError

Task = Literal[
    "text-to-video", "image-to-video", "video-to-video", "first-last-frame", "motion", "video-restyle", "video-edit",
    "virtual-try-on", "text-to-image", "image-to-image",
]  # fmt: skip
Resolution = Literal["720p", "480p"]

TextToVideoName = Literal["lucy-pro-t2v"]
ImageToVideoName = Literal["lucy-pro-i2v", "lucy-dev-i2v"]
VideoToVideoName = Literal[
    "lucy-pro-v2v", "lucy-fast-v2v", "lucy-dev-v2v", "lucy-clip", "lucy-clip-latest", "lucy-robot-720p"
]
FirstLastFrameName = Literal["lucy-pro-flf2v"]
MotionName = Literal["lucy-motion", "lucy-motion-latest"]
VideoRestyleName = Literal["lucy-restyle-v2v", "lucy-restyle-2", "lucy-restyle-latest"]
VideoEditName = Literal["lucy-2-v2v", "lucy-2", "lucy-2.1", "lucy-2.5", "lucy-2.6", "lucy-latest"]
VirtualTryOnName = Literal[
    "lucy-2.1-vton", "lucy-vton", "lucy-vton-2", "lucy-2.1-vton-2", "lucy-vton-3", "lucy-vton-3.5",
    "lucy-vton-3.5-4-3", "lucy-vton-3.5-1-1", "lucy-vton-3.6", "lucy-vton-latest",
]  # fmt: skip
TextToImageName = Literal["lucy-pro-t2i"]
ImageToImageName = Literal["lucy-pro-i2i", "lucy-image-2", "lucy-image-latest"]

VideoModelName = (
    TextToVideoName | ImageToVideoName | VideoToVideoName | FirstLastFrameName | MotionName | VideoRestyleName
    | VideoEditName | VirtualTryOnName
)  # fmt: skip
ImageModelName = TextToImageName | ImageToImageName

if TYPE_CHECKING:
    from typing_extensions import TypeVar  # part of every type checker; nothing imports it at run time

    TaskT = TypeVar("TaskT", bound=Task, default=Any, covariant=True)
else:
    from typing import TypeVar

    TaskT = TypeVar("TaskT", covariant=True)

TASKS: tuple[Task, ...] = get_args(Task)
IMAGE_TASKS = ("text-to-image", "image-to-image")


def _text(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, str) or not value.strip():
        raise InvalidInputError(f"ModelDefinition: {attribute.name} must be a non-empty str, not {value!r}.")


def _path(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    _text(instance, attribute, value)
    path = str(value)
    unsafe = any(char in "?#\\ " or not char.isprintable() for char in path)  # lone surrogates are not printable
    if unsafe or not path.startswith("/") or "/../" in f"{path}/":
        raise InvalidInputError(
            f"ModelDefinition: endpoint must be a path like '/v1/jobs/lucy-pro-t2v', without spaces, not {value!r}."
        )


def _task(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if value not in TASKS:
        raise InvalidInputError(f"ModelDefinition: task must be one of {', '.join(TASKS)}, not {value!r}.")


def _endpoint(model: ModelDefinition) -> str:
    return f"/v1/{'generate' if model.task in IMAGE_TASKS else 'jobs'}/{model.name}"


def _names(value: Iterable[str]) -> frozenset[str]:
    return frozenset(value)


@attrs.frozen(kw_only=True)
class ModelDefinition(Generic[TaskT]):
    """A model of the service, from the catalogue or your own.

    Type checkers know the task of a model whose name is a literal, and check the options of a job against it.

    Attributes:
        name: The name that the service knows it by.
        task: What it does; this decides which inputs the model takes.
        endpoint: The path that its inputs go to; ``/v1/jobs/<name>`` by default, for images ``/v1/generate/<name>``.
        fps: Frames per second of its videos, if known.
        width: Width in pixels of a landscape video at 720p, if known.
        height: Height in pixels of a landscape video at 720p, if known.
        resolutions: The accepted values of ``resolution``.
        max_seconds: The longest video that it takes or, without a video as input, that it makes; ``None`` if no limit
            is known. The service decides.
        max_upload_mb: The largest video that it takes, in MB, likewise.
        lacks: Optional inputs of the task that this model does not take.
        alias_of: The canonical name, if this one is deprecated.
        retired: When the service stopped running it ("March 2026"); ``None`` while it runs.

    Example:
        >>> preview = ModelDefinition(name="lucy-preview", task="video-edit")
        >>> preview.endpoint
        '/v1/jobs/lucy-preview'
    """

    name: str = attrs.field(validator=_text)
    task: TaskT = attrs.field(validator=_task)
    endpoint: str = attrs.field(default=attrs.Factory(_endpoint, takes_self=True), validator=_path)
    fps: int | None = None
    width: int | None = None
    height: int | None = None
    resolutions: tuple[Resolution, ...] = ("720p",)
    max_seconds: int | None = None
    max_upload_mb: int | None = None
    lacks: frozenset[str] = attrs.field(default=frozenset(), converter=_names)
    alias_of: str | None = None
    retired: str | None = None


_FIVE = {"max_seconds": 5}
_LARGE = {"fps": 25, "width": 1280, "height": 704}
_BOTH = {**_LARGE, "resolutions": ("720p", "480p")}
_NO_REFERENCE = {"lacks": {"reference_image"}}
_EDIT = {"fps": 20, "width": 1280, "height": 720, "max_upload_mb": 200, "lacks": {"self_anchor"}}
_UNKNOWN_SIZE = {"fps": None, "width": None, "height": None}

_TASKS: dict[Task, tuple[Any, dict[str, Any]]] = {  # task -> the names, and what most of its models have in common
    "text-to-video": (TextToVideoName, {**_BOTH, **_FIVE, "retired": "March 2026"}),
    "image-to-video": (ImageToVideoName, {**_BOTH, **_FIVE, "retired": "March 2026"}),
    "video-to-video": (VideoToVideoName, {**_LARGE, **_FIVE}),
    "first-last-frame": (FirstLastFrameName, {**_BOTH, **_FIVE, "retired": "March 2026"}),
    "motion": (MotionName, {**_LARGE, **_FIVE, "retired": "May 2026"}),
    "video-restyle": (VideoRestyleName, {**_LARGE, "fps": 22, "max_seconds": 1800, "max_upload_mb": 100}),
    "video-edit": (VideoEditName, _EDIT),
    "virtual-try-on": (VirtualTryOnName, _EDIT),
    "text-to-image": (TextToImageName, {**_BOTH, "retired": "March 2026"}),
    "image-to-image": (ImageToImageName, _BOTH),
}
_OLD_TRY_ON = {"width": 1088, "height": 624}
_OWN: dict[str, dict[str, Any]] = {  # name -> what differs from that
    "lucy-dev-i2v": {"resolutions": ("720p",)},
    "lucy-pro-v2v": {"alias_of": "lucy-clip"},
    "lucy-fast-v2v": {**_NO_REFERENCE, "retired": "March 2026"},
    "lucy-dev-v2v": {**_NO_REFERENCE, "max_seconds": None, "retired": "November 2025"},
    "lucy-robot-720p": {**_NO_REFERENCE, **_UNKNOWN_SIZE, "max_seconds": None},
    "lucy-restyle-v2v": {"alias_of": "lucy-restyle-2"},
    "lucy-2-v2v": {"alias_of": "lucy-2", "retired": "April 2026"},
    "lucy-2": {"retired": "April 2026"},
    "lucy-2.5": {"lacks": ()},
    "lucy-latest": {"lacks": ()},
    "lucy-2.1-vton": {**_OLD_TRY_ON, "retired": "June 2026"},
    "lucy-vton": {**_OLD_TRY_ON, "alias_of": "lucy-2.1-vton", "retired": "June 2026"},
    "lucy-vton-2": {**_OLD_TRY_ON, "retired": "September 2026"},
    "lucy-2.1-vton-2": {**_OLD_TRY_ON, "alias_of": "lucy-vton-2", "retired": "September 2026"},
    "lucy-vton-3": {**_OLD_TRY_ON, "retired": "September 2026"},
    "lucy-vton-3.5-4-3": _UNKNOWN_SIZE,
    "lucy-vton-3.5-1-1": _UNKNOWN_SIZE,
    "lucy-pro-i2i": {"alias_of": "lucy-image-2"},
}
_MODELS: dict[str, ModelDefinition] = {
    name: ModelDefinition(**{"name": name, "task": task, **common, **_OWN.get(name, {})})
    for task, (names_of_task, common) in _TASKS.items()
    for name in get_args(names_of_task)
}
_silent = {"lucy-pro-v2v"}  # the alias that the documented page uses, and those that have warned


@overload
def video(name: TextToVideoName) -> ModelDefinition[Literal["text-to-video"]]: ...
@overload
def video(name: ImageToVideoName) -> ModelDefinition[Literal["image-to-video"]]: ...
@overload
def video(name: VideoToVideoName) -> ModelDefinition[Literal["video-to-video"]]: ...
@overload
def video(name: FirstLastFrameName) -> ModelDefinition[Literal["first-last-frame"]]: ...
@overload
def video(name: MotionName) -> ModelDefinition[Literal["motion"]]: ...
@overload
def video(name: VideoRestyleName) -> ModelDefinition[Literal["video-restyle"]]: ...
@overload
def video(name: VideoEditName) -> ModelDefinition[Literal["video-edit"]]: ...
@overload
def video(name: VirtualTryOnName) -> ModelDefinition[Literal["virtual-try-on"]]: ...
@overload
def video(name: str) -> ModelDefinition: ...
def video(name: str) -> ModelDefinition:
    """Return the video model with that name.

    Args:
        name: A name from the catalogue, such as ``"lucy-pro-t2v"``; see ``names()``.

    Raises:
        ModelNotFoundError: No video model has that name.

    Example:
        >>> video("lucy-pro-t2v").task
        'text-to-video'
    """
    return _find(name, "video")


@overload
def image(name: TextToImageName) -> ModelDefinition[Literal["text-to-image"]]: ...
@overload
def image(name: ImageToImageName) -> ModelDefinition[Literal["image-to-image"]]: ...
@overload
def image(name: str) -> ModelDefinition: ...
def image(name: str) -> ModelDefinition:
    """Return the image model with that name.

    Args:
        name: A name from the catalogue, such as ``"lucy-image-2"``; see ``names()``.

    Raises:
        ModelNotFoundError: No image model has that name.

    Example:
        >>> image("lucy-image-2").task
        'image-to-image'
    """
    return _find(name, "image")


def names() -> tuple[str, ...]:
    """Return every name in the catalogue, including retired and deprecated ones.

    Example:
        >>> "lucy-pro-t2v" in names()
        True
    """
    return tuple(_MODELS)


def known(name: str) -> ModelDefinition | None:
    """Return the catalogue's entry for ``name``, or ``None``, without a deprecation warning."""
    return _MODELS.get(name)


def current(task: Task) -> tuple[str, ...]:
    """Return the names of the models that do a task now, without deprecated aliases.

    Example:
        >>> current("video-to-video")
        ('lucy-clip', 'lucy-clip-latest', 'lucy-robot-720p')
    """
    return tuple(m.name for m in _MODELS.values() if m.task == task and not m.retired and not m.alias_of)


def retirement(model: ModelDefinition) -> str:
    """Return the sentences that say when ``model`` was retired and which models do the same task now."""
    others = current(model.task)
    instead = f"Models for {model.task}: {', '.join(others)}." if others else f"No current model does {model.task}."
    return f"{model.name} was retired in {model.retired}. {instead}"


def makes(model: ModelDefinition) -> Literal["image", "video"]:
    """Say what a model makes."""
    return "image" if model.task in IMAGE_TASKS else "video"


def _find(name: str, kind: str) -> ModelDefinition:
    model = _MODELS.get(name) if isinstance(name, str) else None
    if model is None or makes(model) != kind:
        raise _not_found(str(name)[:100], kind, model)
    if model.alias_of and name not in _silent:
        _silent.add(name)
        warnings.warn(
            f"The model name {name!r} is deprecated; {model.alias_of!r} is the same model.",
            DeprecationWarning,
            stacklevel=3,
        )
    return model


def _not_found(name: str, kind: str, other: ModelDefinition | None) -> ModelNotFoundError:
    import difflib  # slow to load, and needed for mistakes only

    if other is not None:
        hint = f"Use models.{makes(other)}({name!r}) instead."
    else:
        meant = name.strip().lower().replace("_", "-")
        candidates = [m.name for m in _MODELS.values() if makes(m) == kind]
        # near as a whole, and without the prefix that makes all names alike
        close = {match.removeprefix("lucy-"): match for match in difflib.get_close_matches(meant, candidates, n=9)}
        near = [close[end] for end in difflib.get_close_matches(meant.removeprefix("lucy-"), close, n=3)]
        near = [meant] if meant in near else near
        hint = f"Did you mean {' or '.join(map(repr, near))}?" if near else "models.names() lists them all."
    return ModelNotFoundError(f"There is no {kind} model named {name!r}. {hint}", model=name)
