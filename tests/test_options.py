"""`decart.options`: the dict of the documented page, validated and not modified."""

from __future__ import annotations

import copy
import inspect
import io
import types
import typing
from typing import Any, Literal, Required, get_args, get_origin, get_type_hints

import attrs
import pytest
from support.fakes import FakeTransport, client_of

from decart import (
    DecartClient,
    ImageOptions,
    InvalidInputError,
    JobOptions,
    ModelDefinition,
    QueueClient,
    TextToVideoInput,
    file_inputs,
    models,
    uploads,
)
from decart.options import callback_of, from_options, input_class

FILE = b"a file"
T2V = models.video("lucy-pro-t2v")
LAKE: Any = {"model": T2V, "prompt": "A lake"}
POINT = {"frame": 0, "x": 0.5, "y": 0.5}


def known(name: str) -> ModelDefinition:
    model = models.known(name)
    assert model is not None
    return model


def refused(text: str, options: Any) -> None:
    """Check that the options are refused in one printable sentence, with ``text`` in it."""
    with pytest.raises(InvalidInputError) as caught:
        from_options(options)
    message = caught.value.message
    assert text in message
    assert message.endswith((".", "?")) and "\n" not in message and len(message) < 300
    assert message.encode()


def full(name: str) -> dict[str, Any]:
    """Return all options that a model accepts."""
    values: dict[str, Any] = {"prompt": "A lake", "seed": 5, "resolution": "720p", "orientation": "portrait"}
    values.update({"data": FILE, "start": FILE, "end": FILE, "reference_image": FILE})
    values.update({"trajectory": [POINT, POINT], "enhance_prompt": True, "self_anchor": False})
    model = known(name)
    takes = {field.name for field in input_class(model).__attrs_attrs__} - model.lacks  # type: ignore[attr-defined]
    if model.task == "video-restyle":
        takes -= {"reference_image"}
    return {"model": model, **{key: value for key, value in values.items() if key in takes}}


@pytest.mark.parametrize("name", models.names())
def test_a_dict_becomes_the_input_of_the_model(name: str) -> None:
    options = full(name)
    job = from_options(options)  # type: ignore[arg-type]
    assert type(job) is input_class(known(name))
    assert job == input_class(known(name))(**options)
    assert job.seed == 5


@pytest.mark.parametrize("name", models.names())
def test_the_dict_of_the_caller_is_left_as_it_is(name: str) -> None:
    options = full(name) if models.makes(known(name)) == "image" else {**full(name), "on_status_change": print}
    before = copy.copy(options)
    from_options(options)  # type: ignore[arg-type]
    from_options(options)  # type: ignore[arg-type]
    assert options == before and list(options) == list(before)
    assert all(options[key] is before[key] for key in options)


def test_an_object_is_returned_as_it_is() -> None:
    job = TextToVideoInput(model=T2V, prompt="A lake")
    assert from_options(job) is job


def test_any_mapping_will_do() -> None:
    frozen: Any = types.MappingProxyType(LAKE)
    assert from_options(frozen) == from_options(LAKE)


@pytest.mark.parametrize("options", [None, 5, "lucy-pro-t2v", b"", ["model"], [("model", T2V)], T2V])
def test_options_are_a_dict_or_an_input(options: Any) -> None:
    refused("options must be a dict or one of the input classes, not ", options)


@pytest.mark.parametrize("options", [{}, {"prompt": "x"}, {"model": None}, {"model": 5, "prompt": "x"}])
def test_the_error_for_a_missing_model_says_what_to_write(options: Any) -> None:
    refused("model must be a ModelDefinition; write models.video('lucy-2.5').", options)


@pytest.mark.parametrize("options", [{}, {"prompt": "x"}, {"model": "lucy-image-2", "prompt": "x"}])
def test_where_an_image_is_made_it_names_an_image_model(options: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"write models\.image\('lucy-image-2'\)\."):
        from_options(options, "image")


def test_a_name_is_not_a_model() -> None:
    refused("model must be a ModelDefinition; write models.video('lucy-2.5').", {"model": "lucy-2.5"})


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("promt", "prompt"),
        ("Prompt", "prompt"),
        ("sed", "seed"),
        ("resolutions", "resolution"),
        ("on_status_changed", "on_status_change"),
        ("onStatusChange", "on_status_change"),
    ],
)
@pytest.mark.parametrize("value", ["x", None])
def test_the_error_for_an_unknown_key_suggests_the_nearest_known_one(key: str, near: str, value: Any) -> None:
    refused(f"{key!r} is not an option of lucy-pro-t2v; did you mean '{near}'?", {**LAKE, key: value})


