"""The command line, ``decart`` or ``python -m decart``; `decart.cli.parser` has its commands."""
