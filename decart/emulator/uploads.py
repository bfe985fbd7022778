"""Bodies of requests: read to a limit, files spooled to the disk, and refused the way FastAPI refuses them."""

from __future__ import annotations

import json
import tempfile
from typing import IO, Any

from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser
from werkzeug.wrappers import Request

from .replies import Refused, problem

UPLOAD_LIMIT = 512 * 1024 * 1024  # bytes of one body; the service refuses larger files than a few hundred MB, too
TEXT_LIMIT = 1024 * 1024  # bytes of one body without files, and of all the texts of a form
PARTS_LIMIT = 100  # fields and files of one form
IN_MEMORY = 64 * 1024  # bytes of one file, before it moves to the disk
CHUNK = 256 * 1024


class Incoming(Request):
    """A request whose body is read as one of the service's forms, or as JSON."""

    max_content_length = UPLOAD_LIMIT
    max_form_memory_size = TEXT_LIMIT
    max_form_parts = PARTS_LIMIT

    def __init__(self, environ: dict[str, Any]) -> None:
        super().__init__(environ)
        self._spools: list[IO[bytes]] = []

    def limit(self, size: int) -> None:
        """Refuse a body that is longer than ``size`` bytes, by what it says of itself if it does.

        Raises:
            RequestEntityTooLarge: It says that it is longer.
        """
        self.max_content_length = size
        if (self.content_length or 0) > size:
            raise RequestEntityTooLarge

    def make_form_data_parser(self) -> FormDataParser:
        """Return a parser that does not take a broken form for an empty one, and whose files do not fill the memory."""
        parser = super().make_form_data_parser()
        parser.silent = False
        parser.stream_factory = self._spooled
        return parser

    def _spooled(self, *what: object, **more: object) -> IO[bytes]:
        spool = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115
        self._spools.append(spool)
        return spool

    def fields(self) -> tuple[dict[str, str], dict[str, FileStorage]]:
        """Read a form: its texts and its files, the last of each name.

        Raises:
            Refused: It is broken (400). What is not a form at all is an empty one.
            RequestEntityTooLarge: It is longer than it may be.
        """
        if self.mimetype != "multipart/form-data":
            self.limit(min(TEXT_LIMIT, self.max_content_length or TEXT_LIMIT))
        try:
            texts, files = self.form, self.files
        except ValueError:
            raise Refused(400, "There was an error parsing the body") from None
        return {name: texts.getlist(name)[-1] for name in texts}, {name: files.getlist(name)[-1] for name in files}

    def document(self) -> Any:
        """Read JSON; ``None`` if there is no body. A body of another type is the text it is, as for FastAPI.

        Raises:
            Refused: It is not JSON (422), or not in Unicode (400).
        """
        self.limit(TEXT_LIMIT)
        body = self.get_data()
        if not body:
            return None
        try:
            if self.mimetype and not self.is_json:
                return body.decode()
            return json.loads(body)
        except UnicodeDecodeError:
            raise Refused(400, "There was an error parsing the body") from None
        except json.JSONDecodeError as error:
            raise problem("json_invalid", (error.pos,), "JSON decode error", {}, error=error.msg) from None
        except (ValueError, RecursionError):  # a number of thousands of digits, lists in lists without end
            raise problem("json_invalid", (0,), "JSON decode error", {}, error="Out of bounds") from None

    def drain(self) -> None:
        """Read what is left of the body and forget it, or the next request on the connection would begin with it."""
        while self.stream.read(CHUNK):
            pass

    def close(self) -> None:
        """Close and delete the uploaded files."""
        super().close()
        for spool in self._spools:
            spool.close()