@pytest.mark.parametrize("key", ["", "\ud800", "a\nb", "x" * 10_000, 5, None, ("a",), b"prompt"])
def test_the_strangest_key_is_an_unknown_one(key: Any) -> None:
    accepted = "seed, resolution, prompt, orientation."
    hint = "did you mean 'prompt'?" if key == b"prompt" else f"it accepts {accepted}"
    refused(f"is not an option of lucy-pro-t2v; {hint}", {**LAKE, key: 1})


@pytest.mark.parametrize("key", ["quality", "callback", "size", "negative", "name"])
def test_an_unknown_key_without_a_near_match_gets_no_suggestion(key: str) -> None:
    refused(f"{key!r} is not an option of lucy-pro-t2v; it accepts seed, resolution, ", {**LAKE, key: 1})


@pytest.mark.parametrize("key", ["poll", "cancel", "save_to", "progress", "retry", "timeout"])
def test_the_error_for_a_keyword_argument_in_the_dict_says_where_it_belongs(key: str) -> None:
    call = "DecartClient(" if key in ("retry", "timeout") else "client.queue.submit_and_poll(options, "
    refused(f"{key} is a keyword argument, not an option; write {call}{key}=...).", {**LAKE, key: None})
    assert key in inspect.signature(DecartClient if "Client" in call else QueueClient.submit_and_poll).parameters


@pytest.mark.parametrize("key", ["cancel", "save_to", "progress"])
def test_the_error_for_a_keyword_argument_of_an_image_names_the_call_for_images(key: str) -> None:
    rule = f"{key} is a keyword argument, not an option; write client.process(options, {key}=...)."
    refused(rule, {**full("lucy-image-2"), key: None})
    assert key in inspect.signature(DecartClient.process).parameters


@pytest.mark.parametrize("key", ["poll", "on_status_change"])
def test_an_image_has_no_status_to_wait_for(key: str) -> None:
    refused(key, {**full("lucy-image-2"), key: None})


@pytest.mark.parametrize(
    ("name", "expected", "call"),
    [("lucy-image-2", "video", "client.process"), ("lucy-clip", "image", "client.queue.submit_and_poll")],
)
def test_a_model_that_makes_something_else_is_refused_with_the_call_to_use(
    name: str, expected: Literal["image", "video"], call: str
) -> None:
    options: Any = full(name)
    for given in (options, input_class(known(name))(**options), {"model": known(name)}):
        with pytest.raises(InvalidInputError, match=f"{name} makes an? .*; write {call}\\(...\\). Nothing was sent."):
            from_options(given, expected)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("lucy-pro-t2v", "data"),
        ("lucy-pro-t2v", "trajectory"),
        ("lucy-pro-i2v", "reference_image"),
        ("lucy-pro-i2v", "orientation"),
        ("lucy-clip", "start"),
        ("lucy-clip", "self_anchor"),
        ("lucy-motion", "prompt"),
        ("lucy-pro-flf2v", "data"),
    ],
)
def test_the_error_for_a_key_of_another_task_says_what_this_model_accepts(name: str, key: str) -> None:
    takes = ", ".join(field for field in _fields(name) if field != "model")
    refused(f"{name} does not accept {key}; it accepts {takes}.", {**full(name), key: FILE})


def _fields(name: str) -> list[str]:
    return [field.name for field in input_class(known(name)).__attrs_attrs__]  # type: ignore[attr-defined]


def test_the_error_for_an_unaccepted_input_lists_the_accepted_ones() -> None:
    with pytest.raises(InvalidInputError, match="^lucy-robot-720p does not accept start; it accepts ") as caught:
        from_options({**full("lucy-robot-720p"), "start": FILE})  # type: ignore[arg-type]
    assert "data" in caught.value.message and "reference_image" not in caught.value.message


@pytest.mark.parametrize(
    ("name", "key"),
    [("lucy-fast-v2v", "reference_image"), ("lucy-2.1", "self_anchor"), ("lucy-vton-3.6", "self_anchor")],
)
def test_an_option_that_this_one_model_lacks_is_refused(name: str, key: str) -> None:
    value = FILE if key == "reference_image" else True
    refused(f"{name} does not accept {key}.", {**full(name), key: value})


NEEDED = [
    ("lucy-pro-t2v", "prompt"),
    ("lucy-pro-i2v", "prompt"),
    ("lucy-pro-i2v", "data"),
    ("lucy-clip", "data"),
    ("lucy-pro-flf2v", "start"),
    ("lucy-pro-flf2v", "end"),
    ("lucy-motion", "data"),
    ("lucy-motion", "trajectory"),
    ("lucy-restyle-2", "data"),
    ("lucy-2.5", "data"),
    ("lucy-image-2", "data"),
]


@pytest.mark.parametrize(("name", "key"), NEEDED)
@pytest.mark.parametrize("how", ["left out", "None"])
def test_the_error_for_a_missing_input_names_it(name: str, key: str, how: str) -> None:
    options = {**full(name), key: None}
    if how == "left out":
        del options[key]
    is_file = key in ("data", "start", "end")
    kind = " (bytes, pathlib.Path or an open binary file)" if is_file else ""
    refused(f"{key} is missing: {name} requires it{kind}.", options)


