"""One plugin: what is known of it before it is imported, and what becomes of it then."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from avbench.errors import AvbenchError, PluginError
from avbench.plugins import card as cards
from avbench.plugins.interrupts import noticed
from avbench.plugins.unpackaged import VARIABLE
from avbench.plugins.unpackaged import Kind as Kind
from avbench.validation import validate
from avbench.wording import told

SINGULAR: dict[Kind, str] = {
    "strategies": "strategy",
    "benchmarks": "benchmark",
    "downstream": "downstream task",
}
OURS = "avbench"  # the distribution that is not a third party


class BrokenPlugin(PluginError):
    """A plugin that can't be used; nothing was started."""

    exit_code = 2


@dataclass(frozen=True)
class Plugin:
    """One registered strategy, benchmark or downstream task, not yet imported.

    Attributes:
        target: `module:Class`.
        distribution, version: who brought it, and is to blame.
        where: what people know the target as, if not as that.
        problem: why it can't be used, as far as that is known without importing it.
        rivals: where several distributions claim one name, all of them.
        contested: it is one of such rivals.
    """

    kind: Kind
    name: str
    target: str
    distribution: str
    version: str
    where: str = ""
    problem: str = ""
    rivals: tuple[Plugin, ...] = ()
    contested: bool = False

    @property
    def qualified_name(self) -> str:
        """What it has to be called to be found again: with its distribution only where others claim the name."""
        return f"{self.name}@{self.distribution}" if self.contested else self.name

    def card(self) -> dict[str, Any]:
        """What the YAML file beside the module says, or nothing when there is none; imports nothing.

        Raises:
            PluginError: the plugin or its card is broken.
        """
        if self.problem:
            raise BrokenPlugin(self.problem)
        try:
            return cards.read_card(self.target.partition(":")[0])
        except AvbenchError as error:
            raise BrokenPlugin(f"{self.described()}: {error}; {self.remedy()}") from None

    def summary(self) -> str:
        """The card's sentence, or what is wrong with the plugin or its card."""
        try:
            return str(self.card().get("summary", ""))
        except BrokenPlugin as error:
            return f"broken: {error}"

    def load(self) -> Any:
        """The class itself.

        Raises:
            PluginError: it can't be imported or is none; the message names the distribution to blame.
        """
        if self.problem:
            raise BrokenPlugin(self.problem)
        base = _base(self.kind)
        with noticed() as interrupted:
            try:
                found = _look_up(self.target)
                wrong = _misfit(found, base)
            except BaseException as error:  # a module may fail with anything, or try to end the process
                if isinstance(error, KeyboardInterrupt) and interrupted():
                    raise
                raise BrokenPlugin(f"{self.described()} can't be loaded: {told(error)}; {self.remedy()}") from error
        if wrong:
            raise BrokenPlugin(f"{self.described()} is no {SINGULAR[self.kind]}: {wrong}; {self.remedy()}")
        return found

    def check(self) -> None:
        """Load it, and hold everything its card sets against the configuration of a run and its own options.

        Raises:
            PluginError: something is wrong with it.
        """
        card, loaded = self.card(), self.load()
        with self._answering_for_its_card():
            cards.check(card, self.kind, loaded.Config)

    def presets(self, bench: str, profile: str, order: str, load: bool = False) -> list[dict[str, Any]]:
        """What the card sets for a benchmark in a profile, and for an order of its tasks in it; later ones win.

        Args:
            load: also hold it against the plugin's own options, which takes the seconds of importing it.

        Raises:
            PluginError: the plugin can't be loaded, or its card sets what can't be.
        """
        presets: dict[str, dict[str, Any]] = self.card().get("presets", {})
        layers = ("default", bench, f"{bench}/{profile}", f"{bench}/{order}/{profile}")
        names = [name for name in layers if name in presets]
        options = self.load().Config if load else None
        with self._answering_for_its_card():
            cards.check_presets(presets, names, options)
        return [presets[name] for name in names]

    def profile(self, profile: str, order: str, load: bool = False) -> list[dict[str, Any]]:
        """What the card of a benchmark sets in a profile, and for an order of its tasks in it; later ones win.

        Args:
            load: as of `presets`.

        Raises:
            PluginError: its card sets what can't be.
            KeyError: there is no such profile.
        """
        card = self.card()
        layers = [card["profiles"][profile], card.get("orders", {}).get(f"{order}/{profile}", {})]
        options = self.load().Config if load else None
        with self._answering_for_its_card():
            cards.check_profile(layers, f"profiles.{profile}", options)
        return layers

    def settings(self, values: Mapping[str, Any], where: str) -> dict[str, Any]:
        """`values` as the plugin's own options, complete and in plain types.

        Raises:
            UsageError: an option is unknown or can't have that value.
            PluginError: its class of options crashed.
        """
        kind = self.load().Config
        try:
            settings: dict[str, Any] = validate(kind, values, where).model_dump(mode="json")
        except AvbenchError:
            raise
        except Exception as error:
            raise BrokenPlugin(f"the options of {self.described()} crashed: {told(error)}; {self.remedy()}") from error
        return settings

    @contextmanager
    def _answering_for_its_card(self) -> Iterator[None]:
        try:
            yield
        except AvbenchError as error:
            file = cards.place(self.target.partition(":")[0])
            raise BrokenPlugin(f"{self.described()}: its card {file}: {error}; {self.remedy()}") from None
        except Exception as error:  # a check of its own options may fail with anything
            raise BrokenPlugin(f"the options of {self.described()} crashed: {told(error)}; {self.remedy()}") from error

    def described(self) -> str:
        """For messages: name and where it comes from."""
        return f"the {SINGULAR[self.kind]} {self.name!r} ({self.where or self.target}, from {self.origin()})"

    def origin(self) -> str:
        """Distribution and version."""
        return f"{self.distribution} {self.version}".strip()

    def remedy(self) -> str:
        """What its user can do about it."""
        if self.distribution == OURS:
            return "`avbench doctor` says what of the installation works"
        if self.distribution == VARIABLE:
            return f"mend the file, or take it out of {VARIABLE}"
        return f"mend, update or remove {self.distribution}"


