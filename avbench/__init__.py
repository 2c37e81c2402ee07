"""avbench: a plug-in benchmark suite for continual audio-video pre-training.

Importing this package is cheap: torch and Avalanche are loaded only by what needs them.
"""

from importlib.machinery import PathFinder as _PathFinder
from pathlib import Path as _Path
from sys import meta_path as _meta_path
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_checkout = _Path(__file__).resolve().parent.parent
_ROOMS = ("benchmarks", "evaluation", "reports", "strategies")


class _Rooms(_PathFinder):
    """In a source checkout some sub-packages stand beside this folder, not inside it; only these are found there."""

    @classmethod
    def find_spec(cls, fullname: str, path: object = None, target: object = None) -> Any:
        parent, _, name = fullname.rpartition(".")
        found = parent == __name__ and name in _ROOMS
        return super().find_spec(fullname, [str(_checkout)]) if found else None


if (_checkout / "pyproject.toml").is_file() and all((_checkout / room / "__init__.py").is_file() for room in _ROOMS):
    _meta_path.insert(0, _Rooms)  # before an installed checkout's finder: two checkouts must never be mixed

if TYPE_CHECKING:
    from avbench.downstream_run import evaluate_downstream
    from avbench.runner import Run, resume, run

__all__ = ["Run", "__version__", "evaluate_downstream", "resume", "run"]


def __getattr__(name: str) -> Any:
    if name in {"Run", "resume", "run"}:
        from avbench import runner

        return getattr(runner, name)
    if name == "evaluate_downstream":
        from avbench.downstream_run import evaluate_downstream

        return evaluate_downstream
    raise AttributeError(f"module 'avbench' has no attribute {name!r}")
