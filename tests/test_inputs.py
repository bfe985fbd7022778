"""`decart.inputs`: the inputs of each task, their limits, and the one-sentence errors for anything else."""

from __future__ import annotations

import math
import pathlib
import pickle
import re
from typing import Any

import attrs
import pytest

from decart import (
    FirstLastFrameInput,
    ImageToImageInput,
    ImageToMotionVideoInput,
    ImageToVideoInput,
    InvalidInputError,
    JobInput,
    ModelDefinition,
    TextToImageInput,
    TextToVideoInput,
    VideoEditInput,
    VideoRestyleInput,
    VideoToVideoInput,
    models,
)
from decart.inputs import SEED_MAX
from decart.options import from_options, input_class

FILE = b"a file"
PATH = [{"frame": 0, "x": 0.5, "y": 0.5}, {"frame": 24, "x": 0.75, "y": 0.25}]
PROMPT = {"prompt": "A lake"}

# class, a model of its task, and the least that it needs
LEAST: list[tuple[type[JobInput], str, dict[str, Any]]] = [
    (TextToVideoInput, "lucy-pro-t2v", PROMPT),
    (ImageToVideoInput, "lucy-pro-i2v", {**PROMPT, "data": FILE}),
    (VideoToVideoInput, "lucy-clip", {**PROMPT, "data": FILE}),
    (FirstLastFrameInput, "lucy-pro-flf2v", {**PROMPT, "start": FILE, "end": FILE}),
    (ImageToMotionVideoInput, "lucy-motion", {"data": FILE, "trajectory": PATH}),
    (VideoRestyleInput, "lucy-restyle-2", {**PROMPT, "data": FILE}),
    (VideoEditInput, "lucy-2.5", {"data": FILE}),
    (VideoEditInput, "lucy-vton-3.6", {"data": FILE}),
    (TextToImageInput, "lucy-pro-t2i", PROMPT),
    (ImageToImageInput, "lucy-image-2", {**PROMPT, "data": FILE}),
]
EACH = pytest.mark.parametrize(("kind", "model", "least"), LEAST, ids=[row[1] for row in LEAST])


