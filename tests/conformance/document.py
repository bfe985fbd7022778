"""The service's API as an OpenAPI document: what its own document says, and what the emulator adds to that.

The service's document is not copied here. `differences.py` has the table of what differs from it, with a reason for
each difference, and compares the two if the service's is at hand.
"""

from __future__ import annotations

from typing import Any

from decart.emulator.catalogue import Catalogue
from decart.models import ModelDefinition, Task

Json = dict[str, Any]

NAMES = {
    "Clip": "lucy-clip lucy-pro-v2v lucy-clip-latest",
    "Restyle": "lucy-restyle-2 mirage_v2 lucy-restyle-v2v lucy-restyle-latest",
    "Robot": "lucy-robot-720p lucy-samsung-robot-poc lucy-solomon-robot-poc",
    "Edit25": "lucy-2.5 lucy-2-5 lucy_2_5 lucy-latest",
    "Edit": (
        "lucy-2.1 lucy_2_rt_preview lucy-2 lucy_2 lucy_2_rt lucy-2-v2v lucy_2_v2v lucy_v2v_14b_rt lucy-2.1-vton"
        " lucy-2.viton lucy-2.1.viton lucy-vton lucy-vton-2 lucy-2.1-vton-2 lucy-vton-3 lucy-2.1-vton-3"
        " lucy-vton-latest lucy-vton-3.5 lucy-vton-3-5 lucy-vton-3.5-4-3 lucy-vton-3-5-4-3 lucy-vton-3.5-1-1"
        " lucy-vton-3-5-1-1"
    ),
    "ImageJob": "lucy-image-2 lucy-pro-i2i lucy_pro_i2i lucy-image-latest",
}

STRING: Json = {"type": "string"}
TEXT: Json = {"type": "string", "minLength": 1}
MOMENT: Json = {"type": "string", "format": "date-time"}
ANYTHING: Json = {"type": "object", "additionalProperties": True}
FILE: Json = {"type": "string", "format": "binary"}
POINTS: Json = {  # a trajectory, which is JSON in a text field
    "type": "string",
    "pattern": r'^\[\{"frame":0,"x":0\.[1-9],"y":0\.[1-9]\},\{"frame":[1-9],"x":0\.[1-9],"y":0\.[1-9]\}\]$',
}
SEED: Json = {"type": "integer", "minimum": 0, "maximum": 4294967295}
HD: Json = {"type": "string", "const": "720p", "default": "720p"}
HD_OR_SD: Json = {"type": "string", "enum": ["720p", "480p"], "default": "720p"}
YES: Json = {"enum": [True, False, "0", "1"], "default": True}  # as text, yes and no have more than one spelling
NO: Json = {**YES, "default": False}


def _maybe(schema: Json) -> Json:
    return {"anyOf": [schema, {"type": "null"}]}


def _object(required: str = "", **properties: Json) -> Json:
    return {"type": "object", "properties": properties, **({"required": required.split()} if required else {})}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _list(items: Json, **bounds: int) -> Json:
    return {"type": "array", "items": items, **bounds}


_MORE: Json = {"seed": SEED, "resolution": HD, "enhance_prompt": YES}
_EDIT = _object("data", data=FILE, prompt={**STRING, "default": ""}, reference_image=FILE, **_MORE)
_IMAGE = _object("prompt data", prompt=TEXT, data=FILE, reference_image=FILE, **{**_MORE, "resolution": HD_OR_SD})

_FIELDS: dict[Task, Json] = {  # of tasks that the service's document no longer has a model for
    "text-to-video": _object("prompt", prompt=TEXT, orientation={"enum": ["landscape", "portrait"]}, seed=SEED),
    "image-to-video": _object("prompt data", prompt=TEXT, data=FILE, seed=SEED),
    "first-last-frame": _object("prompt start end", prompt=TEXT, start=FILE, end=FILE, seed=SEED),
    "motion": _object("data trajectory", data=FILE, trajectory=POINTS, seed=SEED),
    "text-to-image": _object("prompt", prompt=TEXT, orientation={"enum": ["landscape", "portrait"]}, seed=SEED),
}
_SIMILAR: dict[Task, str] = {"video-to-video": "Clip", "video-edit": "Edit", "virtual-try-on": "Edit"}

