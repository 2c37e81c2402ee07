"""Files that are either the old one or the new one, never half of one."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from avbench.errors import RunDirectoryError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path in the folder of `path`; what was written there replaces `path` when the block ends well.

    The content reaches the disk before the name does. When anything fails, `path` is as it was and the temporary file
    is gone.

    Raises:
        RunDirectoryError: the file can't be written, for instance because the disk is full.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        yield temporary
        _flush(temporary)
        temporary.replace(path)
        _flush(path.parent)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write `content` to `path`, text as UTF-8.

    Raises:
        RunDirectoryError: the file can't be written; the previous one is unchanged.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)


def unwritable(path: Path, error: OSError) -> RunDirectoryError:
    """The error to raise when writing `path` failed."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        remedy = "free some space there and continue with `avbench resume`"
        return RunDirectoryError(f"no space left to write {path} (what was there before is unchanged): {remedy}")
    reason = error.strerror or str(error)
    return RunDirectoryError(f"can't write {path} (what was there before is unchanged): {reason}")


def _flush(path: Path) -> None:
    # A rename is durable only once its folder has been flushed as well.
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
