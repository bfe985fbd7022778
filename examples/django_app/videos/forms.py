"""The form for a video."""

from typing import BinaryIO

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.template.defaultfilters import filesizeformat

from decart import models
from decart.options import JobOptions

from . import uploads


class JobForm(forms.Form):
    """A prompt and, if there is one, the picture or video to begin with: they decide on the model.

    ``token`` is another one each time that the form is shown. Two submits with the same token are one job.
    """

    token = forms.UUIDField(widget=forms.HiddenInput)
    prompt = forms.CharField(
        max_length=2000,
        help_text="What the video should show.",
        widget=forms.Textarea(attrs={"rows": 4, "autofocus": True, "aria-describedby": "prompt_help"}),
    )
    file = forms.FileField(
        required=False,
        label="Picture or video",
        help_text="If you have one to begin with: JPEG, PNG, WebP or MP4.",
        widget=forms.FileInput(attrs={"accept": ",".join(uploads.ACCEPTED), "aria-describedby": "file_help"}),
    )

    def clean_file(self) -> object:
        file = self.cleaned_data["file"]
        if file is not None:
            file.content_type = _content_type(file)  # sent to the service instead of the browser's guess
            _check_size(file.size, settings.VIDEOS_MAX_BYTES[_kind(file.content_type)])
        return file

    def options(self) -> JobOptions:
        """Return the options of the job."""
        file = self.cleaned_data["file"]
        kind = "text" if file is None else _kind(file.content_type)
        model, prompt = models.video(settings.VIDEOS_MODELS[kind]), self.cleaned_data["prompt"]
        if file is None:
            return {"model": model, "prompt": prompt}
        return {"model": model, "prompt": prompt, "data": file}


def _content_type(file: BinaryIO) -> str:
    """Read the beginning of a file, and rewind it."""
    found = uploads.content_type(file.read(uploads.HEAD))
    file.seek(0)
    if found is None:
        raise ValidationError("This is not a picture (JPEG, PNG, WebP) or a video (MP4).")
    return found


def _kind(content_type: str) -> str:
    """Return ``"image"`` or ``"video"``."""
    return content_type.partition("/")[0]


def _check_size(size: int, most: int) -> None:
    if size > most:
        raise ValidationError(
            f"The file is too large: it has {filesizeformat(size)}, and may have {filesizeformat(most)}."
        )
