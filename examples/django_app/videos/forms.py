"""The form for a job."""

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.template.defaultfilters import filesizeformat

from decart import JobOptions, models

MP4_BRANDS = (b"iso", b"mp4", b"avc1", b"M4V", b"MSNV", b"dash", b"3gp", b"qt")


class JobForm(forms.Form):
    """A style and a video. ``token`` is new each time that the form is shown: two submits of one token are one job."""

    token = forms.UUIDField(widget=forms.HiddenInput)
    prompt = forms.CharField(
        max_length=2000,
        label="Style",
        help_text="For example: anime style with vibrant colors.",
        widget=forms.Textarea(attrs={"rows": 3, "autofocus": True, "aria-describedby": "prompt_help"}),
    )
    file = forms.FileField(
        label="Video",
        help_text="An MP4 file.",
        widget=forms.FileInput(attrs={"accept": "video/mp4", "aria-describedby": "file_help"}),
    )

    def clean_file(self) -> Any:
        """Check the size and the first bytes: a name and a declared type prove nothing."""
        file: Any = self.cleaned_data["file"]
        head = file.read(12)
        file.seek(0)
        if head[4:8] != b"ftyp" or not head[8:].startswith(MP4_BRANDS):
            raise ValidationError("This is not a video (MP4).")
        if file.size > settings.VIDEOS_MAX_BYTES:
            size, most = filesizeformat(file.size), filesizeformat(settings.VIDEOS_MAX_BYTES)
            raise ValidationError(f"The file is too large: it has {size}, and may have {most}.")
        file.content_type = "video/mp4"  # sent to the service instead of the browser's guess
        return file

    def options(self) -> JobOptions:
        """Return the options of the job."""
        values = self.cleaned_data
        return {"model": models.video(settings.VIDEOS_MODEL), "prompt": values["prompt"], "data": values["file"]}
