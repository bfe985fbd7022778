"""`decart.models`: every model of the service is in the catalogue, as the service knows it."""

from __future__ import annotations

import pickle
import subprocess
import sys
import warnings
from typing import Any, get_args, get_overloads, get_type_hints

import attrs
import pytest

from decart import InvalidInputError, ModelDefinition, ModelNotFoundError, models

S704, S720, S624, NONE = (1280, 704), (1280, 720), (1088, 624), (None, None)
BOTH, HIGH = ("720p", "480p"), ("720p",)

# the catalogue once more, as it was published: name, task, fps, size, resolutions, alias of, gone since
TABLE: list[tuple[str, str, int | None, tuple[int | None, int | None], tuple[str, ...], str | None, str | None]] = [
    ("lucy-pro-t2v", "text-to-video", 25, S704, BOTH, None, "March 2026"),
    ("lucy-pro-i2v", "image-to-video", 25, S704, BOTH, None, "March 2026"),
    ("lucy-dev-i2v", "image-to-video", 25, S704, HIGH, None, "March 2026"),
    ("lucy-pro-v2v", "video-to-video", 25, S704, HIGH, "lucy-clip", None),
    ("lucy-clip", "video-to-video", 25, S704, HIGH, None, None),
    ("lucy-clip-latest", "video-to-video", 25, S704, HIGH, None, None),
    ("lucy-fast-v2v", "video-to-video", 25, S704, HIGH, None, "March 2026"),
    ("lucy-dev-v2v", "video-to-video", 25, S704, HIGH, None, "November 2025"),
    ("lucy-robot-720p", "video-to-video", None, NONE, HIGH, None, None),
    ("lucy-pro-flf2v", "first-last-frame", 25, S704, BOTH, None, "March 2026"),
    ("lucy-motion", "motion", 25, S704, HIGH, None, "May 2026"),
    ("lucy-motion-latest", "motion", 25, S704, HIGH, None, "May 2026"),
    ("lucy-restyle-v2v", "video-restyle", 22, S704, HIGH, "lucy-restyle-2", None),
    ("lucy-restyle-2", "video-restyle", 22, S704, HIGH, None, None),
    ("lucy-restyle-latest", "video-restyle", 22, S704, HIGH, None, None),
    ("lucy-2-v2v", "video-edit", 20, S720, HIGH, "lucy-2", "April 2026"),
    ("lucy-2", "video-edit", 20, S720, HIGH, None, "April 2026"),
    ("lucy-2.1", "video-edit", 20, S720, HIGH, None, None),
    ("lucy-latest", "video-edit", 20, S720, HIGH, None, None),
    ("lucy-2.5", "video-edit", 20, S720, HIGH, None, None),
    ("lucy-2.6", "video-edit", 20, S720, HIGH, None, None),
    ("lucy-2.1-vton", "virtual-try-on", 20, S624, HIGH, None, "June 2026"),
    ("lucy-vton", "virtual-try-on", 20, S624, HIGH, "lucy-2.1-vton", "June 2026"),
    ("lucy-vton-2", "virtual-try-on", 20, S624, HIGH, None, "September 2026"),
    ("lucy-2.1-vton-2", "virtual-try-on", 20, S624, HIGH, "lucy-vton-2", "September 2026"),
    ("lucy-vton-3", "virtual-try-on", 20, S624, HIGH, None, "September 2026"),
    ("lucy-vton-3.5", "virtual-try-on", 20, S720, HIGH, None, None),
    ("lucy-vton-3.5-4-3", "virtual-try-on", None, NONE, HIGH, None, None),
    ("lucy-vton-3.5-1-1", "virtual-try-on", None, NONE, HIGH, None, None),
    ("lucy-vton-3.6", "virtual-try-on", 20, S720, HIGH, None, None),
    ("lucy-vton-latest", "virtual-try-on", 20, S720, HIGH, None, None),
    ("lucy-pro-t2i", "text-to-image", 25, S704, BOTH, None, "March 2026"),
    ("lucy-pro-i2i", "image-to-image", 25, S704, BOTH, "lucy-image-2", None),
    ("lucy-image-2", "image-to-image", 25, S704, BOTH, None, None),
    ("lucy-image-latest", "image-to-image", 25, S704, BOTH, None, None),
]
NAMES = [row[0] for row in TABLE]
IMAGES = [row[0] for row in TABLE if row[1].endswith("-to-image")]
VIDEOS = [name for name in NAMES if name not in IMAGES]
ALIASES = {row[0]: row[5] for row in TABLE if row[5]}


