"""One large JSON object read member by member, and one array of it element by element, in bounded memory."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, TextIO

from fingerprint.errors import FormatError

#: Characters read at a time.
BLOCK = 1 << 20

#: Most characters of a single member or element: a trace's event holds hundreds, its list of packages some ten thousand.
LARGEST_MEMBER = 1 << 24

#: Where the text ends within so many characters of what can't be read, it was cut there ("fals", "\\u00e").
LONGEST_TOKEN = 9

_SPACE = re.compile(r"[ \t\r\n]*")


class _End(Exception):  # noqa: N818  # no error: the text is over
    """The text ended inside the document."""


class Members:
    """Yields (key, value) of a JSON object; the array under one key gives its elements, each with that key.

    Parameters
    ----------
    text : text stream
        The document; what stands after its closing brace is not read.
    streamed : str
        Key of the array whose elements come one by one.
    name : str
        How to call the document in messages.

    Attributes
    ----------
    cut_short : bool
        The text ended inside the document; what was whole has been yielded.

    Raises
    ------
    FormatError
        While iterating, for text that is no JSON object, nested too deeply, or with a member past all measure.

    Examples
    --------
    >>> import io
    >>> list(Members(io.StringIO('{"a": 1, "events": [{"b": 2}, 3]}'), "events", "text"))
    [('a', 1), ('events', {'b': 2}), ('events', 3)]
    """

    def __init__(self, text: TextIO, streamed: str, name: str) -> None:
        self._text, self._streamed, self._name = text, streamed, name
        # Not strict: paths and names of kernels are written with raw control characters by some versions.
        self._decode = json.JSONDecoder(strict=False).raw_decode
        self._buffer, self._at, self._given = "", 0, 0
        self.cut_short = False

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        try:
            yield from self._object()
        except _End:
            self.cut_short = True

    def _object(self) -> Iterator[tuple[str, Any]]:
        self._expect("{")
        if self._take("}"):
            return
        while True:
            key = self._value()
            if not isinstance(key, str):
                raise self._wrong("a member's name must be a text")
            self._expect(":")
            if key == self._streamed and self._take("["):
                yield from self._elements(key)
            else:
                yield key, self._value()
            if not self._take(","):
                self._expect("}")
                return

    def _elements(self, key: str) -> Iterator[tuple[str, Any]]:
        if self._take("]"):
            return
        while True:
            yield key, self._value()
            if not self._take(","):
                self._expect("]")
                return

    def _more(self, least: int) -> bool:
        block = self._text.read(max(BLOCK, least))
        if block:
            self._buffer, self._at = self._buffer[self._at :] + block, 0
        return bool(block)

    def _next(self) -> str:
        """Return the next character that is no blank, without taking it."""
        while True:
            found = _SPACE.match(self._buffer, self._at)
            assert found is not None
            self._at = found.end()
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if not self._more(0):
                raise _End

    def _take(self, character: str) -> bool:
        if self._next() != character:
            return False
        self._at += 1
        return True

    def _expect(self, character: str) -> None:
        if not self._take(character):
            raise self._wrong(f"expected '{character}', found {self._next()!r}")

    def _value(self) -> Any:
        self._next()
        while True:
            held = len(self._buffer) - self._at
            try:
                value, end = self._decode(self._buffer, self._at)
            except json.JSONDecodeError as error:
                if held > LARGEST_MEMBER:
                    raise self._wrong(f"{error.msg}, or a member of more than {LARGEST_MEMBER:,} characters") from error
                # Doubling keeps the second attempts cheap.
                if not self._more(held):
                    if len(self._buffer) - error.pos < LONGEST_TOKEN or error.msg.startswith("Unterminated"):
                        raise _End from error
                    raise self._wrong(error.msg) from error
                continue
            except (RecursionError, ValueError) as error:
                raise self._wrong("nested too deeply, or a number too long") from error
            # A number that ends with the buffer may go on behind it.
            if len(self._buffer) - end < LONGEST_TOKEN:
                if self._more(0):
                    continue
                if isinstance(value, (int, float)) and self._buffer[end : end + 1] in (".", "e", "E"):
                    raise _End
            self._at = end
            self._given += 1
            return value

    def _wrong(self, problem: str) -> FormatError:
        return FormatError(f"is no JSON after {self._given:,} members and names ({problem})", self._name)
