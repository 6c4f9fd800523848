"""The errors that a user sees: each says what was found, what was expected and what to do."""

from __future__ import annotations

DONE, FAULTS, USAGE, STOPPED = 0, 1, 2, 130  # exit status: faults found or failed; by Ctrl-C
ONE_OR_SEVERAL = (
    "Expected: CT and MASK of one patient, or --cohort of several (a table, or a folder of "
    "patients)."
)


class StudyError(Exception):
    """A fault that a user can correct; in a notebook its sentence is shown, without a traceback."""

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows in the place of the library's source."""
        return [f"{type(self).__name__}: {self}"]


class UsageError(StudyError):
    """A command, parameter or argument that asks for something that does not exist."""


class SettingsFault(StudyError):
    """study.toml holds an unknown key, or a value of another kind or beyond its limits."""


class MissingFile(StudyError):
    """A file or folder that is needed is not there, or has still to be written."""


class DamagedFile(StudyError, ValueError):
    """A file that the workbook wrote is not as it was written."""


class TableFault(StudyError):
    """A table, such as cohort.csv or one of scores, holds what cannot be used."""


class ImageFault(StudyError):
    """A scan or an outline that cannot be read, or does not fit the other."""


class ModelMismatch(StudyError):
    """A saved model that does not fit this workbook or this patient."""


NAMES = {kind.__name__ for kind in (StudyError, *StudyError.__subclasses__())}  # as a kernel tells
