"""The limits of the emulator: sizes in bytes, times in seconds, and counts."""

from __future__ import annotations

MIB = 1024 * 1024
DAY = 24 * 60 * 60

# connections
BACKLOG = 512  # connections that wait to be accepted; with few, a burst of clients gets resets
IDLE = 75  # how long an idle connection is kept; less would close some as their next request arrives
LINE = 64 * 1024  # the longest line within a chunked body
CUT_OFF = 1.0  # how long connections that were cut off have to end
STOP_CHECK = 0.02  # time between checks of an idle server whether it should stop

# requests
UPLOAD_LIMIT = 512 * MIB  # the largest body; the service refuses files of more than a few hundred MB, too
VERIFY_LIMIT = 200 * MIB  # the largest body of a request to verify a file
TEXT_LIMIT = MIB  # the largest body without files, and all the texts of a form
PARTS_LIMIT = 100  # fields and files of one form
IN_MEMORY = 64 * 1024  # the largest file that is not moved to disk
CHUNK = 256 * 1024  # how much is read or sent at a time

# what is kept
LIFETIMES = (60, 30 * DAY)  # how long an uploaded file may be kept, unless it is kept permanently
LOG_LIMIT = 10_000  # requests in the log: the latest, and before them all that may be billed
PATH_LIMIT = 1_000  # characters of a path in the log
HEADERS_LIMIT = 8_000  # characters of all headers of a request in the log
FIELDS_LIMIT = 100_000  # characters of all texts of a form in the log: the longest trajectory has fewer

PAINTERS = 2  # images of the synchronous route that are rendered at once: each may take much memory
SHOWN = 1_000  # characters of a value that an error repeats