_SESSION: Json = {"type": "integer", "minimum": 10}
_SECONDS = r"^(persistent|[6-9]\d|[1-9]\d{2,5}|1\d{6}|2[0-4]\d{5}|25[0-8]\d{4}|259[01]\d{3}|2592000)?$"

SCHEMAS: Json = {
    "Clip": _object("prompt data", prompt=TEXT, data=FILE, reference_image=FILE, **_MORE),
    "Restyle": _object("data", prompt=STRING, data=FILE, reference_image=FILE, **_MORE),
    "Robot": _object("prompt data", prompt=TEXT, data=FILE, **{**_MORE, "enhance_prompt": NO}),
    "Edit": _EDIT,
    "Edit25": _object("data", **_EDIT["properties"], self_anchor=YES),
    "ImageJob": _IMAGE,
    "Image": _IMAGE,
    "Upload": _object("file", file=FILE, ttl_seconds={"type": "string", "pattern": _SECONDS}),
    "Media": _object("file", file=FILE),
    "Detail": _object("detail", detail=STRING),
    "Retired": _object("detail model", detail=STRING, model=STRING),
    "ValidationError": _object(
        "loc msg type",
        loc=_list({"anyOf": [STRING, {"type": "integer"}]}),
        msg=STRING,
        type=STRING,
        input={},
        ctx={"type": "object"},
    ),
    "HTTPValidationError": _object("detail", detail=_list(_ref("ValidationError"), minItems=1)),
    "Job": _object("job_id status", job_id=STRING, status={"enum": ["pending", "processing", "completed", "failed"]}),
    "File": _object(
        "id filename mime_type size_bytes created_at expires_at",
        id={"type": "string", "pattern": "^file_"},
        filename=_maybe(STRING),
        mime_type=STRING,
        size_bytes={"type": "integer"},
        created_at=MOMENT,
        expires_at=_maybe(MOMENT),
    ),
    "TokenRequest": _object(
        expiresIn=_maybe({"type": "integer", "minimum": 1, "maximum": 3600}),
        allowedModels=_maybe(_list(STRING, maxItems=20)),
        allowedOrigins=_maybe(_list({"type": "string", "pattern": r"^https?://[a-z]{1,20}(:80)?$"}, maxItems=20)),
        constraints=_maybe(_object(realtime=_maybe(_object(maxSessionDuration=_maybe(_SESSION))))),
        metadata=_maybe(ANYTHING),
    ),
    "TokenResponse": _object(
        "apiKey token expiresAt",
        apiKey={"type": "string", "pattern": "^ek_"},
        token=STRING,
        expiresAt=MOMENT,
        permissions=_maybe(ANYTHING),
        constraints=_maybe(ANYTHING),
    ),
    "Names": {"anyOf": [_object("model", model=STRING), _object("models", models=_list(STRING))]},
    "KeySet": _object("keys", keys=_list(_object("kty crv x kid", kty=STRING, crv=STRING, x=STRING, kid=STRING))),
    "Resolved": _object(model_id=_maybe(STRING), model_ids=_maybe({"type": "object", "additionalProperties": STRING})),
}

KEY: Json = {"ApiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"}}


def _response(kind: str, schema: Json, **headers: str) -> Json:
    named = {name.replace("_", "-"): {"required": True, "schema": {"type": what}} for name, what in headers.items()}
    return {"description": "", "headers": named, "content": {kind: {"schema": schema}}}


def _json(name: str, **headers: str) -> Json:
    return _response("application/json", _ref(name), **headers)


def _leads_to(response: Json, name: str, *operations: str) -> Json:
    """Return the operations that accept a value that a response has under a name."""
    field = name.removeprefix("file_")
    links = {each: {"operationId": each, "parameters": {name: f"$response.body#/{field}"}} for each in operations}
    return {**response, "links": links}


