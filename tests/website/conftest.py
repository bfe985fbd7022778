"""The documentation site, which ``tox -e docs`` builds and names in ``SITE``; without it, nothing is collected."""

from __future__ import annotations

import os

collect_ignore_glob = [] if "SITE" in os.environ else ["test_*.py"]
