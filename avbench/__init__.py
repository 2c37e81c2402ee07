"""avbench: a plug-in benchmark suite for continual audio-video pre-training.

Importing this package is cheap: torch and Avalanche are loaded only by what needs them.
"""

from pathlib import Path as _Path
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_checkout = _Path(__file__).resolve().parent.parent
if (_checkout / "pyproject.toml").is_file() and (_checkout / "strategies" / "__init__.py").is_file():
    # In a source checkout the sub-packages of the design card stand beside this folder, not inside it.
    __path__.append(str(_checkout))

if TYPE_CHECKING:
    from avbench.runner import Run, resume, run

__all__ = ["Run", "__version__", "resume", "run"]


def __getattr__(name: str) -> Any:
    if name in {"Run", "resume", "run"}:
        from avbench import runner

        return getattr(runner, name)
    raise AttributeError(f"module 'avbench' has no attribute {name!r}")
