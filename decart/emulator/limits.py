"""The limits of the emulator: sizes in bytes, times in seconds, and counts."""

from __future__ import annotations

MIB = 1024 * 1024

# ---------------------------------------------------------------- connections

BACKLOG = 512
"""Connections that wait to be accepted; with few, a burst of clients gets resets."""

IDLE = 75
"""How long an idle connection is kept; less would close some as their next request arrives."""

LINE = 64 * 1024
"""The longest line within a chunked body, and all of the lines after it."""

STOP_CHECK = 0.02
"""Time between checks of an idle server whether it should stop."""

DISCONNECT_CHECK = 0.25
"""Time between checks that a client whose response is stalled is still connected."""

# ---------------------------------------------------------------- requests

UPLOAD_LIMIT = 512 * MIB
"""The largest body; the service refuses files of more than a few hundred MB, too."""

TEXT_LIMIT = MIB
"""The largest body without files, and all the texts of a form."""

VERIFY_LIMIT = 200 * MIB
"""The largest body of a request to verify a file."""

PARTS_LIMIT = 100
"""Fields and files of one form."""

IN_MEMORY = 64 * 1024
"""The largest file that is not moved to disk."""

CHUNK = 256 * 1024
"""How much is read or sent at a time."""

# ---------------------------------------------------------------- what is kept

LOG_LIMIT = 10_000
"""Requests in the log: the latest."""

PATH_LIMIT, HEADERS_LIMIT, FIELDS_LIMIT = 1_000, 8_000, 10_000
"""Characters of a path, of all headers, and of a form's texts in the log."""

DAY = 24 * 60 * 60
"""How long an uploaded file is kept by default."""

LIFETIMES = (60, 30 * DAY)
"""How long an uploaded file may be kept, unless it is kept permanently."""

PAINTERS = 2
"""Images of the synchronous route that are rendered at once: each may take much memory."""
