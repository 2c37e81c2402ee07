"""What people write to configure a run (YAML files, `--set a.b=c`), read as mappings and laid over each other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from avbench.errors import UsageError
from avbench.wording import shortened

DEEPEST_KEY = 10  # parts of a key such as a.b.c; the configuration itself has three or four

# Impossible dates, endless numbers and bottomless nesting are no `YAMLError`s.
_UNREADABLE = (yaml.YAMLError, ValueError, RecursionError)


class _StrictLoader(yaml.SafeLoader):
    """Plain values only: no key twice in a mapping, where the first would be lost; no references.

    With references (`&a`, `*a`) a few lines can stand for more values than any memory holds.
    """

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()
        if getattr(event, "anchor", None) is not None:
            raise yaml.composer.ComposerError(
                None, None, f"references (&{event.anchor}, *{event.anchor}) are not read here: write the value out",
                event.start_mark,
            )  # fmt: skip
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        lines: dict[Any, int] = {}
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                continue  # refused further on
            key = self.construct_object(key_node)
            if key in lines:
                text = f"the key {shortened(key)} was given before, in line {lines[key]}: delete one of the two"
                raise yaml.constructor.ConstructorError(None, None, text, key_node.start_mark)
            lines[key] = key_node.start_mark.line + 1
        return super().construct_mapping(node, deep)


def parse_override(text: str) -> dict[str, Any]:
    """`a.b=c` -> {"a": {"b": c}}, the value read as YAML (so `true`, `3`, `[1, 5]` and `null` mean what they say).

    Raises:
        UsageError: it is not of that form, or the value is not YAML.
    """
    key, separator, value = text.partition("=")
    parts = key.strip().split(".")
    if not separator or not all(parts) or len(parts) > DEEPEST_KEY:
        raise UsageError(f"--set {shortened(text)} is not of the form a.b=value, for example --set training.epochs=3")
    try:
        parsed = yaml.load(value, _StrictLoader)
    except _UNREADABLE as error:
        raise UsageError(f"--set {shortened(text)}: the value is not valid YAML ({_explained(error)})") from None
    nested: dict[str, Any] = {parts[-1]: parsed}
    for part in reversed(parts[:-1]):
        nested = {part: nested}
    return nested


def merge(base: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """`extra` laid over `base`, mappings merged, everything else replaced."""
    merged = dict(base)
    for key, value in extra.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file; references (`&a`, `*a`) and repeated keys are not accepted.

    Raises:
        UsageError: the file can't be read, is not such YAML, or holds no mapping.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _StrictLoader)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"can't read the configuration {shortened(str(path))}: {reason}") from None
    except _UNREADABLE as error:
        raise UsageError(f"{path} is not valid YAML: {_explained(error)}") from None
    if not isinstance(content, dict):
        raise UsageError(f"{path} must hold a mapping such as `training: {{epochs: 3}}`")
    return content


def _explained(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        place = f"line {error.problem_mark.line + 1}, column {error.problem_mark.column + 1}"
        return f"{place}: {', '.join(filter(None, (error.context, error.problem)))}"
    return " ".join(str(error).replace('in "<unicode string>", ', "at ").split())
