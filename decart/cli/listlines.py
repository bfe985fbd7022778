"""Read the lines of a list of jobs as values: JSON lines, or CSV with a header."""

from __future__ import annotations

import csv
import json
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from ..errors import InvalidInputError
from ..inputs import shown

Values = dict[str, Any]
Line = tuple[int, Values | InvalidInputError]
"""The number of a line, from 1, and its values, or what is wrong with it."""

FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def json_lines(lines: Iterable[bytes]) -> Iterator[Line]:
    """Yield the objects of JSON lines; blank ones are skipped."""
    for number, line in enumerate(_without_bom(lines), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line.decode())
        except UnicodeDecodeError:
            yield number, InvalidInputError("it is not UTF-8.")
        except (ValueError, RecursionError) as error:
            yield number, InvalidInputError(f"it is not JSON: {error}.")
        else:
            example = '{"model": ..., "prompt": ...}'
            is_object = isinstance(value, dict)
            yield number, value if is_object else InvalidInputError(f"it must be like {example}, not {shown(value)}.")


def csv_lines(lines: Iterable[bytes]) -> Iterator[Line]:
    """Yield the rows of CSV as JSON lines would have them; rows without values are skipped.

    The line of a row is that of its first cell, since a cell may have several lines. After a line that cannot be read,
    it is not certain where the next row begins, so it is the last one.
    """
    rows = csv.reader((line.decode("utf-8", "surrogateescape") for line in _without_bom(lines)), strict=True)
    header: list[str] | None = None
    start = 1
    try:
        for row in rows:
            number, start = start, rows.line_num + 1
            if not any(cell.strip() for cell in row):
                continue
            try:
                "".join(row).encode()
                if header is None:
                    header = [cell.strip() for cell in row]
                    _check_header(header)
                else:
                    yield number, _values(header, row)
            except UnicodeEncodeError:
                yield number, InvalidInputError("it is not UTF-8.")
            except InvalidInputError as error:
                yield number, error
    except csv.Error as error:
        yield start, InvalidInputError(f"it is not CSV: {error}; the lines after it were not read.")


def _without_bom(lines: Iterable[bytes]) -> Iterator[bytes]:
    return (line if number else line.removeprefix(BOM_UTF8) for number, line in enumerate(lines))


def _check_header(header: list[str]) -> None:
    twice = [name for name, count in Counter(header).items() if count > 1]
    if twice:
        raise InvalidInputError(f"the header has {', '.join(map(repr, twice))} twice.")


def _values(header: list[str], row: list[str]) -> Values:
    """Return the values of a row; empty cells are left out.

    Raises:
        InvalidInputError: There are too many, or one cannot be read.
    """
    if len(row) > len(header):
        raise InvalidInputError(f"it has {len(row)} cells, and the header has {len(header)}.")
    return {name: _value(name, cell) for name, cell in zip(header, row, strict=False) if cell.strip()}


def _value(name: str, cell: str) -> Any:
    """Return the value that a cell stands for; what it cannot be is left to the checks of the option."""
    match name:
        case "seed":
            return int(cell) if cell.strip().isdecimal() and len(cell) <= 20 else cell
        case "enhance_prompt" | "self_anchor":
            return FLAGS.get(cell.strip().lower(), cell)
        case "trajectory":
            try:
                return json.loads(cell)
            except (ValueError, RecursionError) as error:
                raise InvalidInputError(f"trajectory is not JSON: {error}.") from None
    return cell
