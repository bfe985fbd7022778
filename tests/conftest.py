"""What every test stands on: no key, no address and no proxy of whoever runs them, and no verdict by the clock."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

for name in list(os.environ):
    if (
        name.startswith("DECART_")
        or name.lower().endswith("_proxy")
        or name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    ):
        del os.environ[name]

# A machine that is busy, or drawing its first text, is slow; that says nothing about the code.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
