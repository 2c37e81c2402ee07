"""The journal of a run: what happened, one JSON object a line, in the order it happened."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from avbench.errors import RunDirectoryError
from avbench.results.atomic import unwritable

Event = dict[str, Any]


class Announce(Protocol):
    """Tell journal and listeners of an event."""

    def __call__(self, name: str, **values: Any) -> None: ...


def now() -> str:
    """The present moment, ISO 8601 in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Journal:
    """An append-only file of events, each with at least `event` (its kind) and `time`.

    A line is handed to the operating system as soon as it is appended, so a killed process loses at most the line it
    was writing; with `sync` it also survives a power failure. One process at a time may append.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = None

    def append(self, event: Mapping[str, Any], sync: bool = False) -> Event:
        """Add one event, stamped with the time unless it has one, and return it as written.

        Numbers that JSON can't express (a loss that became nan) are written as null.

        Raises:
            RunDirectoryError: the line can't be written, for instance because the disk is full; no part of it stays.
        """
        assert event.get("event"), "an event says what happened under the key 'event'"
        stamped: Event = _finite({"event": event["event"], "time": now()} | dict(event))
        line = json.dumps(stamped, ensure_ascii=False, allow_nan=False).encode("utf-8") + b"\n"
        try:
            self._write(line, sync)
        except OSError as error:
            raise unwritable(self.path, error) from error
        return stamped

    def read(self) -> list[Event]:
        """All events so far; a last line cut short by a kill is not one.

        Raises:
            RunDirectoryError: the file can't be read, or a line before the last is damaged.
        """
        events, damaged = self.salvage()
        if damaged:
            text = f"line {damaged[0]} of the journal {self.path} is damaged: it is not a JSON event"
            raise RunDirectoryError(text)
        return events

    def salvage(self) -> tuple[list[Event], list[int]]:
        """As `read`, but damaged lines are left out; also their numbers, counted from 1.

        Raises:
            RunDirectoryError: the file can't be read.
        """
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise RunDirectoryError(f"can't read the journal {self.path}: {error.strerror or error}") from error
        events, damaged, _ = _parse(content)
        return events, damaged

    def close(self) -> None:
        """Let go of the file; a later `append` opens it again."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, line: bytes, sync: bool) -> None:
        if self._file is None:
            self._cut_torn_line()
            self._file = self.path.open("ab", buffering=0)
        end = self._file.seek(0, os.SEEK_END)
        try:
            written = 0
            while written < len(line):
                written += self._file.write(line[written:]) or 0
        except OSError:
            self._file.truncate(end)
            raise
        if sync:
            os.fsync(self._file.fileno())

    def _cut_torn_line(self) -> None:
        if self.path.exists():
            content = self.path.read_bytes()
            whole = _parse(content)[2]
            if whole < len(content):
                os.truncate(self.path, whole)


def _parse(content: bytes) -> tuple[list[Event], list[int], int]:
    """The events, the numbers of damaged lines, and the length in bytes of all but a torn last line."""
    lines = content.splitlines(keepends=True)
    found = [_event(line) for line in lines]
    torn = bool(lines) and found[-1] is None
    damaged = [number for number, event in enumerate(found, start=1) if event is None and number < len(lines)]
    return [event for event in found if event is not None], damaged, len(content) - (len(lines[-1]) if torn else 0)


def _event(line: bytes) -> Event | None:
    if not line.endswith(b"\n"):
        return None
    try:
        event = json.loads(line)
        if b"\\u" in line:
            json.dumps(event, ensure_ascii=False).encode()  # half of a surrogate pair is no text
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and isinstance(event.get("event"), str) else None


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
