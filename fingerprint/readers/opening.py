"""Opens what people hold: plain or gzip, UTF-8 or UTF-16, with a look at the head and a bound on the size."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from typing import IO, Any

from fingerprint.errors import InputError

#: Characters that a format is recognised by.
HEAD = 65_536

#: Most characters a format that is not streamed may hold; far above any real profile, far below memory.
LARGEST_TEXT = 512_000_000


class PeekedText(io.TextIOBase):
    """A text stream over bytes that can show its head first, and that turns damage into clear errors."""

    def __init__(self, raw: IO[bytes], name: str, encoding: str) -> None:
        self._raw, self._name = raw, name
        self._decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
        self._buffer, self._position, self._end, self._given = "", 0, False, 0

    def _more(self) -> bool:
        if self._end:
            return False
        block = guarded(self._raw, 1 << 20, self._name)
        self._end = not block
        text = self._decoder.decode(block, final=self._end)
        self._buffer = self._buffer[self._position :] + text
        self._position = 0
        return True

    def peek_text(self, characters: int) -> str:
        """Return up to so many characters without taking them."""
        while len(self._buffer) - self._position < characters and self._more():
            pass
        return self._buffer[self._position : self._position + characters]

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int | None = -1) -> str:
        """Return the next characters, or all of the rest up to a bound."""
        if size is None or size < 0:
            while self._more():
                if len(self._buffer) - self._position > LARGEST_TEXT:
                    raise InputError(f"holds more than {LARGEST_TEXT:,} characters; split it", self._name)
            size = len(self._buffer) - self._position
        while len(self._buffer) - self._position < size and self._more():
            pass
        out = self._buffer[self._position : self._position + size]
        self._position += len(out)
        return out

    def readline(self, size: int | None = -1) -> str:  # type: ignore[override]
        """Return the next line with its end; a line past the bound is an error."""
        start = self._position
        while True:
            end = self._buffer.find("\n", start)
            if end >= 0:
                break
            scanned = len(self._buffer) - self._position
            if scanned > LARGEST_TEXT:
                raise InputError("holds a line too long to be a table", self._name)
            if not self._more():
                end = len(self._buffer) - 1
                break
            start = self._position + scanned
        line = self._buffer[self._position : end + 1]
        self._position = end + 1
        return line

    def __next__(self) -> str:  # type: ignore[override]  # typeshed gives IOBase, the parent of text streams too, bytes
        line = self.readline()
        if not line:
            raise StopIteration
        return line


def guarded(raw: IO[bytes], size: int, name: str) -> bytes:
    """Return the next bytes; a damaged gzip becomes an error that says so."""
    try:
        return raw.read(size)
    except EOFError as error:
        raise InputError("is a gzip file cut short; fetch it again", name) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"is a damaged gzip file ({error})", name) from error


def opened(stream: IO[bytes], name: str) -> tuple[PeekedText | None, io.BytesIO | IO[Any] | None]:
    """Return the stream as text, or as a Parquet stream: exactly one of the two is not None."""
    raw: Any = stream if isinstance(stream, io.BufferedReader | io.BytesIO) else io.BufferedReader(stream)
    head = _peek(raw, name)
    if head[:2] == b"\x1f\x8b":
        raw = io.BufferedReader(gzip.GzipFile(fileobj=raw), 1 << 20)
        head = _peek(raw, name)
    if head[:4] == b"PAR1":
        content = io.BytesIO()
        while block := guarded(raw, 1 << 20, name):
            content.write(block)
            if content.tell() > 8 * LARGEST_TEXT:
                raise InputError("is too large to classify in one piece; use 'fingerprint batch'", name)
        content.seek(0)
        return None, content
    for mark, encoding in ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):
        if head.startswith(mark):
            return PeekedText(raw, name, encoding), None
    if b"\0" in head:
        raise InputError("is a binary file that this program does not know (neither text, gzip nor Parquet)", name)
    return PeekedText(raw, name, "utf-8"), None


def _peek(raw: Any, name: str) -> bytes:
    if isinstance(raw, io.BytesIO):
        here = raw.tell()
        head = raw.read(4096)
        raw.seek(here)
        return head
    try:
        return bytes(raw.peek(4096)[:4096])
    except EOFError as error:
        raise InputError("is a gzip file cut short; fetch it again", name) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"is a damaged gzip file ({error})", name) from error
