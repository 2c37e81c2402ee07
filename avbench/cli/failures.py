"""How a command ends when it fails: one message for what the user can mend, a crash log for what we must."""

from __future__ import annotations

import sys
import tempfile
import traceback
from dataclasses import dataclass
from pathlib import Path

from avbench.cli import console
from avbench.errors import AvbenchError, Interrupted
from avbench.results.journal import now
from avbench.results.provenance import describe_command, package_versions


@dataclass
class Invocation:
    """What is known about this call of the command line when it fails."""

    debug: bool = False
    directory: Path | None = None  # of the run at work


class Cancelled(AvbenchError):
    """Ctrl-C at a moment at which nothing could be saved."""

    exit_code = 130


def cancelled(invocation: Invocation) -> Cancelled:
    """What to say after Ctrl-C."""
    if invocation.directory is None:
        return Cancelled("interrupted before anything was saved")
    return Cancelled(f"interrupted; continue from the last checkpoint with `avbench resume {invocation.directory}`")


def explain(error: Exception, invocation: Invocation) -> int:
    """Tell the user about `error` on stderr and return the exit status."""
    out = console.errors()
    if isinstance(error, Interrupted | Cancelled):
        console.message(out, "stopped", "bold yellow", str(error))
        return error.exit_code
    if isinstance(error, AvbenchError):
        console.message(out, "error", "bold red", str(error))
        return error.exit_code
    if (shortage := _shortage(error)) is not None:
        console.message(out, "error", "bold red", shortage)
    else:
        text = str(error).strip() or "no further explanation"
        console.message(out, "unexpected error", "bold red", f"{type(error).__name__}: {text}")
    log = write_crash_log(error, invocation)
    if log is None:
        traceback.print_exception(error)
    else:
        console.where(out, "Details", log)
        console.line(out, "If this looks like a mistake of avbench, please report it with that file.")
    return 1


def write_crash_log(error: Exception, invocation: Invocation) -> Path | None:
    """Write traceback, versions and command line beside the run, or else where temporary files go."""
    versions = ", ".join(f"{name} {version}" for name, version in package_versions().items())
    head = f"{now()}\n{describe_command(sys.argv)}\n{versions}\n\n"
    text = head + "".join(traceback.format_exception(error))
    folders = [invocation.directory, Path(tempfile.gettempdir())]
    for folder in folders:
        if folder is None:
            continue
        try:
            with tempfile.NamedTemporaryFile(
                "w", prefix="crash-" if folder is invocation.directory else "avbench-crash-", suffix=".log",
                dir=folder, delete=False, encoding="utf-8", errors="backslashreplace",
            ) as file:  # fmt: skip
                file.write(text)
            return Path(file.name)
        except OSError:
            continue  # full or gone: the next folder may do
    return None


def _shortage(error: Exception) -> str | None:
    """A remedy for running out of memory, which is no mistake of anybody's."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return "the GPU's memory is full; try a smaller `--set training.batch_size=N`, or `--precision bf16`"
    if isinstance(error, MemoryError):
        return "memory is full; try a smaller `--set training.batch_size=N` or a smaller profile"
    return None
