"""A list of clips as a text file on disk: how every reader opens one."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from avbench.errors import DataError


@contextmanager
def opened(path: Path, form: str) -> Iterator[TextIO]:
    """A list of clips, open for reading as text; `form` says in messages what its lines should look like.

    Raises:
        DataError: the file can't be opened, or what is read inside the `with` is no text or no csv; names it.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield file
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"can't read the list {path}: {error}; expected text of the form {form}") from None
