"""Opens what people hold: plain or gzip, UTF-8 or UTF-16, with a look at the head and a bound on the size."""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zlib
from typing import IO, Any, cast

from fingerprint.errors import InputError
from fingerprint.readers.printed import LONGEST_CODE, uncoded

#: Characters that a format is recognised by.
HEAD = 65_536

#: Most characters a format that is not streamed may hold; far above any real profile, far below memory.
LARGEST_TEXT = 256_000_000

#: A gzip file that has grown past so many bytes must not be so many times as large as what was read of it: logs and traces
#: grow 10 to 50 times, deflate can reach 1032, and only for what repeats itself without end.
EXPANSION_BYTES, EXPANSION = 1 << 25, 200

#: Likewise for the cells of a Parquet file, whose run lengths pack a billion equal cells into some bytes.
PARQUET_BYTES, PARQUET_EXPANSION = 1 << 28, 1000


#: A line that opens a JSON object, or an array of them.
_OPENS = re.compile(r'^[ \t]{0,40}(?:\[\s{0,40})?\{(?=\s{0,40}"|\s{0,40}$)', re.MULTILINE)


#: In a text of more characters, read as one, those that would make each of them four bytes wide are replaced: emoji in answers.
_NARROWED = 1 << 24
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")


class PeekedText(io.TextIOBase):
    """A text stream over bytes that can show its head first, and that turns damage into clear errors."""

    def __init__(self, raw: IO[bytes], name: str, encoding: str) -> None:
        self._raw, self._name = raw, name
        self._decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
        self._buffer, self._position, self._end = "", 0, False
        #: The beginning of a terminal's code whose rest is in the next block.
        self._held = ""

    def _block(self) -> str | None:
        """Return the next text without a terminal's codes, maybe empty, None at the end."""
        if self._end:
            return None
        block = guarded(self._raw, 1 << 20, self._name)
        self._end = not block
        text = self._held + self._decoder.decode(block, final=self._end)
        last = text.rfind("\x1b")
        if last < 0:
            self._held = ""
            return text
        last = last if not self._end and len(text) - last < LONGEST_CODE else len(text)
        self._held = text[last:]
        return uncoded(text[:last])

    def _more(self) -> bool:
        text = self._block()
        if text is None:
            return False
        self._buffer = self._buffer[self._position :] + text
        self._position = 0
        return True

    def peek_text(self, characters: int) -> str:
        """Return up to so many characters without taking them."""
        while len(self._buffer) - self._position < characters and self._more():
            pass
        return self._buffer[self._position : self._position + characters]

    def skip_noise(self) -> bool:
        """Blank the lines before the first that opens a JSON document; return whether there were some, and such a line."""
        head = self.peek_text(HEAD)
        found = _OPENS.search(head)
        if found is None or not head[: found.start()].strip():
            return False
        rest = self._buffer[self._position + found.start() :]
        # Lines stay numbered as they were.
        self._buffer, self._position = "\n" * head.count("\n", 0, found.start()) + rest, 0
        return True

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int | None = -1) -> str:
        """Return the next characters, or all of the rest up to a bound."""
        bounded = size is not None and size >= 0
        wanted = size if size is not None and bounded else LARGEST_TEXT + 1
        if len(self._buffer) - self._position >= wanted:
            self._position += wanted
            return self._buffer[self._position - wanted : self._position]
        # Parts are joined once: text that is added to a growing text is copied each time.
        parts, held = [self._buffer[self._position :]], len(self._buffer) - self._position
        while held < wanted and (text := self._block()) is not None:
            parts.append(text)
            held += len(text)
        if held > LARGEST_TEXT and not bounded:
            raise InputError(f"holds more than {LARGEST_TEXT:,} characters; split it", self._name)
        if held > _NARROWED:
            for i, part in enumerate(parts):
                parts[i] = part if part.isascii() else _ASTRAL.sub("\ufffd", part)
        text = "".join(parts)
        # The caller's text is not kept here as well.
        self._buffer, self._position = text[wanted:], 0
        return text[:wanted]

    def readline(self, size: int | None = -1) -> str:  # type: ignore[override]
        """Return the next line with its end; a line past the bound is an error."""
        end = self._buffer.find("\n", self._position)
        if end < 0:
            parts, held = [self._buffer[self._position :]], 0
            while (text := self._block()) is not None:
                parts.append(text)
                held += len(text)
                if "\n" in text:
                    break
                if held > LARGEST_TEXT:
                    raise InputError("holds a line too long to be a table", self._name)
            self._buffer, self._position = "".join(parts), 0
            end = self._buffer.find("\n")
            end = len(self._buffer) - 1 if end < 0 else end
        line = self._buffer[self._position : end + 1]
        self._position = end + 1
        return line

    def __next__(self) -> str:  # type: ignore[override]  # typeshed gives IOBase, the parent of text streams too, bytes
        line = self.readline()
        if not line:
            raise StopIteration
        return line


class _Counted:
    """Counts the packed bytes that the decompressor takes."""

    def __init__(self, packed: Any) -> None:
        self._packed, self.taken = packed, 0

    def read(self, size: int = -1) -> bytes:
        block: bytes = self._packed.read(size)
        self.taken += len(block)
        return block


class _Unpacked(io.RawIOBase):
    """A gzip file's content; content out of all proportion to the file is an error."""

    def __init__(self, packed: Any, name: str) -> None:
        self._packed, self._name, self._given = _Counted(packed), name, 0
        self._content = gzip.GzipFile(fileobj=cast("IO[bytes]", self._packed))

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with content."""
        count = self._content.readinto(buffer)
        self._given += count
        if self._given > max(EXPANSION_BYTES, EXPANSION * self._packed.taken):
            raise InputError(
                f"is a gzip file that grows more than {EXPANSION} times when unpacked, which no benchmark's output does; "
                "unpack it first if that is meant",
                self._name,
            )
        return count


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
        raw = io.BufferedReader(_Unpacked(raw, name), 1 << 20)
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


def parquet_columns(stream: IO[Any], name: str) -> tuple[str, ...]:
    """Return a Parquet file's column names; the stream is left at its start.

    Raises
    ------
    InputError
        For a damaged file, and one that promises more cells than a file of its size ever holds.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        about = pq.ParquetFile(stream)
        names = tuple(map(str, about.schema_arrow.names))
        cells = 8 * about.metadata.num_rows * max(len(names), 1)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"is a damaged Parquet file: {(str(error).splitlines() or [''])[0][:100]}", name) from error
    size = stream.seek(0, io.SEEK_END)
    if cells > max(PARQUET_BYTES, PARQUET_EXPANSION * size):
        raise InputError(f"is a Parquet file of {size:,} bytes that promises {about.metadata.num_rows:,} rows, which can't be", name)
    stream.seek(0)
    return names


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
