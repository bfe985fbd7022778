"""Whom TLS trusts: a bundle of certificates that vouch for others, which takes a while to read.

Told the name of the file only, urllib3 reads it anew for each connection. Here it is read once for each pool, and for
the first client of a process by a thread beside the import of an HTTP library, which takes as long. (OpenSSL reads
without Python's lock.)
"""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_ahead: dict[str, ssl.SSLContext] = {}


def bundle() -> str:
    """Return the bundle that the environment names, a file or a folder, or else certifi's."""
    given = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    if given:
        return given
    import certifi

    return certifi.where()


def context(path: str) -> ssl.SSLContext:
    """Return TLS that trusts a bundle, a file or a folder.

    Raises:
        OSError: It is not there, or holds something else.
    """
    return _ahead.pop(path, None) or _read(path)


@contextmanager
def read_ahead() -> Iterator[None]:
    """Read the bundle of the environment beside what happens in the block; if it cannot be, its use will tell."""
    thread = threading.Thread(target=_try, name="decart-trust", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # there may be no more threads, or none at all
        yield
        return
    try:
        yield
    finally:
        thread.join()


def _try() -> None:
    with suppress(OSError):
        path = bundle()
        _ahead[path] = _read(path)


def _read(path: str) -> ssl.SSLContext:
    if not os.path.exists(path):
        raise OSError(f"Could not find a suitable TLS CA certificate bundle, invalid path: {path}")
    folder = os.path.isdir(path)
    tls = ssl.create_default_context(capath=path) if folder else ssl.create_default_context(cafile=path)
    tls.set_alpn_protocols(["http/1.1"])
    return tls
