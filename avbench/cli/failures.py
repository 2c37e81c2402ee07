"""How a command ends when it fails: one message for what the user can mend, a crash log for what we must."""

from __future__ import annotations

import errno
import os
import re
import shlex
import sys
import tempfile
import traceback
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from avbench.cli import INTERRUPTED, console
from avbench.errors import AvbenchError, Interrupted, PluginError
from avbench.results.journal import now
from avbench.results.provenance import describe_command, package_versions

CLIPS_STAY = "the clips prepared so far stay; the same command goes on with the others"

# What PyTorch says when the system gives it no memory; it has no exception of its own for it.
_ALLOCATOR = re.compile(r"DefaultCPUAllocator|can't allocate memory|not enough memory", re.IGNORECASE)
_OUTPUT_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
_PRINTERS = ("rich/console.py", "click/utils.py", "typer/")
_WANTED = re.compile(r"tried to allocate (\d+) bytes")


@dataclass
class Invocation:
    """What is known about this call of the command line when it fails."""

    debug: bool = False
    directory: Path | None = None  # of the run at work
    kept: str | None = None  # what is not lost although no run is known yet, and how to go on from it


class Cancelled(AvbenchError):
    """Ctrl-C at a moment at which nothing could be saved."""

    exit_code = INTERRUPTED


def cancelled(invocation: Invocation) -> Cancelled:
    """What to say after Ctrl-C."""
    if invocation.directory is not None:
        resume = shlex.join(["avbench", "resume", str(invocation.directory)])
        return Cancelled(f"interrupted; continue with `{resume}`")
    if invocation.kept is not None:
        return Cancelled(f"interrupted; {invocation.kept}")
    return Cancelled("interrupted before anything was saved")


def unread(directory: Path) -> Cancelled:
    """What to say when nobody reads any more what a run says, as after `| head`."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, suppress(OSError, ValueError):
        os.dup2(nowhere.fileno(), sys.stdout.fileno())  # or leaving would try once more
    resume = shlex.join(["avbench", "resume", str(directory)])
    return Cancelled(f"standard output was closed, and the run stopped with it; continue with `{resume}`")


def explain(error: Exception, invocation: Invocation) -> int:
    """Tell the user about `error` on stderr and return the exit status."""
    out = console.errors()
    if isinstance(error, Interrupted | Cancelled):
        console.message(out, "stopped", "bold yellow", str(error))
        return error.exit_code
    if isinstance(error, AvbenchError):
        console.message(out, "error", "bold red", str(error))
        if isinstance(error, PluginError) and error.__cause__ and invocation.directory:
            log = write_crash_log(error, invocation)  # its author wants the traceback
            if log is not None:
                console.where(out, "Details", log)
        return error.exit_code
    if (shortage := _shortage(error)) is not None:
        console.message(out, "error", "bold red", f"{shortage}{_resuming(invocation)}")
        return 1
    if (broken := _unwritable_output(error)) is not None:
        console.message(out, "error", "bold red", f"{broken}{_resuming(invocation, 'mend that')}")
        return 1
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
    smaller = "`--set training.batch_size=N`, `--set evaluation.batch_size=N`"
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return f"the GPU's memory is full; try a smaller {smaller}, or `--precision bf16`"
    allocator = isinstance(error, RuntimeError) and _ALLOCATOR.search(str(error))
    if not (isinstance(error, MemoryError) or allocator or getattr(error, "errno", None) == errno.ENOMEM):
        return None
    wanted = _WANTED.search(str(error))
    asked = f" ({console.size(int(wanted[1]))} were asked for at once)" if wanted else ""
    return f"memory is full{asked}; try a smaller {smaller}, a smaller rehearsal memory or a smaller profile"


def _unwritable_output(error: Exception) -> str | None:
    """What to say where a screen or the file it is redirected to takes no more text; files of avbench say it apart."""
    if not (isinstance(error, OSError) and error.errno in _OUTPUT_FULL and error.filename is None):
        return None
    innermost = traceback.extract_tb(error.__traceback__)[-3:]  # trackers stand between printer and screen
    if not any(part in frame.filename for frame in innermost for part in _PRINTERS):
        return None
    return f"what this command says can't be written to standard output: {error.strerror}"


def _resuming(invocation: Invocation, remedy: str = "if other programs filled it, end them") -> str:
    if invocation.directory is None:
        return ""
    resume = shlex.join(["avbench", "resume", str(invocation.directory)])
    return f"; {remedy} and continue with `{resume}`"