class IntLike:
    """An integer like those of numpy."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value


class NotQuiteInt:
    """An array like those of numpy: it has the method, which raises."""

    def __index__(self) -> int:
        raise TypeError("only integer scalar arrays can be converted to a scalar index")


def known(name: str) -> ModelDefinition:
    model = models.known(name)
    assert model is not None
    return model


def made(name: str, /, **changes: Any) -> Any:
    """Create the input of a model from its required fields and the changes."""
    model = known(name)
    least = next(least for kind, _, least in LEAST if kind is input_class(model))
    return input_class(model)(**{"model": model, **least, **changes})


def refused(text: str, name: str, /, **changes: Any) -> None:
    """Check that it is refused by one printable sentence that contains ``text``."""
    with pytest.raises(InvalidInputError) as caught:
        made(name, **changes)
    message = caught.value.message
    assert text in message
    assert message.endswith(".") and "\n" not in message and len(message) < 300
    assert message.encode()


@EACH
def test_the_least_that_a_task_needs_is_enough(kind: type[JobInput], model: str, least: dict[str, Any]) -> None:
    job = kind(model=known(model), **least)
    assert type(job) is kind is input_class(known(model))
    given = {"model", *least}
    assert {name for name, value in attrs.asdict(job, recurse=False).items() if value is not None} == given


@EACH
def test_a_required_input_cannot_be_none(kind: type[JobInput], model: str, least: dict[str, Any]) -> None:
    for name in least:
        refused(name, model, **{name: None})


@EACH
def test_an_input_cannot_be_changed(kind: type[JobInput], model: str, least: dict[str, Any]) -> None:
    with pytest.raises(AttributeError):
        made(model).seed = 5


@EACH
def test_an_input_accepts_keyword_arguments_only(kind: Any, model: str, least: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        kind(known(model), *least.values())


@EACH
def test_an_input_of_bytes_can_be_pickled(kind: type[JobInput], model: str, least: dict[str, Any]) -> None:
    assert pickle.loads(pickle.dumps(made(model))) == made(model)


@EACH
def test_a_repr_shows_no_file(kind: type[JobInput], model: str, least: dict[str, Any]) -> None:
    assert "a file" not in repr(made(model))


def test_every_class_has_a_model_of_the_catalogue() -> None:
    assert {input_class(known(name)) for name in models.names()} == {kind for kind, _, _ in LEAST}


@EACH
def test_an_input_is_only_for_models_of_its_task(kind: type[JobInput], model: str, least: dict[str, Any]) -> None:
    for name in models.names():
        wanted = input_class(known(name))
        if wanted is not kind:
            tasks = " or ".join(kind.tasks)
            sentence = f"{kind.__name__} is for {tasks} models, and {name} is a model for {known(name).task}."
            with pytest.raises(InvalidInputError, match=f"^{re.escape(sentence)}$"):
                kind(model=known(name), **least)


@EACH
def test_a_users_subclass_is_an_input_of_the_same_models(kind: Any, model: str, least: dict[str, Any]) -> None:
    class Mine(kind):
        """A custom input."""

    job = Mine(model=known(model), **least)
    assert isinstance(job, kind) and from_options(job) is job
    other = "lucy-pro-t2i" if model != "lucy-pro-t2i" else "lucy-pro-t2v"
    with pytest.raises(InvalidInputError, match=rf"^Mine is for [-a-z ]+ models, and {other} is a model for "):
        Mine(model=known(other), **least)


def test_no_input_class_is_a_subclass_of_another() -> None:
    kinds = {kind for kind, _, _ in LEAST}
    assert [(a, b) for a in kinds for b in kinds - {a} if issubclass(a, b)] == []


def test_the_base_class_is_the_input_of_no_model() -> None:
    with pytest.raises(
        InvalidInputError, match="^JobInput is for subclassing, and lucy-pro-t2v is a model for text-to-video\\.$"
    ):
        JobInput(model=known("lucy-pro-t2v"))


def test_a_custom_model_accepts_the_inputs_of_its_task() -> None:
    model = ModelDefinition(name="preview", task="text-to-video", resolutions=("480p",), lacks={"orientation"})  # type: ignore[arg-type]
    job = TextToVideoInput(model=model, prompt="A lake", resolution="480p")
    assert job.model is model
    with pytest.raises(InvalidInputError, match="^resolution must be '480p' for preview, not '720p'.$"):
        attrs.evolve(job, resolution="720p")
    with pytest.raises(InvalidInputError, match="^preview does not accept orientation.$"):
        attrs.evolve(job, orientation="portrait")


@pytest.mark.parametrize(
    ("model", "write"),
    [
        ("lucy-2.5", "write models.video('lucy-2.5')."),
        ("lucy-image-2", "write models.image('lucy-image-2')."),
        (None, "write models.video('lucy-2.5')."),
        (5, "write models.video('lucy-2.5')."),
        (models, "write models.video('lucy-2.5')."),
    ],
)
def test_the_error_for_a_model_of_none_says_what_to_write(model: Any, write: str) -> None:
    refused(f"model must be a ModelDefinition; {write}", "lucy-pro-t2v", model=model)


# seed


@EACH
@pytest.mark.parametrize("seed", [0, 1, 4_294_967_295, None])
def test_every_task_takes_a_seed_within_its_bounds(kind: Any, model: str, least: Any, seed: int | None) -> None:
    assert made(model, seed=seed).seed == seed
    assert SEED_MAX == 4_294_967_295


@EACH
@pytest.mark.parametrize(
    "seed", [-1, 2**32, -(2**70), True, False, "5", 5.0, math.nan, b"5", [5], NotQuiteInt(), IntLike(-1), int]
)
def test_any_other_seed_is_refused(kind: Any, model: str, least: Any, seed: Any) -> None:
    refused("seed must be an int from 0 to 4294967295, not ", model, seed=seed)


def test_an_integer_of_another_library_becomes_an_int() -> None:
    seed = made("lucy-pro-t2v", seed=IntLike(7)).seed
    assert (seed, type(seed)) == (7, int)


# resolution


@pytest.mark.parametrize("name", models.names())
def test_a_resolution_is_one_that_the_model_makes(name: str) -> None:
    for resolution in ("720p", "480p"):
        if resolution in known(name).resolutions:
            assert made(name, resolution=resolution).resolution == resolution
        else:
            refused(f"resolution must be '720p' for {name}, not '480p'.", name, resolution=resolution)
    assert made(name).resolution is None


@EACH
@pytest.mark.parametrize("resolution", ["1080p", "9999p", "", "720P", 720, b"720p", ["720p"], False])
def test_any_other_resolution_is_refused(kind: Any, model: str, least: Any, resolution: Any) -> None:
    refused("resolution must be '720p'", model, resolution=resolution)


def test_the_choice_of_resolutions_is_named() -> None:
    refused("resolution must be '720p' or '480p' for lucy-pro-t2v, not '1080p'.", "lucy-pro-t2v", resolution="1080p")


# orientation


@pytest.mark.parametrize("model", ["lucy-pro-t2v", "lucy-pro-t2i"])
def test_a_picture_is_portrait_or_landscape(model: str) -> None:
    assert made(model).orientation is None
    assert made(model, orientation="portrait").orientation == "portrait"
    assert made(model, orientation="landscape").orientation == "landscape"
    for wrong in ("square", "", "Portrait", 5, ["portrait"]):
        refused("orientation must be 'landscape' or 'portrait', not ", model, orientation=wrong)


# prompt

WITH_PROMPT = pytest.mark.parametrize("model", [row[1] for row in LEAST if row[1] != "lucy-motion"])
PROMPT_NEEDED = pytest.mark.parametrize("model", [row[1] for row in LEAST if "prompt" in row[2]])


@WITH_PROMPT
@pytest.mark.parametrize("prompt", ["x", "a" * 5000, "湖\n\t🌅", " padded "])
def test_a_prompt_may_have_any_length_and_is_stored_unchanged(model: str, prompt: str) -> None:
    assert made(model, prompt=prompt).prompt == prompt


@PROMPT_NEEDED
@pytest.mark.parametrize("prompt", ["", " ", "\n\t "])
def test_a_prompt_that_is_needed_is_not_empty(model: str, prompt: str) -> None:
    refused("prompt must not be empty.", model, prompt=prompt)


@pytest.mark.parametrize("model", ["lucy-2.5", "lucy-2.1", "lucy-latest", "lucy-vton-3.6"])
@pytest.mark.parametrize("prompt", ["", " ", None])
def test_an_edit_may_have_an_empty_prompt_or_none(model: str, prompt: str | None) -> None:
    assert made(model, prompt=prompt).prompt == prompt


@WITH_PROMPT
@pytest.mark.parametrize("prompt", [5, b"A lake", ["A lake"], True])
def test_a_prompt_is_a_text(model: str, prompt: Any) -> None:
    refused("prompt must be a str, not ", model, prompt=prompt)


@WITH_PROMPT
def test_a_lone_surrogate_in_a_prompt_is_refused(model: str) -> None:
    refused("prompt contains a lone surrogate, which UTF-8 cannot encode.", model, prompt="A lake \ud83c")


def test_a_long_value_is_not_repeated_at_length() -> None:
    refused("prompt must be a str, not b'", "lucy-pro-t2v", prompt=b"a" * 1_000_000)


# enhance_prompt and self_anchor


@pytest.mark.parametrize("model", ["lucy-clip", "lucy-restyle-2", "lucy-2.5", "lucy-vton-3.6", "lucy-image-2"])
def test_enhance_prompt_is_true_or_false(model: str) -> None:
    assert made(model, enhance_prompt=True, prompt="x").enhance_prompt is True
    assert made(model, enhance_prompt=False, prompt="x").enhance_prompt is False
    for wrong in ("true", 1, 0, "", []):
        refused("enhance_prompt must be True or False, not ", model, enhance_prompt=wrong, prompt="x")


@pytest.mark.parametrize("name", [name for name in models.names() if input_class(known(name)) is VideoEditInput])
def test_only_two_models_take_self_anchor(name: str) -> None:
    if name in ("lucy-2.5", "lucy-latest"):
        assert made(name, self_anchor=False).self_anchor is False
        refused("self_anchor must be True or False, not 'no'.", name, self_anchor="no")
    else:
        refused(f"{name} does not accept self_anchor.", name, self_anchor=True)
        refused(f"{name} does not accept self_anchor.", name, self_anchor=False)


# files


@pytest.mark.parametrize("name", ["lucy-fast-v2v", "lucy-dev-v2v", "lucy-robot-720p"])
def test_these_models_take_no_reference_image(name: str) -> None:
    assert made(name, reference_image=None).reference_image is None
    refused(f"{name} does not accept reference_image.", name, reference_image=FILE)


@pytest.mark.parametrize("name", ["lucy-clip", "lucy-2.5", "lucy-vton-3.6", "lucy-image-2"])
def test_a_reference_image_may_go_with_a_prompt(name: str) -> None:
    assert made(name, prompt="x", reference_image=FILE).reference_image == FILE


@pytest.mark.parametrize("name", ["data", "start", "end"])
def test_the_error_for_a_missing_file_says_what_it_may_be(name: str) -> None:
    model = "lucy-clip" if name == "data" else "lucy-pro-flf2v"
    refused(f"{name} is missing: pass bytes, a pathlib.Path or an open binary file.", model, **{name: None})


def test_an_input_does_not_read_its_file() -> None:
    assert made("lucy-clip", data=pathlib.Path("not-there.mp4")).data == pathlib.Path("not-there.mp4")


# restyle


@pytest.mark.parametrize("model", ["lucy-restyle-2", "lucy-restyle-latest", "lucy-restyle-v2v"])
def test_a_style_is_given_by_a_prompt_or_by_an_image(model: str) -> None:
    assert made(model, prompt="oil", reference_image=None).prompt == "oil"
    assert made(model, prompt=None, reference_image=FILE).reference_image == FILE
    sentence = "Pass exactly one of prompt and reference_image."
    refused(sentence, model, prompt="oil", reference_image=FILE)
    refused(sentence, model, prompt=None, reference_image=None)


@pytest.mark.parametrize("value", [True, False])
def test_enhance_prompt_needs_a_prompt_to_enhance(value: bool) -> None:
    sentence = "enhance_prompt requires a prompt; it cannot be used with a reference_image."
    refused(sentence, "lucy-restyle-2", prompt=None, reference_image=FILE, enhance_prompt=value)


def test_a_number_too_large_to_write_out_is_refused_in_words() -> None:
    with pytest.raises(InvalidInputError, match="seed must be an int from 0 to 4294967295, not a number far too large"):
        TextToVideoInput(model=models.video("lucy-pro-t2v"), prompt="x", seed=10**5000)
