"""What every test stands on: no key and no address from the environment of whoever runs them, and no proxy either."""

from __future__ import annotations

import os

for name in list(os.environ):
    if (
        name.startswith("DECART_")
        or name.lower().endswith("_proxy")
        or name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    ):
        del os.environ[name]
