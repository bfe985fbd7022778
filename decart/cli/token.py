"""The command ``token``."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import attrs

from .commands import Commands, new_command
from .exits import Exit
from .output import Output
from .service import add_service_options, client_of

DETAILS = """\
A client token is a key that expires, for a browser or an app. It is a secret: it is printed on standard output and
nowhere else. A token is free, and cannot create another one."""


def add_commands(commands: Commands) -> None:
    """Add the command of this module."""
    parser = new_command(commands, "token", create_token, "Create a client token, and print it", DETAILS)
    parser.add_argument(
        "--expires-in", type=int, metavar="SECONDS", help="1 to 3600 (default: the service's, which is 60)"
    )
    parser.add_argument(
        "--model", action="append", metavar="NAME", help="a model that it may be used for; repeatable (default: all)"
    )
    parser.add_argument(
        "--origin",
        action="append",
        metavar="URL",
        help="web pages that may use it, such as https://example.com; repeatable (default: all)",
    )
    add_service_options(parser, emulator=False)


def create_token(arguments: Namespace, output: Output) -> int:
    """Create a client token, and print it."""
    with client_of(arguments) as client:
        created = client.tokens.create(
            expires_in=arguments.expires_in, allowed_models=arguments.model, allowed_origins=arguments.origin
        )
    document: dict[str, Any] = {**attrs.asdict(created), "expires_at": created.expires_at.isoformat()}
    output.result(document, created.api_key, is_secret=True)
    output.note(f"It expires at {created.expires_at:%Y-%m-%d %H:%M:%S %Z}.")
    return Exit.DONE
