"""avbench: a plug-in benchmark suite for continual audio-video pre-training.

Importing this package is cheap: torch and Avalanche are loaded only by what needs them.
"""

from importlib.machinery import PathFinder as _PathFinder
from pathlib import Path as _Path
from sys import meta_path as _meta_path
from typing import TYPE_CHECKING, Any
from warnings import filterwarnings as _filterwarnings

# Avalanche imports a package of QP solvers that warns when it finds none; nothing here solves such programs.
_filterwarnings("ignore", message="no QP solver found")

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
    from avbench.api import check_installation as check_installation
    from avbench.api import compare as compare
    from avbench.api import leaderboard as leaderboard
    from avbench.api import list_benchmarks as list_benchmarks
    from avbench.api import list_strategies as list_strategies
    from avbench.api import new_plugin as new_plugin
    from avbench.api import open_run as open_run
    from avbench.api import overlap as overlap
    from avbench.api import plan as plan
    from avbench.api import prepare as prepare
    from avbench.api import prepare_dataset as prepare_dataset
    from avbench.api import pretrain as pretrain
    from avbench.api import render_world as render_world
    from avbench.api import report as report
    from avbench.api import reproduce as reproduce
    from avbench.api import verify as verify
    from avbench.api import verify_dataset as verify_dataset
    from avbench.downstream.run import evaluate_downstream as evaluate_downstream
    from avbench.runner import Run as Run
    from avbench.runner import resume as resume
    from avbench.runner import run as run
    from avbench.runner import run_config as run_config

_HOMES = {
    "avbench.api": (
        *("check_installation", "compare", "leaderboard", "list_benchmarks", "list_strategies", "new_plugin"),
        *("open_run", "overlap", "plan", "prepare", "prepare_dataset", "pretrain", "render_world", "report"),
        *("reproduce", "verify", "verify_dataset"),
    ),
    "avbench.downstream.run": ("evaluate_downstream",),
    "avbench.runner": ("Run", "resume", "run", "run_config"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = ["__version__", *_HOME_OF]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'avbench' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME_OF})
