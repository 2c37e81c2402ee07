"""One process at a time: a lock file that lasts as long as the process that holds it, however that ends."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import BinaryIO

from avbench.errors import OccupiedError

LOCK = ".lock"  # its name in the folder that it keeps for one process


def lock(folder: Path, busy: str) -> BinaryIO | None:
    """Claim a folder for this process, until the file that is returned is closed.

    Returns:
        The lock file; None where the file system has no locks, as some network folders don't.

    Raises:
        OccupiedError: another process holds it; the message is `busy`.
        OSError: the lock file can't be made.
    """
    path = folder / LOCK
    file = path.open("ab")
    try:
        # A record lock: unlike flock, it is not inherited by loader workers that outlive a killed process.
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        if error.errno in (errno.EACCES, errno.EAGAIN):
            raise OccupiedError(busy) from error
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP):
            raise
        return None
    if not _is_in(file, path):
        file.close()
        raise OccupiedError(busy)  # whoever held it has taken the folder away in between
    return file


def _is_in(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
