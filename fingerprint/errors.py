"""The project's exceptions: what a user can mend, apart from our own faults."""


class FingerprintError(Exception):
    """Base of every exception that this package raises on purpose."""


class InputError(FingerprintError, ValueError):
    """A file, table or option that can't be used; the message says where, what was found and what to do.

    Parameters
    ----------
    problem : str
        What is wrong and what was expected, one sentence.
    where : str, optional
        The file, row or column that it concerns; put before the problem.
    """

    def __init__(self, problem: str, where: str = "") -> None:
        super().__init__(f"{where}: {problem}" if where else problem)


class FormatError(InputError):
    """No reader knows the file's format, or the named reader can't read it."""


class ModelError(FingerprintError):
    """A model file that is damaged, of another version, or not one of ours."""