def run(code: str) -> str:
    """Run code in a process of its own, in which no alias has warned yet."""
    done = subprocess.run([sys.executable, "-W", "always", "-c", code], capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


def find(name: str) -> ModelDefinition:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return models.image(name) if name in IMAGES else models.video(name)


@pytest.mark.parametrize("row", TABLE, ids=NAMES)
def test_a_model_is_in_the_catalogue_as_the_service_knows_it(row: Any) -> None:
    name, task, fps, size, resolutions, alias_of, retired = row
    model = find(name)
    kind = "generate" if name in IMAGES else "jobs"
    assert (model.name, model.task, model.endpoint) == (name, task, f"/v1/{kind}/{name}")
    assert (model.fps, (model.width, model.height), model.resolutions) == (fps, size, resolutions)
    assert (model.alias_of, model.retired) == (alias_of, retired)


def test_the_catalogue_has_no_other_names() -> None:
    assert sorted(models.names()) == sorted(NAMES)


def test_type_checkers_know_the_names_of_the_catalogue() -> None:
    assert literals(models.VideoModelName) == set(VIDEOS)
    assert literals(models.ImageModelName) == set(IMAGES)


def literals(alias: Any) -> set[str]:
    """Return the values of a Literal, or of a union of them."""
    return {value for part in get_args(alias) for value in (literals(part) if get_args(part) else [part])}


@pytest.mark.parametrize("function", [models.video, models.image])
def test_each_overload_names_the_task_of_its_models(function: Any) -> None:
    for overload in get_overloads(function)[:-1]:
        hints = get_type_hints(overload)
        (task,) = get_args(get_args(hints["return"])[0])
        assert {find(name).task for name in get_args(hints["name"])} == {task}
    assert get_type_hints(get_overloads(function)[-1])["name"] is str


PAGE = ["lucy-pro-t2v", "lucy-pro-i2v", "lucy-dev-i2v", "lucy-pro-v2v", "lucy-fast-v2v"]


def test_the_five_models_of_the_documented_page_warn_of_nothing() -> None:
    assert run(f"from decart import models\nprint([models.video(name).name for name in {PAGE}])") == f"{PAGE}\n"


@pytest.mark.parametrize(
    ("name", "lacks"),
    [
        ("lucy-fast-v2v", "reference_image"),
        ("lucy-dev-v2v", "reference_image"),
        ("lucy-robot-720p", "reference_image"),
        ("lucy-2.1", "self_anchor"),
        ("lucy-2.6", "self_anchor"),
        ("lucy-vton-3.6", "self_anchor"),
    ],
)
def test_this_model_lacks_this_input(name: str, lacks: str) -> None:
    assert lacks in find(name).lacks


@pytest.mark.parametrize("name", ["lucy-2.5", "lucy-latest", "lucy-clip", "lucy-image-2", "lucy-restyle-2"])
def test_these_models_take_all_that_their_task_has(name: str) -> None:
    assert find(name).lacks == frozenset()


@pytest.mark.parametrize(
    ("name", "seconds", "mb"),
    [
        ("lucy-pro-t2v", 5, None),
        ("lucy-clip", 5, None),
        ("lucy-robot-720p", None, None),
        ("lucy-restyle-2", 1800, 100),
        ("lucy-2.6", None, 200),
        ("lucy-vton-3.6", None, 200),
        ("lucy-image-2", None, None),
    ],
)
def test_a_model_has_the_limits_that_the_service_documents(name: str, seconds: int | None, mb: int | None) -> None:
    assert (find(name).max_seconds, find(name).max_upload_mb) == (seconds, mb)


def test_the_current_models_of_a_task_are_neither_retired_nor_aliases() -> None:
    assert models.current("video-restyle") == ("lucy-restyle-2", "lucy-restyle-latest")
    assert models.current("motion") == ()


@pytest.mark.parametrize("name", NAMES)
def test_the_other_function_says_which_one_to_use(name: str) -> None:
    wrong, right = (models.video, "image") if name in IMAGES else (models.image, "video")
    with pytest.raises(ModelNotFoundError, match=rf"Use models\.{right}\('{name}'\) instead\.") as caught:
        wrong(name)
    assert caught.value.model == name


@pytest.mark.parametrize(
    ("function", "name", "near"),
    [
        (models.video, "lucy-pro-t2w", "lucy-pro-t2v"),
        (models.video, "lucy_motion", "lucy-motion"),
        (models.video, "LUCY-2.5", "lucy-2.5"),
        (models.image, "lucy-image-3", "lucy-image-2"),
        (models.image, "lucy-t2i", "lucy-pro-t2i"),
    ],
)
def test_the_error_for_an_unknown_name_suggests_the_nearest_ones(function: Any, name: str, near: str) -> None:
    with pytest.raises(ModelNotFoundError, match=rf"named '{name}'\. Did you mean .*'{near}'") as caught:
        function(name)
    assert caught.value.model == name


@pytest.mark.parametrize("name", ["lucy_pro_t2v", "Lucy-Pro-T2V", "lucy-pro-t2v "])
def test_another_spelling_of_a_name_is_told_that_name_only(name: str) -> None:
    with pytest.raises(ModelNotFoundError, match=rf"named '{name}'\. Did you mean 'lucy-pro-t2v'\?$"):
        models.video(name)


@pytest.mark.parametrize("name", ["sora", "veo-3", "?", "lucy", "lucy-banana", "lucy-edit", "lucy-video-ultra"])
def test_an_unknown_name_without_a_near_match_gets_no_suggestion(name: str) -> None:
    with pytest.raises(ModelNotFoundError, match=r"\. models\.names\(\) lists them all\.$"):
        models.video(name)


def test_the_nearest_names_are_of_the_kind_that_was_asked_for() -> None:
    with pytest.raises(ModelNotFoundError) as caught:
        models.image("lucy-pro-t2v2")
    assert "lucy-pro-t2v," not in caught.value.message


@pytest.mark.parametrize(
    "name", ["", " ", "x", "é\ud800", "lucy-pro-t2v\n", "a" * 100_000, None, 5, b"lucy-2.5", ["a"]]
)
def test_whatever_the_name_is_the_error_is_ours_and_short(name: Any) -> None:
    with pytest.raises(ModelNotFoundError, match="There is no video model named") as caught:
        models.video(name)
    assert len(caught.value.message) < 400
    assert caught.value.model == str(name)[:100]
    assert pickle.loads(pickle.dumps(caught.value)) == caught.value


WARNING = [name for name in ALIASES if name not in PAGE]


@pytest.mark.parametrize("name", WARNING)
def test_an_alias_warns_once_per_process_and_keeps_its_name(name: str) -> None:
    function = "image" if name in IMAGES else "video"
    output = run(f"from decart import models\nfor _ in range(3): print(models.{function}({name!r}).name)")
    assert output.count(f"The model name {name!r} is deprecated; {ALIASES[name]!r} is the same model.") == 1
    assert output.count("DeprecationWarning") == 1
    assert output.startswith(f"{name}\n" * 3)


def test_each_alias_has_its_own_warning() -> None:
    videos = [name for name in WARNING if name in VIDEOS]
    output = run(f"from decart import models\nfor name in {videos} * 2: models.video(name)")
    assert output.count("DeprecationWarning") == len(videos) == 4


def test_the_warning_points_at_the_line_of_the_caller() -> None:
    code = "import warnings; from decart import models; warnings.simplefilter('always')\n"
    code += "with warnings.catch_warnings(record=True) as seen: models.video('lucy-vton')\nprint(seen[0].filename)"
    assert run(code) == "<string>\n"


def test_every_other_name_is_silent() -> None:
    others = [name for name in NAMES if name not in ALIASES]
    assert sum(name.endswith("-latest") for name in others) == 6
    loop = f"for name in {others}: models.image(name) if name in {IMAGES} else models.video(name)"
    assert run(f"from decart import models\n{loop}") == ""


def test_looking_a_name_up_quietly_never_warns() -> None:
    code = "from decart import models\nprint(models.known('lucy-vton').name, models.known('nope'))"
    assert run(code) == "lucy-vton None\n"


def test_a_definition_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        models.video("lucy-2.5").fps = 30  # type: ignore[misc]


def test_a_definition_is_a_value() -> None:
    model = models.video("lucy-2.5")
    assert pickle.loads(pickle.dumps(model)) == model
    assert len({model, models.video("lucy-2.5"), models.video("lucy-2.6")}) == 2
    assert attrs.evolve(model, fps=30).fps == 30


def test_a_model_of_ones_own_needs_a_name_and_a_task() -> None:
    model = ModelDefinition(name="lucy-preview", task="video-edit")
    assert (model.endpoint, model.fps, model.resolutions) == ("/v1/jobs/lucy-preview", None, ("720p",))
    assert (model.lacks, model.alias_of, model.retired) == (frozenset(), None, None)


def test_a_model_of_ones_own_may_live_at_another_path_and_lack_things() -> None:
    model = ModelDefinition(name="m", task="motion", endpoint="/v2/run/m", lacks=["seed"])  # type: ignore[arg-type]
    assert (model.endpoint, model.lacks) == ("/v2/run/m", {"seed"})


@pytest.mark.parametrize("name", ["", "  ", None, 5, b"m"])
def test_a_model_needs_a_name_that_is_a_text(name: Any) -> None:
    with pytest.raises(InvalidInputError, match="name must be a non-empty str"):
        ModelDefinition(name=name, task="motion")


@pytest.mark.parametrize(
    "endpoint",
    [
        *("v1/jobs/m", "https://other.test/m", "@other.test", ""),
        *("/v1/jobs/m?x=1", "/v1/#m", "/v1\\m", "/a b", "/a\r\nX: y", "/a\tb", "/a\x00", "/\ud800"),
        *("/v1/../files", "/..", "/v1/.."),
        *(None, 5),
    ],
)
def test_an_endpoint_is_a_clean_path_and_nothing_else(endpoint: Any) -> None:
    with pytest.raises(InvalidInputError, match="endpoint must be") as caught:
        ModelDefinition(name="m", task="motion", endpoint=endpoint)
    caught.value.message.encode()  # it can be printed


@pytest.mark.parametrize("name", ["a b", "m?x", "..", "a\nb", "\ud800"])
def test_a_name_that_cannot_be_part_of_a_path_needs_its_own_endpoint(name: str) -> None:
    with pytest.raises(InvalidInputError, match="endpoint must be a path like '/v1/jobs/lucy-pro-t2v'"):
        ModelDefinition(name=name, task="motion")
    assert ModelDefinition(name=name, task="motion", endpoint="/v1/jobs/m").name == name


@pytest.mark.parametrize("task", ["", "t2v", None, 5, ["motion"]])
def test_an_unknown_task_is_refused(task: Any) -> None:
    with pytest.raises(InvalidInputError, match="task must be one of text-to-video, .*image-to-image"):
        ModelDefinition(name="m", task=task)


def test_there_are_ten_tasks_and_the_catalogue_uses_each() -> None:
    assert len(models.TASKS) == 10
    assert {find(name).task for name in NAMES} == set(models.TASKS)


@pytest.mark.parametrize(
    ("name", "since", "instead"),
    [
        ("lucy-pro-t2v", "March 2026", "No current model does text-to-video."),
        ("lucy-motion", "May 2026", "No current model does motion."),
        ("lucy-pro-flf2v", "March 2026", "No current model does first-last-frame."),
        (
            "lucy-fast-v2v",
            "March 2026",
            "Models for video-to-video: lucy-clip, lucy-clip-latest, lucy-robot-720p.",
        ),
        ("lucy-2-v2v", "April 2026", "Models for video-edit: lucy-2.1, lucy-2.5, lucy-2.6, lucy-latest."),
    ],
)
def test_a_retirement_says_when_it_was_and_what_does_the_same_task_now(name: str, since: str, instead: str) -> None:
    assert models.retirement(find(name)) == f"{name} was retired in {since}. {instead}"


@pytest.mark.parametrize("name", [row[0] for row in TABLE if row[6]])
def test_a_suggested_replacement_is_neither_retired_nor_an_alias(name: str) -> None:
    listed = models.retirement(find(name)).partition(f"Models for {find(name).task}: ")[2].rstrip(".").split(", ")
    for other in filter(None, listed):
        assert find(other).retired is None and find(other).alias_of is None
        assert find(other).task == find(name).task
