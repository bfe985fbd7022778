"""The pages. None of them waits for a job to be done: the browser asks again instead."""

import logging
from uuid import uuid4

from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.http import require_POST, require_safe

from decart import DecartSDKError

from . import service
from .forms import JobForm
from .models import Job

SHOWN = 20  # jobs on the first page

log = logging.getLogger(__name__)


@require_safe
@never_cache  # so that a browser that goes back gets a new form, with a token that was not used yet
@login_required
def index(request: HttpRequest) -> HttpResponse:
    """Show the form, and the latest jobs."""
    return _index(request, JobForm())


def _index(request: HttpRequest, form: JobForm) -> HttpResponse:
    jobs = Job.objects.filter(owner=request.user)[:SHOWN]
    return render(request, "videos/index.html", {"form": form, "token": uuid4(), "jobs": jobs})


@require_POST
@never_cache
@login_required(redirect_field_name=None)  # after a login it is the form that is shown: this address cannot be
@transaction.non_atomic_requests  # the row must be there before the job is, and stay whatever happens
def submit(request: HttpRequest) -> HttpResponse:
    """Submit a job, unless this very form has been submitted before."""
    form = JobForm(request.POST, request.FILES)
    if not form.is_valid():
        return _index(request, form)
    options = form.options()
    job, is_new = Job.objects.get_or_create(
        owner=request.user,
        token=form.cleaned_data["token"],
        defaults={"model": options["model"].name, "prompt": form.cleaned_data["prompt"]},
    )
    if is_new:
        service.submit(job, options)
    if job.status == Job.Status.REFUSED:
        form.add_error(None, job.error)
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
    """Tell where a job is now, for the page's script."""
    job, notice = _latest(request, pk)
    return JsonResponse(
        {"status": job.status, "explanation": job.explanation, "notice": notice, "settled": job.settled}
    )


def _own_job(request: HttpRequest, pk: int) -> Job:
    """Find a job of the person who asks. Somebody else's is not there for them."""
    return get_object_or_404(Job, pk=pk, owner=request.user)


def _latest(request: HttpRequest, pk: int) -> tuple[Job, str]:
    """Find a job, as the service has it now; or as it had it last, with a notice that says so."""
    job = _own_job(request, pk)
    told = service.refresh(job)
    return job, "" if told else "The video service cannot tell where the job is just now. This is what it said last."


@require_safe
@cache_control(private=True)
@login_required
def job_video(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Pass a video on, or the part of it that the browser wants, as it comes in; for a HEAD, what is known of it."""
    job = _own_job(request, pk)
    if job.job_id is None or job.status != Job.Status.COMPLETED:
        raise Http404("This job has no video.")
    wanted = request.headers if request.method == "GET" else {}  # parts are for a GET
    try:
        stream = service.client().queue.stream(job.job_id, range=wanted.get("Range"), if_range=wanted.get("If-Range"))
        stream.open()
    except DecartSDKError as error:
        log.warning("%s", error)
        told = getattr(error, "status_code", None)
        return HttpResponse(status=told if told in (404, 416) else 502)
    if request.method == "HEAD":
        stream.close()
        return HttpResponse(status=stream.status, headers=stream.headers)
    return StreamingHttpResponse(stream, status=stream.status, headers=stream.headers)  # which closes the stream
