"""The errors avbench raises for its users. Each message names the thing, the place and the remedy.

The command line prints the message of any `AvbenchError` and leaves with its `exit_code`; it never prints a traceback
for one. Programming errors stay ordinary exceptions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from avbench.data.source_file import SourceFile


class AvbenchError(Exception):
    """Something the user can mend. `exit_code` is the status the command line leaves with."""

    exit_code = 1


class UsageError(AvbenchError):
    """An unknown name, a mistyped option, a value out of range: nothing was started."""

    exit_code = 2


class DataError(AvbenchError):
    """Data that is missing or can't be used: nothing was trained on something else instead."""

    exit_code = 2


class MediaError(AvbenchError):
    """One clip that can't be read.

    Attributes:
        reason: a short stable word, such as `no-audio`, used to count such clips.
        source: the file as it was before it was read, where the clip comes from one.
    """

    def __init__(self, reason: str, message: str, source: SourceFile | None = None) -> None:
        super().__init__(message.encode("utf-8", "backslashreplace").decode())  # file names need not be text
        self.reason, self.source = reason, source

    def __reduce__(self) -> tuple[type[MediaError], tuple[str, str, SourceFile | None]]:
        """Picklable, so that worker processes can report it."""
        return MediaError, (self.reason, str(self), self.source)


class PluginError(AvbenchError):
    """A strategy or benchmark that can't be loaded, blamed on the distribution that brought it."""


class TaskFreeError(AvbenchError):
    """A strategy that looks at a label, a task or a boundary of the stream without declaring it."""


class RunDirectoryError(AvbenchError):
    """A run directory that holds another run, is damaged, or can't be written."""


class OccupiedError(RunDirectoryError):
    """The folder of a new run is taken: by another run, a process that is about to make one, or other files."""


class CheckpointError(RunDirectoryError):
    """A checkpoint that can't be written or safely read."""


class Interrupted(AvbenchError):
    """The run was asked to stop, wrote a checkpoint and can be resumed (exit code 75, "try again later")."""

    exit_code = 75
