"""Reads a leaderboard: a file, an MLPerf round's folder, or any folder of results, as one table with what each profile is said to be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from fingerprint.errors import FormatError, InputError
from fingerprint.measurements import Measurements, concatenate
from fingerprint.readers import read

#: Files of a folder that are read at most: a whole disk was not meant.
MOST_FILES = 20_000


def read_board(place: str | Path, claimed_column: str | None = None, profile_by: str | None = None, format: str | None = None,
               say: Callable[[str], None] = lambda _: None) -> Measurements:  # fmt: skip
    """Return a board's figures; ``identity`` holds what each profile is said to be.

    A folder that is no MLPerf submission is read file by file; its profiles are then named ``FILE`` or ``FILE: PROFILE``.
    Files that can't be read are left out with a note.

    Parameters
    ----------
    place : path
    claimed_column : str, optional
        The column of a table that holds the label; see :func:`fingerprint.readers.read`.
    profile_by, format : str, optional
        As for :func:`fingerprint.readers.read`.
    say : callable
        Told what is going on.

    Raises
    ------
    InputError
        If nothing of it can be read.
    """
    place = Path(place)
    options: dict[str, Any] = {"claimed_column": claimed_column, "profile_by": profile_by}
    if not place.is_dir():
        return read(place, format=format, **options)
    try:
        if format is None:
            return read(place, **options)
    except FormatError:
        pass
    files = sorted(f for f in place.rglob("*") if f.is_file() and not any(part.startswith(".") for part in f.relative_to(place).parts))
    if len(files) > MOST_FILES:
        raise InputError(f"holds {len(files):,} files, more than {MOST_FILES:,}; audit its parts", place.name)
    parts: list[Measurements] = []
    failed: list[InputError] = []
    for number, file in enumerate(files, 1):
        if number % 100 == 0:
            say(f"{number:,} of {len(files):,} files read")
        where = file.relative_to(place).as_posix()
        try:
            parts.append(_named(read(file, format=format, name=where, **options), where))
        except InputError as error:
            failed.append(error)
    if not parts:
        raise failed[0] if failed else InputError("is an empty folder; there is nothing to audit", place.name)
    board = concatenate(parts)
    return replace(board, notes=(*board.notes, *(f"left out: {error}" for error in failed)))


def _named(table: Measurements, where: str) -> Measurements:
    """Return a file's figures with profiles that no other file of the folder has."""

    def name(profile: str) -> str:
        return where if profile == where else f"{where}: {profile}"

    return replace(
        table,
        words={**table.words, "profile": table.word("profile").rename(name)},
        identity={name(profile): said for profile, said in table.identity.items()},
        ignored=tuple(replace(i, profile=name(i.profile)) for i in table.ignored),
    )
