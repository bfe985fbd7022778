"""What happens to a request before anything else."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.defaultfilters import filesizeformat


def limit_uploads(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Refuse a request that is larger than anything we accept, before any of it is read.

    Django itself writes files of any size to the disk, and only then asks the form.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        largest = max(settings.VIDEOS_MAX_BYTES.values())
        if int(request.META.get("CONTENT_LENGTH") or 0) <= largest + settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            return get_response(request)
        return render(request, "videos/too_large.html", {"most": filesizeformat(largest)}, status=413)

    return middleware
