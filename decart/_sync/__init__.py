"""The sync client, generated from `decart._async` by ``scripts/unasync.py``; only `backend` is written by hand."""
