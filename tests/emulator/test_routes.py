"""The routes of jobs, images and names, and the checks before them, in process and over HTTP."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.raw import RawClient
from support.studio import Studio
from werkzeug.test import EnvironBuilder, run_wsgi_app

from decart import ModelDefinition, models
from decart.emulator import Emulator, VirtualEmulator
from decart.emulator.app import App
from decart.emulator.catalogue import Catalogue
from decart.emulator.limits import UPLOAD_LIMIT

TODAY = pytest.mark.parametrize("options", [{"today": True}], ids=["today"])


OF_THE_DOCUMENT = """
lucy-clip lucy-pro-v2v lucy-clip-latest lucy-restyle-2 mirage_v2 lucy-restyle-v2v lucy-restyle-latest
lucy-robot-720p lucy-samsung-robot-poc lucy-solomon-robot-poc lucy-2.5 lucy-2-5 lucy_2_5 lucy-latest
lucy-2.1 lucy_2_rt_preview lucy-2 lucy_2 lucy_2_rt lucy-2-v2v lucy_2_v2v lucy_v2v_14b_rt
lucy-2.1-vton lucy-2.viton lucy-2.1.viton lucy-vton lucy-vton-2 lucy-2.1-vton-2 lucy-vton-3 lucy-2.1-vton-3
lucy-vton-latest lucy-vton-3.5 lucy-vton-3-5 lucy-vton-3.5-4-3 lucy-vton-3-5-4-3 lucy-vton-3.5-1-1 lucy-vton-3-5-1-1
lucy-image-2 lucy-pro-i2i lucy_pro_i2i lucy-image-latest
""".split()  # noqa: SIM905 - the names of the service's OpenAPI document


EVERYTHING = {
    "texts": {"prompt": "a lake", "trajectory": '[{"frame":0,"x":0,"y":0},{"frame":9,"x":1,"y":1}]'},
    "files": {"data": b"data", "start": b"start", "end": b"end"},
}


@pytest.mark.parametrize("name", [*dict.fromkeys([*OF_THE_DOCUMENT, *models.names()])])
def test_every_name_of_the_document_and_of_the_catalogue_is_accepted(name: str) -> None:
    with VirtualEmulator(renderer=Studio()) as emulator:
        response = RawClient.within(emulator).form(f"/v1/jobs/{name}", **EVERYTHING)
    assert (response.status, response.json["status"]) == (200, "pending")


def test_another_spelling_is_the_same_model(raw: RawClient, studio: Studio) -> None:
    response = raw.form("/v1/jobs/lucy_2_5", {"self_anchor": "perhaps"}, {"data": b"x"})
    assert response.wrong == [(["body", "self_anchor"], "bool_parsing")]  # only lucy-2.5 has that field
    assert raw.form("/v1/generate/lucy_pro_i2i", {"prompt": "x"}, {"data": b"x"}).status == 200
    assert studio.orders[0].model == "lucy_pro_i2i"


def test_job_ids_cannot_be_guessed(raw: RawClient) -> None:
    ids = {raw.form("/v1/jobs/lucy-pro-t2v", {"prompt": "x"}).json["job_id"] for _ in range(3)}
    assert len(ids) == 3
    assert all(len(job_id) == 32 for job_id in ids)  # a random UUID: 122 bits


@TODAY
@pytest.mark.parametrize("name", ["lucy-pro-t2v", "lucy-motion", "lucy-2", "lucy_2_v2v", "lucy-2.1.viton"])
def test_a_retired_model_is_not_available_today(raw: RawClient, name: str) -> None:
    response = raw.form(f"/v1/jobs/{name}", **EVERYTHING)
    assert (response.status, response.json["model"]) == (410, name)
    assert "retired" in response.json["detail"]


@TODAY
def test_a_retired_image_model_is_not_available_today(raw: RawClient) -> None:
    assert raw.form("/v1/generate/lucy-pro-t2i", {"prompt": "x"}).status == 410


@TODAY
@pytest.mark.parametrize("name", ["lucy-2.5", "lucy-vton-3.6", "lucy-restyle-v2v", "mirage_v2"])
def test_current_models_work(raw: RawClient, name: str) -> None:
    assert raw.form(f"/v1/jobs/{name}", **EVERYTHING).status == 200


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/v1/jobs/nobody", {"GET", "HEAD"}),
        ("POST", "/v1/jobs/lucy-2X5", {"GET", "HEAD"}),
        ("POST", "/v1/jobs/lucy-2.55", {"GET", "HEAD"}),
        ("DELETE", "/v1/jobs/x", {"GET", "HEAD"}),
        ("PUT", "/v1/jobs/lucy-2.5", {"POST", "GET", "HEAD"}),
        ("OPTIONS", "/v1/jobs/lucy-2.5", {"POST", "GET", "HEAD"}),
        ("POST", "/v1/jobs/x/content", {"GET", "HEAD"}),
        ("GET", "/v1/generate/lucy-image-2", {"POST"}),
        ("HEAD", "/v1/generate/lucy-image-2", {"POST"}),
        ("GET", "/v1/files", {"POST"}),
        ("PATCH", "/v1/files/x", {"GET", "HEAD", "DELETE"}),
        ("GET", "/v1/client/tokens", {"POST"}),
        ("GET", "/v1/models/resolve", {"POST"}),
        ("GET", "/v1/verify", {"POST"}),
        ("POST", "/api/auth/jwks", {"GET", "HEAD"}),
    ],
)
def test_another_method_is_405_with_the_allowed_ones(raw: RawClient, method: str, path: str, allowed: set[str]) -> None:
    response = raw.request(method, path)
    assert response.status == 405
    assert set(response.headers["allow"].split(", ")) == allowed
    assert method == "HEAD" or response.json == {"detail": "Method Not Allowed"}


@pytest.mark.parametrize(
    "path",
    [
        "/v1",
        "/v1//jobs/x",
        "/v1/jobs/",
        "/v1/jobs/x/",
        "/v1/jobs/x/content/",
        "/v1/jobs/../files/x",
        "/v1/jobs/%2e%2e/x",
        "/v1/generate/lucy-2.5",
        "/v1/files/x/content",
        "/V1/jobs/x",
    ],
)
def test_an_unknown_route_is_404_and_redirects_nowhere(raw: RawClient, path: str) -> None:
    response = raw.request("GET" if "generate" not in path else "POST", path)
    assert (response.status, response.json) == (404, {"detail": "Not Found"})
    assert "location" not in response.headers


@pytest.mark.parametrize(
    "name", ["..", "%2e%2e", "..%2ffiles%2fx", "result.mp4", "%00", "x%0d%0aSet-Cookie:a=b", "%ff", "a" * 5000]
)
def test_an_odd_id_is_unknown(raw: RawClient, name: str) -> None:
    for path in (f"/v1/jobs/{name}", f"/v1/jobs/{name}/content", f"/v1/files/{name}"):
        response = raw.get(path)
        assert response.status == 404
        assert "set-cookie" not in response.headers


def test_no_response_can_be_read_by_other_origins(raw: RawClient) -> None:
    """As at the service: a web page needs a proxy."""
    for method in ("GET", "OPTIONS"):
        response = raw.request(method, "/v1/jobs/x", Origin="https://app.example", Access_Control_Request_Method="GET")
        assert not [name for name in response.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/jobs/lucy-2.5"),
        ("GET", "/v1/jobs/x"),
        ("GET", "/v1/jobs/x/content"),
        ("POST", "/v1/generate/lucy-image-2"),
        ("POST", "/v1/files"),
        ("GET", "/v1/files/x"),
        ("DELETE", "/v1/files/x"),
        ("POST", "/v1/client/tokens"),
        ("POST", "/v1/verify"),
    ],
)
def test_the_key_is_checked_before_the_body(raw: RawClient, method: str, path: str) -> None:
    assert raw.request(method, path, key=None).json == {"detail": "Missing API key"}
    assert raw.request(method, path, b"{nonsense", key="stranger").json == {"detail": "Invalid API key"}


@pytest.mark.parametrize(
    "key", ["your-api-key", "ek_never-minted", "dct_a, dct_b", "dct_a dct_b", "dct_\xe4", "eyJ.x.y"]
)
def test_a_malformed_key_is_refused(raw: RawClient, key: str) -> None:
    assert raw.get("/v1/jobs/x", key=key).status == 401


def test_models_are_resolved_and_keys_published_without_a_key(raw: RawClient) -> None:
    assert raw.json("/v1/models/resolve", {"model": "lucy-latest"}, key=None).status == 200
    assert raw.get("/api/auth/jwks", key=None).status == 200


def test_a_form_without_files_may_be_urlencoded(raw: RawClient, studio: Studio) -> None:
    fields = {"prompt": "Gr\u00fc\u00dfe & more", "seed": "7", "enhance_prompt": "True"}
    raw.finished(raw.urlencoded("/v1/jobs/lucy-pro-t2v", fields))
    assert (studio.orders[0].prompt, studio.orders[0].seed) == ("Gr\u00fc\u00dfe & more", 7)


def test_a_json_body_counts_as_an_empty_form(raw: RawClient) -> None:
    assert raw.json("/v1/jobs/lucy-pro-t2v", {"prompt": "x"}).wrong == [(["body", "prompt"], "missing")]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"--x--\r\n"),
        ("multipart/form-data; boundary=x", b"nothing of the kind"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="data"; filename="a"\r\n\r\ncut',
        ),
        ("application/x-www-form-urlencoded", b"prompt=\xff\xff"),
    ],
)
def test_a_malformed_form_is_400(raw: RawClient, kind: str, body: bytes) -> None:
    response = raw.request("POST", "/v1/jobs/lucy-2.5", body, Content_Type=kind)
    assert (response.status, response.json) == (400, {"detail": "There was an error parsing the body"})


@pytest.mark.parametrize("what", [b"", b'; filename="clip.mp4"'], ids=["text", "file"])
def test_a_part_without_a_name_is_ignored(raw: RawClient, what: bytes) -> None:
    body = b"--x\r\nContent-Disposition: form-data%s\r\n\r\nx\r\n--x--\r\n" % what
    response = raw.request("POST", "/v1/jobs/lucy-clip", body, Content_Type="multipart/form-data; boundary=x")
    assert response.wrong == [(["body", "prompt"], "missing"), (["body", "data"], "missing")]
    assert raw.emulator.requests[0].status == 422


def test_the_last_of_two_fields_of_one_name_counts(raw: RawClient, studio: Studio) -> None:
    body = b"prompt=one&prompt=two"
    raw.finished(raw.request("POST", "/v1/jobs/lucy-pro-t2v", body, Content_Type="application/x-www-form-urlencoded"))
    assert studio.orders[0].prompt == "two"


def test_an_image_is_in_the_response(raw: RawClient, studio: Studio) -> None:
    response = raw.form("/v1/generate/lucy-image-2", {"prompt": "a hat"}, {"data": b"picture"})
    assert (response.status, response.headers["content-type"], response.body) == (200, "image/png", b"video of a hat")
    assert studio.files == [{"data": b"picture"}]


def test_an_image_leaves_no_file_on_disk(raw: RawClient, studio: Studio) -> None:
    raw.form("/v1/generate/lucy-image-2", {"prompt": "a hat"}, {"data": b"picture"})
    assert not studio.orders[0].inputs["data"].parent.exists()


def test_an_image_that_cannot_be_rendered_is_400_with_the_reason(raw: RawClient, studio: Studio) -> None:
    response = raw.form("/v1/generate/lucy-image-2", {"prompt": "fail"}, {"data": b"picture"})
    assert (response.status, response.json) == (400, {"detail": "the prompt asked for it"})
    assert not studio.orders[0].inputs["data"].parent.exists()


def test_a_bug_is_500_and_logged(raw: RawClient, caplog: pytest.LogCaptureFixture) -> None:
    response = raw.form("/v1/generate/lucy-image-2", {"prompt": "crash"}, {"data": b"picture"})
    assert (response.status, response.json) == (500, {"detail": "Internal Server Error"})
    assert "KeyError" in caplog.text


@pytest.mark.parametrize(
    ("name", "stands_for"),
    [
        ("lucy-2.5", "lucy-2.5"),
        ("lucy_2_5", "lucy-2.5"),
        ("lucy-latest", "lucy-2.5"),
        ("mirage_v2", "lucy-restyle-2"),
        ("lucy-pro-v2v", "lucy-clip"),
        ("lucy_pro_i2i", "lucy-image-2"),
        ("lucy-vton-latest", "lucy-vton-3.6"),
        ("lucy-pro-t2v", "lucy-pro-t2v"),
    ],
)
def test_a_name_is_resolved(raw: RawClient, name: str, stands_for: str) -> None:
    assert raw.json("/v1/models/resolve", {"model": name}).json["model_id"] == stands_for


def test_several_names_are_resolved_at_once(raw: RawClient) -> None:
    response = raw.json("/v1/models/resolve", {"models": ["lucy_2_5", "mirage_v2"]})
    assert response.json == {"model_id": None, "model_ids": {"lucy_2_5": "lucy-2.5", "mirage_v2": "lucy-restyle-2"}}


@pytest.mark.parametrize("asked", [{"model": "nobody"}, {"models": ["lucy-2.5", "nobody"]}])
def test_an_unknown_name_is_404(raw: RawClient, asked: dict[str, object]) -> None:
    response = raw.json("/v1/models/resolve", asked)
    assert (response.status, response.json) == (404, {"detail": "Unknown model: nobody"})


@pytest.mark.parametrize("options", [{"models": [ModelDefinition(name="mine", task="text-to-image")]}], ids=["own"])
def test_a_custom_model_has_every_route(raw: RawClient) -> None:
    assert raw.form("/v1/jobs/mine", {"prompt": "x"}).status == 200
    assert raw.form("/v1/generate/mine", {"prompt": "x"}).status == 200
    assert raw.json("/v1/models/resolve", {"model": "mine"}).json["model_id"] == "mine"


def test_every_spelling_and_moving_name_belongs_to_a_known_model() -> None:
    catalogue = Catalogue()
    assert all(catalogue.canonical(catalogue.canonical(name) or "") for name in catalogue.names())
    assert set(OF_THE_DOCUMENT) <= set(catalogue.names())


@pytest.mark.parametrize(
    ("body", "loc", "kind"),
    [
        (b"", ["body"], "missing"),
        (b"{}", ["body"], "value_error"),
        (b"null", ["body"], "missing"),
        (b"[]", ["body"], "model_type"),
        (b'{"model": 7}', ["body", "model"], "string_type"),
        (b'{"models": "lucy"}', ["body", "models"], "list_type"),
        (b'{"models": [null]}', ["body", "models", 0], "string_type"),
        (b'{"model": ', ["body", 10], "json_invalid"),
        (b"[" * 100_000, ["body", 0], "json_invalid"),
        (b"9" * 5000, ["body", 0], "json_invalid"),
        (b'{"model": Infinity}', ["body", "model"], "string_type"),
        (b'{"model": [[[[[[1]]]]]]}', ["body", "model"], "string_type"),
    ],
)
def test_invalid_json_is_422(raw: RawClient, body: bytes, loc: list[object], kind: str) -> None:
    response = raw.request("POST", "/v1/models/resolve", body, Content_Type="application/json")
    assert response.wrong == [(loc, kind)]


def test_a_body_is_parsed_as_json_unless_it_has_another_content_type(raw: RawClient) -> None:
    assert raw.request("POST", "/v1/models/resolve", b'{"model": "lucy-2.5"}').status == 200
    response = raw.request("POST", "/v1/models/resolve", b'{"model": "lucy-2.5"}', Content_Type="text/plain")
    assert response.wrong == [(["body"], "model_type")]


def test_a_body_that_is_not_utf_8_is_400(raw: RawClient) -> None:
    for kind in ("application/json", "text/plain"):
        assert raw.request("POST", "/v1/models/resolve", b'{"model": "\xff"}', Content_Type=kind).status == 400


def test_the_application_is_plain_wsgi(tmp_path: Path) -> None:
    from wsgiref.validate import validator

    from werkzeug.test import Client

    with Emulator(background=False, renderer=Studio()) as emulator:
        client = Client(validator(App(emulator)))
        with client.get("/v1/jobs/x", headers={"X-API-KEY": "dct_x"}) as response:
            assert response.status_code == 404


class Endless:
    """A body without an end."""

    def __init__(self) -> None:
        self.given = 0

    def read(self, size: int) -> bytes:
        self.given += size
        return bytes(size)


def test_an_unexpected_body_is_read_up_to_the_limit_of_a_form() -> None:
    body = Endless()
    asked = EnvironBuilder("/v1/jobs/nobody", method="POST").get_environ()
    with Emulator(background=False) as emulator:
        endless = asked | {"wsgi.input": body, "wsgi.input_terminated": True}
        _, status, _ = run_wsgi_app(App(emulator), endless)
    assert status.startswith("413 ")
    assert body.given <= UPLOAD_LIMIT + 1024 * 1024


def test_a_text_instead_of_a_file_is_422(raw: RawClient) -> None:
    response = raw.form("/v1/jobs/lucy-clip", {"prompt": "x", "data": "https://example.com/clip.mp4"})
    assert response.wrong == [(["body", "data"], "value_error")]


def test_a_model_that_the_emulator_does_not_know_is_refused_as_at_the_service(
    raw: RawClient, caplog: pytest.LogCaptureFixture
) -> None:
    """At the service each model has a path of its own; an unknown one is a job's, which can only be read."""
    response = raw.form("/v1/jobs/lucy-preview", {"prompt": "x"})
    assert (response.status, response.json) == (405, {"detail": "Method Not Allowed"})
    assert "No model 'lucy-preview': add it with Emulator(models=...) or --model" in caplog.text
    response = raw.form("/v1/generate/lucy-preview", {"prompt": "x"})
    assert (response.status, response.json) == (404, {"detail": "Not Found"})
