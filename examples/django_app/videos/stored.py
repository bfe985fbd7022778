"""Send a video from the site's storage."""

from __future__ import annotations

import re
from collections.abc import Iterator

from django.core.files import File
from django.core.files.storage import default_storage
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect

PIECE = 64 * 1024  # bytes


def send(request: HttpRequest, name: str, download_as: str | None) -> HttpResponseBase | None:
    """Send a stored video, or the range that the browser asked for; return ``None`` if it has been deleted.

    A bucket sends it itself: the browser is led to an address there that is valid for a while.
    """
    try:
        default_storage.path(name)
    except NotImplementedError:
        return redirect(default_storage.url(name))
    try:
        file = default_storage.open(name)
    except FileNotFoundError:
        return None
    size = file.size
    part = None if "If-Range" in request.headers else _range(request.headers.get("Range", ""), size)
    response: HttpResponseBase
    if request.method != "GET" or part is None:  # only GET has ranges
        response = FileResponse(file)
        if request.method == "HEAD":
            response = HttpResponse(headers=response.headers)
            file.close()
    elif part.start >= size:
        file.close()
        response = HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    else:
        response = StreamingHttpResponse(_pieces(file, part), status=206, content_type="video/mp4")
        response["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
        response["Content-Length"] = str(len(part))
    response["Accept-Ranges"] = "bytes"
    if download_as:
        response["Content-Disposition"] = f'attachment; filename="{download_as}"'
    return response


def _range(header: str, size: int) -> range | None:
    """Return the bytes that a ``Range`` header asks for; ``None`` for all, also if it is none that we know."""
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", header)
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        return range(max(size - int(found[2]), 0), size)  # the last so many
    first, last = int(found[1]), int(found[2] or size)
    return range(first, min(last + 1, size)) if first <= last else None


def _pieces(file: File[bytes], part: range) -> Iterator[bytes]:
    with file:
        file.seek(part.start)
        left = len(part)
        while left and (piece := file.read(min(PIECE, left))):
            left -= len(piece)
            yield piece
