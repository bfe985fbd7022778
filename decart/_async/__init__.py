"""The async client, written by hand. ``scripts/unasync.py`` generates `decart._sync` from it."""