@pytest.mark.parametrize("name", ["lucy-clip", "lucy-fast-v2v", "lucy-2.1", "lucy-restyle-2"])
def test_none_means_not_given_for_optional_inputs(name: str) -> None:
    needed = {"model", "prompt", "data"}
    options: Any = {key: value if key in needed else None for key, value in full(name).items()}
    nothing = dict.fromkeys(set(_fields(name)) - set(options))
    assert from_options({**options, **nothing}) == from_options({key: options[key] for key in needed})


def test_a_picture_of_none_with_a_prompt_is_a_restyle_by_prompt() -> None:
    options: Any = {**full("lucy-restyle-2"), "reference_image": None}
    assert from_options(options).prompt == "A lake"  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["lucy-2.5", "lucy-vton-3.6"])
def test_an_empty_prompt_is_stored_if_the_model_allows_it(name: str) -> None:
    assert from_options({**full(name), "prompt": ""}).prompt == ""  # type: ignore


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"seed": -1}, "seed must be an int from 0 to 4294967295, not -1."),
        ({"seed": True}, "seed must be an int"),
        ({"seed": "5"}, "seed must be an int from 0 to 4294967295, not '5'."),
        ({"resolution": "1080p"}, "resolution must be '720p' or '480p' for lucy-pro-t2v, not '1080p'."),
        ({"orientation": "square"}, "orientation must be 'landscape' or 'portrait', not 'square'."),
        ({"prompt": ""}, "prompt must not be empty."),
        ({"prompt": 5}, "prompt must be a str, not 5."),
    ],
)
def test_the_limits_of_the_input_classes_apply_to_a_dict(changes: dict[str, Any], text: str) -> None:
    refused(text, {**LAKE, **changes})


def test_a_seed_of_zero_is_given() -> None:
    assert from_options({**LAKE, "seed": 0}).seed == 0


def test_a_file_is_handed_on_unread() -> None:
    file = io.BytesIO(FILE)
    options: Any = {"model": known("lucy-clip"), "prompt": "x", "data": file}
    assert from_options(options).data is file and file.tell() == 0  # type: ignore[attr-defined]


def test_each_task_has_a_typed_dict_that_requires_what_its_input_requires() -> None:
    names = {**vars(typing), **vars(uploads), **vars(file_inputs)}  # what type checkers see beneath TYPE_CHECKING
    seen = set()
    for options in get_args(JobOptions | ImageOptions):
        hints = get_type_hints(options, localns=names, include_extras=True)
        required = {name for name, hint in hints.items() if get_origin(hint) is Required}
        (model,) = get_args(hints["model"])
        for task in get_args(get_args(model)[0]):
            kind = input_class(ModelDefinition(name="m", task=task))
            fields = attrs.fields_dict(kind)
            assert kind.__name__ == options.__name__.replace("Options", "Input")
            callback = {"on_status_change"} if options in get_args(JobOptions) else set()
            assert set(hints) == callback | set(fields)
            assert required == {name for name, field in fields.items() if field.default is attrs.NOTHING}
            seen.add(task)
    assert seen == set(models.TASKS)


# the callback


def test_the_callback_may_be_in_the_dict_or_a_keyword() -> None:
    assert callback_of({**LAKE, "on_status_change": print}, None) is print
    assert callback_of(LAKE, print) is print
    assert callback_of({**LAKE, "on_status_change": None}, print) is print
    assert callback_of(TextToVideoInput(model=T2V, prompt="x"), print) is print


@pytest.mark.parametrize("options", [LAKE, {**LAKE, "on_status_change": None}, TextToVideoInput(model=T2V, prompt="x")])
def test_no_callback_is_none(options: Any) -> None:
    assert callback_of(options, None) is None


def test_a_callback_is_not_given_twice() -> None:
    with pytest.raises(InvalidInputError, match="^on_status_change is given twice, in the options and as a keyword.$"):
        callback_of({**LAKE, "on_status_change": print}, print)


@pytest.mark.parametrize("value", ["print", 5, False, 0, [], {}])
@pytest.mark.parametrize("where", ["dict", "keyword"])
def test_a_callback_can_be_called(value: Any, where: str) -> None:
    options = {**LAKE, "on_status_change": value} if where == "dict" else LAKE
    transport = FakeTransport()
    with pytest.raises(InvalidInputError, match="^on_status_change must be callable, not "):
        client_of(transport).queue.submit_and_poll(options, on_status_change=value if where == "keyword" else None)
    assert transport.sent == []


def test_the_callback_is_not_a_field_of_the_job() -> None:
    assert from_options({**LAKE, "on_status_change": print}) == from_options(LAKE)
