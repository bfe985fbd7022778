"""Request bodies: read up to a limit, with files spooled to disk, and refused as FastAPI does."""

from __future__ import annotations

import json
import tempfile
from typing import IO, Any

from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser
from werkzeug.wrappers import Request

from .replies import Refused, problem

UPLOAD_LIMIT = 512 * 1024 * 1024  # bytes of one body; the service refuses files of more than a few hundred MB, too
TEXT_LIMIT = 1024 * 1024  # bytes of one body without files, and of all the texts of a form
PARTS_LIMIT = 100  # fields and files of one form
IN_MEMORY = 64 * 1024  # bytes of one file, before it is moved to disk
CHUNK = 256 * 1024


class Incoming(Request):
    """A request whose body is a form or JSON."""

    max_content_length = UPLOAD_LIMIT
    max_form_memory_size = TEXT_LIMIT
    max_form_parts = PARTS_LIMIT

    def __init__(self, environ: dict[str, Any]) -> None:
        super().__init__(environ)
        self._spools: list[IO[bytes]] = []

    def limit(self, size: int) -> None:
        """Limit the body to ``size`` bytes, and refuse it now if it announces more.

        Raises:
            RequestEntityTooLarge: It announces more.
        """
        self.max_content_length = size
        if (self.content_length or 0) > size:
            raise RequestEntityTooLarge

    def make_form_data_parser(self) -> FormDataParser:
        """Return a parser that reports a malformed form, and that spools files to disk."""
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
            Refused: It is malformed (400). A body that is no form counts as an empty form.
            RequestEntityTooLarge: It exceeds the limit.
        """
        if self.mimetype != "multipart/form-data":
            self.limit(min(TEXT_LIMIT, self.max_content_length or TEXT_LIMIT))
        try:
            texts, files = self.form, self.files
        except ValueError:
            raise Refused(400, "There was an error parsing the body") from None
        return {name: texts.getlist(name)[-1] for name in texts}, {name: files.getlist(name)[-1] for name in files}

    def document(self) -> Any:
        """Read JSON; ``None`` if there is no body. A body of another type is returned as text, as by FastAPI.

        Raises:
            Refused: It is not valid JSON (422), or not UTF-8 (400).
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
        except (ValueError, RecursionError):  # a number of thousands of digits, or endlessly nested lists
            raise problem("json_invalid", (0,), "JSON decode error", {}, error="Out of bounds") from None

    def drain(self) -> None:
        """Read and discard the rest of the body, or the next request on the connection would begin with it."""
        while self.stream.read(CHUNK):
            pass

    def close(self) -> None:
        """Close and delete the uploaded files."""
        super().close()
        for spool in self._spools:
            spool.close()
