"""Whose mistake it was: a crash inside a third party's strategy or benchmark, told in one message.

Errors that say themselves what to do pass as they are, and so do crashes in avbench's own code: those are ours to mend,
and the command line writes a crash log for them.
"""

from __future__ import annotations

import shlex
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from avbench import registry
from avbench.errors import AvbenchError, PluginError
from avbench.plugins.plugin import OURS, Plugin

if TYPE_CHECKING:
    from avbench.config import RunConfig

# What avbench calls on a strategy beside Avalanche's events; on a benchmark, every public method is a hook.
HOOKS = {
    *("__init__", "setup", "memory_capacity", "memory_fields", "modules", "evaluated"),
    *("select", "edit", "compose", "patches", "weigh", "penalty", "remember", "consolidate", "training_loss"),
    *("state_dict", "load_state_dict"),
}
Frame = tuple[FrameType, int]  # and the line it is at


class PluginCrash(PluginError):
    """A plugin's own code failed in the middle of a run; the original error is the cause."""


@contextmanager
def blamed(config: RunConfig, directory: Path | None = None) -> Iterator[None]:
    """Turn a crash inside the strategy or benchmark that `config` names into a `PluginCrash`.

    Args:
        config: names the plugins at work.
        directory: of the run, once there is one.

    Raises:
        PluginCrash: names plugin, distribution, hook, error and place, and how to go on.
    """
    import torch

    try:
        yield
    except (AvbenchError, MemoryError, torch.OutOfMemoryError):
        raise
    except (Exception, SystemExit) as error:  # a plugin that ends the process is no success
        message = _explain(error, config, directory)
        if message is None:
            raise
        raise PluginCrash(message) from error


def _explain(error: BaseException, config: RunConfig, directory: Path | None) -> str | None:
    frames = list(traceback.walk_tb(error.__traceback__))
    culprit = _culprit(frames, config)
    if culprit is None:
        return None
    plugin, hook, owner = culprit
    frame, line = _place(frames, owner)
    text = " ".join(str(error).split()) or "without a message"
    return (
        f"{plugin.described()} crashed in {hook}: {type(error).__name__}: {text} ({frame.f_code.co_filename}, line "
        f"{line}); {plugin.remedy()}, {_next(directory)}"
    )


def _culprit(frames: Sequence[Frame], config: RunConfig) -> tuple[Plugin, str, Any] | None:
    """The third party's plugin whose code was running, the hook, and the object; None if there was none."""
    from avbench.benchmarks.plugin import BenchmarkPlugin
    from avbench.training.strategy import AudioVideoStrategy
    from avbench.training.template import AudioVideoPretraining

    hook, owner = "", None
    for frame, _ in frames:
        acting, name = _acting(frame), frame.f_code.co_name
        if isinstance(acting, AudioVideoStrategy):
            called = name in HOOKS or name.startswith(("before_", "after_"))
        elif isinstance(acting, BenchmarkPlugin):
            called = not name.startswith("_") or name == "__init__"
        elif isinstance(acting, AudioVideoPretraining) and name == "backward":
            acting, called, name = acting.plugin, True, "the backward pass of its loss"
        else:
            continue
        owner, hook = acting, name if called else hook or name
    if owner is None:
        return None
    benchmark = isinstance(owner, BenchmarkPlugin)
    plugin = registry.find("benchmarks", config.bench) if benchmark else registry.find("strategies", config.strategy)
    if plugin.distribution == OURS:
        return None
    return plugin, hook if " " in hook else f"`{hook}`", owner


def _acting(frame: FrameType) -> Any:
    """The object whose method a frame runs."""
    code = frame.f_code
    return frame.f_locals.get(code.co_varnames[0]) if code.co_argcount else None


def _place(frames: Sequence[Frame], owner: Any) -> Frame:
    """Where in the plugin's own code it happened, or else where it happened at all."""
    module = type(owner).__module__
    package = module.partition(".")[0]
    for frame, line in reversed(frames):
        running = str(frame.f_globals.get("__name__", ""))
        if running == module or (package != OURS and running.partition(".")[0] == package):
            return frame, line
    return frames[-1]


def _next(directory: Path | None) -> str:
    if directory is None:
        return "and start again"
    resume = f"resume {shlex.quote(str(directory))}"
    return f"then continue from the newest checkpoint with `avbench {resume}` (traceback: `avbench --debug {resume}`)"
