"""JSON documents in a text that may hold more: log lines, colours, several documents, one cut short at the end."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from fingerprint.errors import FormatError, InputError
from fingerprint.readers.printed import clean

#: Where an object or an array of objects may begin; "[INFO]" and "{'a': 1}" may not.
_START = re.compile(r'\{\s*(?="[^"\n]*"\s*:|\}|$)|\[\s*(?=[{\[])')

#: Beginnings that lead nowhere before the search is given up.
_MOST_FAILURES = 1000

#: Characters of JSON after which a beginning counts as a document.
_NOISE = 400

#: Bytes that a text and the values of its JSON may take; texts of fewer characters are not looked at.
MOST_MEMORY, _SMALL = 1.0e9, 1 << 20

Hook = Callable[[list[tuple[str, Any]]], Any]


def weighed(text: str, where: str) -> str:
    """Return the text; raises InputError where the values of its JSON would fill the memory, as millions of empty objects do.

    A number takes 24 to 32 bytes and 8 in its list, a list 56 and more, an object 64, or 232 with a key.
    """
    if len(text) > _SMALL:
        values = 40 * text.count(",") + 80 * text.count("[") + 250 * text.count("{")
        if values + len(text) * (1 if text.isascii() else 2) > MOST_MEMORY:
            raise InputError("is JSON of too many values to be read at once; leave single requests and traces out", where)
    return text


def documents(text: str, name: str, wanted: str, hook: Hook | None = None) -> tuple[list[tuple[int, Any]], int]:
    """Return the documents with the line that each begins on, and the line of one cut short at the end (0 for none).

    Parameters
    ----------
    text : str
        All of the file.
    name : str
        Its name, for messages.
    wanted : str
        What the user should give instead, for messages.
    hook : callable, optional
        As ``object_pairs_hook`` of :class:`json.JSONDecoder`; drops what must not be kept.

    Raises
    ------
    InputError
        If the only document is cut short.
    FormatError
        If there is none, or it is nested too deeply or holds a number too long to be one.
    """
    decoder = json.JSONDecoder(object_pairs_hook=hook)
    text = weighed(clean(text), name)
    end = len(text)
    while end and text[end - 1].isspace():  # a copy without blanks would be as large again
        end -= 1
    found: list[tuple[int, Any]] = []
    line, counted, at, failures, cut = 1, 0, 0, 0, 0
    why: Exception | None = None
    while failures < _MOST_FAILURES and (match := _START.search(text, at)):
        begin = match.start()
        line, counted = line + text.count("\n", counted, begin), begin
        try:
            value, at = decoder.raw_decode(text, begin)
        except json.JSONDecodeError as error:
            why, at = error, match.end()
            if error.pos >= end or "Unterminated" in error.msg:
                cut = line
                break
            if error.pos - begin > _NOISE or not text[text.rfind("\n", 0, begin) + 1 : begin].strip():
                # No stray brace within a line of a log but a document with damage: what is left of it would be half the truth.
                raise FormatError(f"is broken JSON ({error.msg}, line {error.lineno}); save or copy the whole file again", name) from error
        except (RecursionError, ValueError) as error:
            raise FormatError(f"is JSON nested too deeply, or with too long a number; give {wanted}", f"{name}, line {line}") from error  # fmt: skip
        else:
            found.append((line, value))
            continue
        failures += 1
    if not found:
        if cut:
            raise InputError("is JSON cut short; save or copy the whole file again", f"{name}, line {cut}") from why
        told = f" ({why.msg}, line {why.lineno})" if isinstance(why, json.JSONDecodeError) else ""
        raise FormatError(f"holds no JSON that can be read{told}; give {wanted}", name)
    return found, cut


def find(tree: object, *keys: str, most: int = 20_000) -> Any:
    """Return the value of the first of the keys that stands anywhere in nested objects, the shallowest first; None if none does."""
    for key in keys:
        level, seen = [tree], 0
        while level and seen < most:
            below: list[object] = []
            for node in level:
                seen += 1
                if isinstance(node, dict):
                    if node.get(key) not in (None, "", [], {}):
                        return node[key]
                    below.extend(node.values())
                elif isinstance(node, list):
                    below.extend(node[:100])
            level = [node for node in below if isinstance(node, (dict, list))]
    return None


def part(tree: object, *path: str) -> dict[str, Any]:
    """Return the object at a path of keys, an empty one where there is none."""
    for key in path:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree if isinstance(tree, dict) else {}
