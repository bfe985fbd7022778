"""docs/troubleshooting.md has an entry for every message and error class of the package, and none for other ones."""

from __future__ import annotations

import re

from support.documents import ROOT
from support.messages import is_in, messages, phrases

import decart
from decart import errors
from decart.cli.exits import Exit

PAGE = "docs/troubleshooting.md"
TEXT = (ROOT / PAGE).read_text("utf-8")
ENTRIES = phrases(PAGE)
PHRASES = [phrase for entry in ENTRIES.values() for phrase in entry]

NO_TROUBLE = {
    # what a command says when all is well
    "jobs: …, of which … are in the journal …",
    "files to upload: …, … bytes",
    "unknown, see --price",
    "The decart emulator (placeholder media, no model) is listening on …",
    "Retired, and listed by --all: … more.",
    "… frames per second",
    "exactly one of those that say so",
    "It expires at ….",
    "the service does not say",
    "%(prog)s [OPTION]...",
    # parts of messages whose other parts have an entry
    "Nothing was sent.",
    "; nothing was sent.",
    "Try again.",
    "... and … more.",
    "…: output: … is ….",
    "The token ….",
    "cannot be read",
    "The service ….",
    "Models for …: ….",
    "was submitted, and is",
    "request for job …",
    "the argument api_key",
    "the environment variable DECART_API_KEY",
    "a signed client token",
    "Ctrl-Z and Enter",
    "upload.file or",
    "a model name (str) or a non-empty list of model names",
    "with open(…, 'wb') as file: file.writelines(client.queue.stream(job_id))",
    "# an image: file.write(image.data)",
    "a dict like {'realtime': {'maxSessionDuration': 120}}",
    "the base URL",
    # not for people
    "error or status",
    "ORDER BY … LIMIT ?",
    "use the key that the cache has, if it has one",
    "fetch the keys",
    "wait for a fetch that is under way",
    "CA certificate bundle",
    "Too many headers received",
}
"""Texts that need no entry."""


def test_every_message_has_an_entry() -> None:
    missing = {text: place for text, place in messages().items() if not any(is_in(each, text) for each in PHRASES)}
    assert {text: missing[text] for text in missing.keys() - NO_TROUBLE} == {}


def test_every_phrase_is_in_a_message() -> None:
    texts = messages(all_texts=True)
    assert [phrase for phrase in PHRASES if not any(is_in(phrase, text) for text in texts)] == []
    assert NO_TROUBLE - texts.keys() == set()


def test_every_error_class_has_a_row() -> None:
    classes = {
        name
        for name, kind in {**{name: getattr(decart, name) for name in decart.__all__}, **vars(errors)}.items()
        if isinstance(kind, type) and issubclass(kind, decart.DecartSDKError)
    }
    assert {*re.findall(r"^\| `(\w+Error|TransportTimeout)` \|", TEXT, re.MULTILINE)} == classes


def test_every_entry_says_whose_fault_it_is_and_what_was_billed() -> None:
    entries = re.split(r"^###? ", TEXT, flags=re.MULTILINE)
    lacking = [
        entry.partition("\n")[0]
        for entry in entries
        if entry.startswith("`") and not re.search(r"^\*Fault: .+\. Billed: .+\.\*$", entry, re.MULTILINE)
    ]
    assert lacking == []


def test_every_exit_code_is_explained() -> None:
    codes = {int(code) for row in re.findall(r"^\| ([\d, ]+) \|", TEXT, re.MULTILINE) for code in row.split(",")}
    assert codes == set(Exit)
