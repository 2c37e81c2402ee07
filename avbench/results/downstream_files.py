"""The files of downstream results in a run directory: `downstream/NAME.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from avbench.errors import RunDirectoryError
from avbench.results.downstream import SCHEMA_VERSION, DownstreamResult

FOLDER = "downstream"  # of a run directory


def path_in(run: Path, name: str) -> Path:
    """Where the result called `name` of a run directory lies."""
    return run / FOLDER / f"{name}.json"


def read_downstream(directory: Path) -> tuple[list[DownstreamResult], list[str]]:
    """All downstream results of a run directory by name, and what is wrong with files that can't be read."""
    found, problems = [], []
    for path in sorted((directory / FOLDER).glob("*.json")):
        try:
            found.append(load_downstream(path))
        except RunDirectoryError as error:
            problems.append(str(error))
    return found, problems


def load_downstream(path: Path) -> DownstreamResult:
    """The result in a file.

    Raises:
        RunDirectoryError: it can't be read, or see `parse_downstream`.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RunDirectoryError(f"can't read {path}: {error}; `avbench eval` makes it") from None
    return parse_downstream(text, path)


def parse_downstream(text: str, where: Path) -> DownstreamResult:
    """The result in `text`, which was read from `where`.

    Raises:
        RunDirectoryError: it is not JSON, was written by a newer avbench, or does not fit the schema.
    """
    again = "delete it, and repeat `avbench eval`"
    try:
        if (version := _newer(json.loads(text))) is not None:
            raise RunDirectoryError(f"{where} was written by a newer avbench (schema {version}): update avbench")
        return DownstreamResult.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "result"
        raise RunDirectoryError(f"{where} holds no valid result: {place}: {first['msg']}; {again}") from error
    except (ValueError, RecursionError) as error:
        raise RunDirectoryError(f"{where} is damaged: {error}; {again}") from error


def check_replaceable(path: Path) -> None:
    """Make sure that a new result may be written there.

    Raises:
        RunDirectoryError: a newer avbench wrote the file, which would lose what this one doesn't know.
    """
    try:
        version = _newer(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError):
        return  # there is none, or nothing can be read from it by anybody
    if version is not None:
        raise RunDirectoryError(
            f"{path} was written by a newer avbench (schema {version}), and is not replaced: update avbench, or move "
            "the file away"
        )


def _newer(content: Any) -> int | None:
    """The schema's version, where this avbench doesn't know it yet."""
    version = content.get("schema_version") if isinstance(content, Mapping) else None
    return version if isinstance(version, int) and version > SCHEMA_VERSION else None