def _base(kind: Kind) -> type:
    """The class that plugins of a kind derive from; importing it takes the seconds that torch takes."""
    try:
        if kind == "strategies":
            from avbench.training.strategy import AudioVideoStrategy

            return AudioVideoStrategy
        if kind == "downstream":
            from avbench.evaluation.downstream.task import DownstreamTask

            return DownstreamTask
        from avbench.benchmarks.plugin import BenchmarkPlugin

        return BenchmarkPlugin
    except Exception as error:
        text = told(error)
        raise BrokenPlugin(f"avbench itself can't be loaded: {text}; `avbench doctor` says what is wrong") from error


def _look_up(target: str) -> Any:
    """What a target names; None, which is no class either, if the module has nothing of that name."""
    module, _, attribute = target.partition(":")
    found: Any = importlib.import_module(module)
    for name in attribute.split("."):
        found = getattr(found, name, None)
    return found


def _misfit(found: Any, base: type) -> str:
    """Why `found` can't be used as a plugin that derives from `base`; empty when it can."""
    from avbench.config import Section

    if found is None:
        return "the module has nothing of that name"
    if not inspect.isclass(found):
        return f"it is of type {type(found).__name__}, and must be a class that derives from {_path(base)}"
    if not issubclass(found, base):
        return f"the class does not derive from {_path(base)}"
    if missing := sorted(getattr(found, "__abstractmethods__", ())):
        return f"the class lacks {', '.join(missing)}"
    config = getattr(found, "Config", None)
    if not (inspect.isclass(config) and issubclass(config, Section)):
        return f"its `Config` must be a class of options that derives from {_path(Section)}"
    wanted = inspect.signature(base).parameters
    try:
        inspect.signature(found).bind(*wanted)
    except TypeError as error:
        return f"it must be made as {base.__name__}({', '.join(wanted)}) is: {error}"
    return ""


def _path(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
