"""What ``--dry-run`` shows: the request that a command would send."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from ..models import retirement
from .exits import Exit
from .inputs import Kind
from .output import Output

if TYPE_CHECKING:
    from ..uploads import Upload


def add_dry_run_option(parser: ArgumentParser) -> None:
    """Add the option."""
    parser.add_argument(
        "--dry-run", action="store_true", help="check the inputs and show what would be sent; it costs nothing"
    )


def show_request(options: Any, kind: Kind, arguments: Namespace, output: Output) -> int:
    """Print the request of a job, without sending it; no key is needed.

    Raises:
        InvalidInputError: An input cannot be used.
    """
    from ..config import settings  # --help needs none of this
    from ..options import from_options
    from ..protocol import form_fields

    job = from_options(options, kind)
    service = settings("none", arguments.base_url, None, None, allow_http=arguments.allow_http)
    url = service.base_url + job.model.endpoint
    fields = {name: _shown(value) for name, value in form_fields(job).items()}
    lines = [f"POST {url}", *(f"  {name}: {_text(value)}" for name, value in fields.items())]
    output.result({"method": "POST", "url": url, "fields": fields}, "\n".join(lines))
    if job.model.retired:
        output.warn(retirement(job.model))
    output.note("Nothing was sent.")
    return Exit.DONE


def _shown(value: str | Upload) -> str | dict[str, Any]:
    if isinstance(value, str):
        return value
    return {"file": value.filename, "type": value.content_type, "bytes": value.size}


def _text(value: str | dict[str, Any]) -> str:
    return value if isinstance(value, str) else f"{value['file']} ({value['type']}, {value['bytes']} bytes)"
