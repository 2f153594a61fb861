"""Where the package finds its data: at the checkout's root, or inside the installed wheel."""

from functools import cache
from pathlib import Path

from fingerprint.errors import FingerprintError


@cache
def path(name: str) -> Path:
    """Return the path of a data file such as ``"datasets/chips.csv"``.

    Parameters
    ----------
    name : str
        Path relative to the repository's root. The wheel carries the same tree under ``fingerprint/_data``.

    Raises
    ------
    FingerprintError
        If neither the installed package nor the checkout holds it.
    """
    package = Path(__file__).resolve().parent
    for root in (package / "_data", package.parent):
        candidate = root / name
        if candidate.exists():
            return candidate
    raise FingerprintError(f"the installation lacks {name}; install the package again")
