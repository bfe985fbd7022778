"""The service's OpenAPI document: its routes, names and bounds, without its prose; and what it leaves out.

What it leaves out is known of its public clients and of how it behaves: refusals, the body of a status, the
type of a video, the bounds of a token and of a file's life, that an empty text counts as none at all, and that yes is
not always spelled "true".
"""

from __future__ import annotations

from typing import Any

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
_EDIT = _object("data", data=FILE, prompt=STRING, reference_image=FILE, **_MORE)
_IMAGE = _object("prompt data", prompt=TEXT, data=FILE, reference_image=FILE, **{**_MORE, "resolution": HD_OR_SD})

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
    "Resolved": _object(model_id=_maybe(STRING), model_ids=_maybe({"type": "object", "additionalProperties": STRING})),
}

KEY: Json = {"ApiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"}}


def _answer(kind: str, schema: Json) -> Json:
    return {"description": "", "content": {kind: {"schema": schema}}}


def _json(name: str) -> Json:
    return _answer("application/json", _ref(name))


def _leads_to(answer: Json, name: str, *operations: str) -> Json:
    """Return the operations that accept a value that a response has under a name."""
    field = name.removeprefix("file_")
    links = {each: {"operationId": each, "parameters": {name: f"$response.body#/{field}"}} for each in operations}
    return {**answer, "links": links}


def _operation(
    done: Json, *refused: int, form: str = "", json: Json | None = None, path: str = "", key: bool = True, id: str = ""
) -> Json:
    """Describe an operation: its successful response, by status, and the statuses with which it is refused."""
    refusals = {str(status): _json("Detail") for status in (*refused, *([401] if key else []))}
    operation: Json = {"responses": {**done, **refusals, "422": _json("HTTPValidationError")}}
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


def document() -> Json:
    """Return the complete document."""
    accepted = _leads_to(_json("Job"), "job_id", "status", "content")
    submits = {
        f"/v1/jobs/{name}": {"post": _operation({"200": accepted}, 400, 413, form=form)}
        for form, names in NAMES.items()
        for name in names.split()
    }
    picture = _answer("image/png", FILE)
    pictures = {
        f"/v1/generate/{name}": {"post": _operation({"200": picture}, 400, 413, form="Image")}
        for name in NAMES["ImageJob"].split()
    }
    video = {"description": "", "content": {kind: {"schema": FILE} for kind in ("video/mp4", "image/png")}}
    others: Json = {
        "/v1/jobs/{job_id}": {"get": _operation({"200": _json("Job")}, 404, path="job_id", id="status")},
        "/v1/jobs/{job_id}/content": {"get": _operation({"200": video}, 404, 409, path="job_id", id="content")},
        "/v1/files": {
            "post": _operation({"200": _leads_to(_json("File"), "file_id", "file", "delete")}, 400, 413, form="Upload")
        },
        "/v1/files/{file_id}": {
            "get": _operation({"200": _json("File")}, 404, path="file_id", id="file"),
            "delete": _operation({"204": {"description": ""}}, 404, path="file_id", id="delete"),
        },
        "/v1/client/tokens": {
            "post": _operation({"200": _json("TokenResponse")}, 400, 403, json=_maybe(_ref("TokenRequest")))
        },
        "/v1/models/resolve": {"post": _operation({"200": _json("Resolved")}, 400, 404, json=_ref("Names"), key=False)},
        "/v1/verify": {"post": _operation({"200": _answer("application/json", ANYTHING)}, 400, 413, form="Media")},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "The service", "version": "1.0.0"},
        "paths": {**submits, **pictures, **others},
        "components": {"schemas": SCHEMAS, "securitySchemes": KEY},
    }
