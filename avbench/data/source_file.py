"""The file that a clip was read from, as it was then: once it differs, trying to read it again makes sense."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SourceFile:
    """A path and what the file system says about it; `state` is None where nothing can be seen.

    Attributes:
        state: size in bytes, times of the last change of content and of anything (such as permissions) in nanoseconds.
    """

    path: Path
    state: tuple[int, int, int] | None

    @classmethod
    def now(cls, path: Path) -> SourceFile:
        """The file as it is at this moment."""
        try:
            status = path.stat()
        except OSError:
            return cls(path, None)
        return cls(path, (status.st_size, status.st_mtime_ns, status.st_ctime_ns))

    def has_changed(self) -> bool:
        """Whether the file has been replaced, mended, made readable, or is gone."""
        return SourceFile.now(self.path) != self
