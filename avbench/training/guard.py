"""The task-free guard: in training, a strategy sees clips, and nothing that says where the stream changes.

Avalanche hands its plugins the whole template, with the experience, its labels and its clock. A strategy gets a view of
it instead that knows the current step only; anything else is an error that names the attribute. A method that needs
boundaries declares `boundary_aware = True`, is given the template itself, and is marked in every table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from avalanche.core import BaseSGDPlugin

from avbench.errors import TaskFreeError

if TYPE_CHECKING:
    from avbench.training.strategy import AudioVideoStrategy

STEP_EVENTS = (
    "before_training_iteration",
    "before_forward",
    "after_forward",
    "before_backward",
    "after_backward",
    "before_update",
    "after_update",
    "after_training_iteration",
)
# Events that come once per experience, or per pass over one: to be told of them is to know where the stream changes.
BOUNDARY_EVENTS = tuple(
    event for event in dir(BaseSGDPlugin) if event.startswith(("before_", "after_")) and event not in STEP_EVENTS
)
# What the view shows of the template.
SHOWN = ("step", "loss", "optimizer", "device", "precision", "autocast")


class TaskFreeView:
    """The template as a task-free strategy may see it: the attributes in `SHOWN`.

    Raises:
        TaskFreeError: any other attribute is read or written.
    """

    __slots__ = ("_method", "_template")

    def __init__(self, template: Any, method: str) -> None:
        object.__setattr__(self, "_template", template)
        object.__setattr__(self, "_method", method)

    def __getattr__(self, name: str) -> Any:
        """An attribute of the template."""
        if name not in SHOWN:
            raise self._refusal("reads", name)
        return getattr(self._template, name)

    def __setattr__(self, name: str, value: Any) -> None:
        """Only the loss may be replaced."""
        if name != "loss":
            raise self._refusal("sets", name)
        self._template.loss = value

    def _refusal(self, does: str, name: str) -> TaskFreeError:
        return TaskFreeError(
            f"{self._method} {does} `strategy.{name}` in training, which is not task-free; a strategy may use "
            f"{', '.join(SHOWN)} and its own memory, or must declare `boundary_aware = True`"
        )


class GuardedStrategy(BaseSGDPlugin):
    """An Avalanche plugin that passes the events of a step on to a task-free strategy.

    Args:
        plugin: the strategy.

    Raises:
        TaskFreeError: the strategy listens to an event that tells of a boundary.
    """

    def __init__(self, plugin: AudioVideoStrategy) -> None:
        super().__init__()
        self.plugin = plugin
        kind = type(plugin)
        for event in BOUNDARY_EVENTS:
            if event in vars(plugin) or getattr(kind, event, None) is not getattr(BaseSGDPlugin, event):
                raise TaskFreeError(
                    f"{kind.__name__} listens to `{event}`, which tells where an experience begins or ends; remove it, "
                    "or declare `boundary_aware = True`"
                )
        for event in STEP_EVENTS:
            setattr(self, event, self._passing(event))

    def _passing(self, event: str) -> Any:
        def passed(template: Any, **kwargs: Any) -> None:
            getattr(self.plugin, event)(TaskFreeView(template, type(self.plugin).__name__), **kwargs)

        return passed