def _operation(
    done: Json, *refused: int, form: str = "", json: Json | None = None, path: str = "", key: bool = True, id: str = ""
) -> Json:
    """Describe an operation: its successful responses, by status, and the statuses with which it is refused."""
    refusals = {str(status): _json("Detail") for status in (*refused, *((401, 403) if key else ()))}
    invalid = {"422": _json("HTTPValidationError")} if form or json is not None else {}
    operation: Json = {"responses": {**refusals, **invalid, **done}}
    if key:
        operation["security"] = [{"ApiKey": []}]
    if form:
        content: Json = {"multipart/form-data": {"schema": _ref(form)}}
        operation["requestBody"] = {"required": True, "content": content}
    if json is not None:
        operation["requestBody"] = {"required": key is False, "content": {"application/json": {"schema": json}}}
    if id:
        operation["operationId"] = id
    if path:
        operation["parameters"] = [{"name": path, "in": "path", "required": True, "schema": TEXT}]
    return operation


def _form_of(model: ModelDefinition) -> Json:
    """Return the form of a model that the service's document does not have."""
    if model.task not in _FIELDS:
        return {**SCHEMAS[_SIMILAR[model.task]], "properties": _without(SCHEMAS[_SIMILAR[model.task]], model.lacks)}
    resolution = HD_OR_SD if "480p" in model.resolutions else HD
    fields = _FIELDS[model.task]
    return {**fields, "properties": {**_without(fields, model.lacks), "resolution": resolution}}


def _without(schema: Json, names: frozenset[str]) -> Json:
    return {name: value for name, value in schema["properties"].items() if name not in names}


CATALOGUE = Catalogue(today=True)
FORMS = {name: form for form, names in NAMES.items() for name in names.split()}
BEYOND = {name: f"Form-{name}" for name in CATALOGUE.names() if name not in FORMS}
"""The forms of models that the service's document does not have: retired, or newer than it."""


def _making(done: Json, name: str, form: str) -> Json:
    """Describe the operation that makes something by a model."""
    operation = _operation({"200": done}, 400, 413, form=form)
    if CATALOGUE.retirement(name):
        operation["responses"]["410"] = _json("Retired")
    return {"post": operation}


def document() -> Json:
    """Return the complete document."""
    accepted = _leads_to(_json("Job"), "job_id", "status", "content")
    images = CATALOGUE.names(pictures=True)
    submits = {f"/v1/jobs/{name}": _making(accepted, name, form) for name, form in (FORMS | BEYOND).items()}
    picture = _response("image/png", FILE, content_length="integer")
    pictures = {f"/v1/generate/{name}": _making(picture, name, BEYOND.get(name, "Image")) for name in images}
    kinds = {kind: {"schema": FILE} for kind in ("video/mp4", "image/png")}
    video = {**_response("video/mp4", FILE, content_length="integer", etag="string"), "content": kinds}
    part = {**_response("video/mp4", FILE, content_range="string", etag="string"), "content": kinds}
    contents = {
        "200": video,
        "206": part,
        "304": {"description": ""},
        "416": _json("Detail", content_range="string"),
    }
    others: Json = {
        "/v1/jobs/{job_id}": {"get": _operation({"200": _json("Job")}, 404, path="job_id", id="status")},
        "/v1/jobs/{job_id}/content": {"get": _operation(contents, 404, 409, path="job_id", id="content")},
        "/v1/files": {
            "post": _operation({"200": _leads_to(_json("File"), "file_id", "file", "delete")}, 400, 413, form="Upload")
        },
        "/v1/files/{file_id}": {
            "get": _operation({"200": _json("File")}, 404, path="file_id", id="file"),
            "delete": _operation({"204": {"description": ""}}, 404, path="file_id", id="delete"),
        },
        "/v1/client/tokens": {
            "post": _operation({"200": _json("TokenResponse")}, 400, 413, json=_maybe(_ref("TokenRequest")))
        },
        "/v1/models/resolve": {
            "post": _operation({"200": _json("Resolved")}, 400, 404, 413, json=_ref("Names"), key=False)
        },
        "/v1/verify": {"post": _operation({"200": _response("application/json", ANYTHING)}, 400, 413, form="Media")},
        "/api/auth/jwks": {"get": {"responses": {"200": _json("KeySet")}}},
    }
    own = {form: _form_of(CATALOGUE[name]) for name, form in BEYOND.items()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "The service", "version": "1.0.0"},
        "paths": {**submits, **pictures, **others},
        "components": {"schemas": SCHEMAS | own, "securitySchemes": KEY},
    }
