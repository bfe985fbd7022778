"""Limit the size of requests."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.defaultfilters import filesizeformat


def limit_uploads(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Refuse a request that is larger than any form, before reading it.

    Django itself writes files of any size to disk before a form sees them.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        largest = settings.VIDEOS_MAX_BYTES
        if int(request.META.get("CONTENT_LENGTH") or 0) <= largest + settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            return get_response(request)
        return render(request, "videos/too_large.html", {"most": filesizeformat(largest)}, status=413)

    return middleware
