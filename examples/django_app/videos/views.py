"""The pages. None of them waits for a job: the browser checks again instead."""

import logging
from uuid import uuid4

from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.http import require_POST, require_safe

from decart import DecartSDKError

from . import service, stored
from .forms import JobForm
from .models import Job, read_records

SHOWN = 20  # jobs on the first page

log = logging.getLogger(__name__)


@require_safe
@never_cache  # so that a browser that goes back gets a new form with an unused token
@login_required
def index(request: HttpRequest) -> HttpResponse:
    """Show the form and the latest jobs."""
    return _index(request, JobForm())


def _index(request: HttpRequest, form: JobForm) -> HttpResponse:
    jobs = Job.objects.filter(owner=request.user)[:SHOWN]
    read_records(jobs)
    return render(request, "videos/index.html", {"form": form, "token": uuid4(), "jobs": jobs})


@require_POST
@never_cache
@login_required(redirect_field_name=None)  # a login leads to the form: this URL takes POST only
@transaction.non_atomic_requests  # the journal's record stays, whatever happens
def submit(request: HttpRequest) -> HttpResponse:
    """Submit a job, unless this form has been submitted before: another try of the browser is the same job."""
    form = JobForm(request.POST, request.FILES)
    if not form.is_valid():
        return _index(request, form)
    values = form.cleaned_data
    job, _ = Job.objects.get_or_create(owner=request.user, token=values["token"], defaults={"prompt": values["prompt"]})
    if job.record is None and not job.refusal:
        service.submit(job, form.options())
    if job.status == "refused":
        form.add_error(None, job.explanation)
        return _index(request, form)
    return redirect(job)


@require_safe
@never_cache
@login_required
def job_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a job; the page's script keeps it up to date."""
    job, notice = _latest(request, pk)
    return render(request, "videos/job.html", {"job": job, "notice": notice})


@require_safe
@never_cache
@login_required
def job_status(request: HttpRequest, pk: int) -> JsonResponse:
    """Return the status of a job, for the page's script."""
    job, notice = _latest(request, pk)
    return JsonResponse(
        {"status": job.status, "explanation": job.explanation, "notice": notice, "settled": job.settled}
    )


def _own_job(request: HttpRequest, pk: int) -> Job:
    """Find a job of this user; other users' jobs are not found."""
    return get_object_or_404(Job, pk=pk, owner=request.user)


def _latest(request: HttpRequest, pk: int) -> tuple[Job, str]:
    """Find a job with its current status, or with the last known one and a notice."""
    job = _own_job(request, pk)
    reached = service.refresh(job)
    return job, "" if reached else "The service cannot be reached at the moment; this is the last known status."


@require_safe
@cache_control(private=True)
@login_required
def job_video(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Send a video, or the range that the browser asked for; for a HEAD, only the headers.

    It comes from the site's storage, or from the service until it is stored.
    """
    job = _own_job(request, pk)
    if job.record is None or job.record.job_id is None or job.status != "completed":
        raise Http404("This job has no video.")
    download_as = f"video-{pk}.mp4" if "download" in request.GET else None
    if job.stored and (response := stored.send(request, job.stored, download_as)) is not None:
        return response
    wanted = request.headers if request.method == "GET" else {}  # only GET has ranges
    try:
        stream = service.client().queue.stream(
            job.record.job_id, range=wanted.get("Range"), if_range=wanted.get("If-Range")
        )
        stream.open()
    except DecartSDKError as error:
        log.warning("%s", error)
        code = getattr(error, "status_code", None)
        code = code if code in (404, 416) else 502
        return render(request, "videos/no_video.html", {"pk": pk}, status=code)
    headers = stream.headers
    if download_as:
        headers["Content-Disposition"] = f'attachment; filename="{download_as}"'
    if request.method == "HEAD":
        stream.close()
        return HttpResponse(status=stream.status, headers=headers)
    return StreamingHttpResponse(stream, status=stream.status, headers=headers)  # it closes the stream
