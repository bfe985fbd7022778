"""Messages of the library in the words of the command line: it names calls and arguments, and people type commands."""

from __future__ import annotations

import re
import shlex
from ast import literal_eval
from collections.abc import Callable

_OPTIONS = {"data": "--input", "save_to": "--output"}
"""Options whose name is not that of the argument."""

_ARGUMENTS = (
    "data|end|enhance_prompt|label|orientation|prompt|reference_image|resolution|save_to|seed|self_anchor|start"
    "|trajectory"
)

_JOB = r"client\.queue\.(?:poll|download)\('(?P<job>[^']+)'(?:, path)?\)"
_LABEL = r"""\((?P<label>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
_OTHER_LABEL = r"\. Nothing was sent; use another label for another job\."


_OPTIONS_HERE = "\0"
"""Where a command has the options that it needs to find the journal; no message has this character."""


def option(name: str) -> str:
    """Return the option of an argument.

    Example:
        >>> option("reference_image"), option("data")
        ('--reference-image', '--input')
    """
    return _OPTIONS.get(name) or "--" + name.replace("_", "-")


def _options(found: re.Match[str]) -> str:
    """Return the start of a message with options in place of arguments."""
    return re.sub(rf"\b(?:{_ARGUMENTS})\b", lambda name: option(name[0]), found[0])


def _of_label(command: str, options: str = "") -> Callable[[re.Match[str]], str]:
    """Return what makes a command about a label; one that begins with ``-`` would be taken for an option."""

    def phrase(found: re.Match[str]) -> str:
        label = literal_eval(found["label"])
        needed = f"{options and f' {options}'}{_OPTIONS_HERE}"
        if label.startswith("-"):
            return f"`{command}{needed} -- {shlex.quote(label)}`"
        return f"`{command} {shlex.quote(label)}{needed}`"

    return phrase


_PHRASES: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = (
    # how to continue with a job: the last line of what is printed is the command
    (rf": {_JOB} (?:waits for it(?: again)?|fetches it)\.", "."),
    (rf" {_JOB} (?:waits for it|tries again, free of charge)\.", ""),
    (rf" (?:Wait for it|Fetch its video) with {_JOB}\.", ""),
    (rf" Wait for it with {_JOB}; its id", " Its id"),
    (_JOB, r"`decart wait \g<job>`"),
    (r"client\.queue\.poll\(job_id\)", "`decart wait ID`"),
    (r"submit the same labels in a pool again", "run the same command again"),
    (r"client\.jobs\.resume\(save_to=\.\.\.\)", f"`decart jobs resume --out FOLDER{_OPTIONS_HERE}`"),
    # a label and its record
    (
        rf"belongs to another request: account \(another API key\) differs{_OTHER_LABEL}",
        "was submitted with another API key. Nothing was sent; use that key, or another label for another job.",
    ),
    (
        r"belongs to another request: origin \(another base URL\) (?:differs|and account \(another API key\) differ)"
        + _OTHER_LABEL,
        "was submitted to another service. Nothing was sent; use its --base-url, or another label for another job.",
    ),
    (
        r"client\.jobs\.settle\(label, job_id=\.\.\.\), and the refused ones with job_id=None",
        f"`decart jobs settle LABEL --job-id ID{_OPTIONS_HERE}`, and the refused ones with --not-accepted",
    ),
    (r": settle it, or submit it again, with a client that has", ": settle it with"),
    (r"call (?=client\.jobs\.settle\()", "run "),
    (rf"client\.jobs\.settle{_LABEL}, job_id=\.\.\.\)", _of_label("decart jobs settle", "--job-id ID")),
    (rf"client\.jobs\.settle{_LABEL}, job_id=None\)", _of_label("decart jobs settle", "--not-accepted")),
    (rf"client\.jobs\.get{_LABEL}\)", _of_label("decart jobs show")),
    (r"client\.jobs needs a journal", "This needs a journal"),
    (r"write DecartClient\(journal='jobs\.db'\)", "use --journal FILE, or set DECART_JOURNAL"),
    (r" For a journal in memory, use MemoryJournal\(\)\.", ""),
    (r"^again: ", "--again: "),
    (r"^again needs the label", "--again needs the --label"),
    (r"; pass label=\.\.\., too, which needs a journal", ""),
    (r"^max_spend needs prices: write DecartClient\(.*\)", "--max-spend needs prices: use --price MODEL=AMOUNT"),
    # the service and the key
    (r"pass api_key=\.\.\. or set", "use --api-key-file FILE, or set"),
    (r"the argument api_key", "the file of --api-key-file"),
    (r"must be a str of visible", "must consist of visible"),
    (r"pass allow_http=True", "use --allow-http"),
    (r"pass it as base_url", "use it as --base-url"),
    # models and inputs
    (r"models\.names\(\) lists", "`decart models` lists"),
    (r"Use models\.image\('[^']*'\) instead\.", "It makes images: use `decart image`."),
    (r"Use models\.video\('[^']*'\) instead\.", "It makes videos: use `decart run`."),
    (r" \(bytes, pathlib\.Path or an open binary file\)", ""),
    (r"must be the name of a file \(str or pathlib\.Path\)", "must be the name of a file"),
    (r"write to it yourself: .*", "use -o - and redirect standard output to it."),
    (r" The error has it as the attribute image: error\.image\.save\(path\)\.", ""),
    (r"\bmust be an int\b", "must be a whole number"),
    (r"\ba str of (?=\d)", ""),
    (r"^(?:\S+ does not accept|Pass exactly one of|enhance_prompt requires) .*", _options),
    (rf"^(?:{_ARGUMENTS})(?=:| is missing| must| contains)", _options),
)


def counted(number: int, noun: str) -> str:
    """Return a number with a noun.

    Example:
        >>> counted(1, "job"), counted(2, "job")
        ('1 job', '2 jobs')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """Return a time for people.

    Example:
        >>> duration(250)
        '4 min 10 s'
    """
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{hours} h" if hours else "", f"{minutes} min" if hours or minutes else "", f"{left} s"]
    return " ".join(filter(None, parts))


def in_commands(message: str, options: str = "") -> str:
    """Return a message with commands and options in place of calls and arguments.

    Args:
        options: What commands about the jobs of the journal need to find it.

    Example:
        >>> in_commands("There is no video model named 'x'. models.names() lists them all.")
        "There is no video model named 'x'. `decart models` lists them all."
    """
    for pattern, phrase in _PHRASES:
        message = re.sub(pattern, phrase, message)
    return message.replace(_OPTIONS_HERE, options)
