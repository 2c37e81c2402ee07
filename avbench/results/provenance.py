"""Where a result comes from: software, machine, command line."""

from __future__ import annotations

import importlib.metadata
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import avbench
from avbench import registry
from avbench.config import RunConfig
from avbench.plugins.plugin import OURS, Plugin
from avbench.results.comparability import config_hash
from avbench.results.journal import now
from avbench.results.schema import Provenance

PACKAGES = ("avalanche-lib", "av", "numpy", "pillow", "scipy", "timm", "torch", "torchaudio", "torchvision")


def collect_provenance(
    config: RunConfig,
    device: str,
    threads: int,
    clip_list_hash: str,
    benchmark_version: str,
    command: Sequence[str] | None = None,
    started: str | None = None,
    plugins: Sequence[Plugin] = (),
) -> Provenance:
    """What can be said about this process now; `finished` stays open.

    Args:
        device: where the model is, such as `cpu` or `cuda:0`.
        threads: CPU threads that were chosen.
        command: the command line, by default the one of this process.
        started: ISO 8601, by default now.
        plugins: what was at work beside the strategy and the benchmark, such as a downstream task.
    """
    commit, dirty = git_state(Path(avbench.__file__).resolve().parent.parent)
    return Provenance(
        command=describe_command(sys.argv if command is None else command),
        started=started or now(),
        versions=package_versions() | _plugin_versions(config, plugins),
        git_commit=commit,
        git_dirty=dirty,
        platform=platform.platform(),
        processor=processor_name(),
        device=device,
        accelerator=accelerator_name(device),
        threads=threads,
        config_hash=config_hash(config),
        clip_list_hash=clip_list_hash,
        benchmark_version=benchmark_version,
    )


def _plugin_versions(config: RunConfig, others: Sequence[Plugin]) -> dict[str, str]:
    """Versions of third parties' distributions, by name."""
    used = registry.find("strategies", config.strategy), registry.find("benchmarks", config.bench), *others
    return {plugin.distribution: plugin.version for plugin in used if plugin.distribution != OURS}


def package_versions() -> dict[str, str]:
    """Versions of Python, avbench and the packages that can change a number; a missing package is left out."""
    versions = {"python": platform.python_version(), "avbench": avbench.__version__}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def git_state(root: Path) -> tuple[str | None, bool | None]:
    """The commit of the checkout at `root` and whether it holds uncommitted changes; (None, None) outside of one."""
    if not (root / ".git").exists():
        return None, None
    commit = _git(root, "rev-parse", "HEAD")
    changes = _git(root, "status", "--porcelain")
    return commit or None, None if changes is None else bool(changes)


def describe_command(arguments: Sequence[str]) -> str:
    """A command line that can be repeated, without the folders of the person who typed it.

    Absolute paths keep only their last part: `--data-root /home/ada/vggsound` becomes `--data-root .../vggsound`.
    """
    program, *rest = arguments or [""]
    name = Path(program).name
    words = ["avbench" if name in ("__main__.py", "avbench") else name]
    return shlex.join([*words, *map(_shorten, rest)])


def processor_name() -> str:
    """The name of the CPU's model where the system tells it."""
    table = Path("/proc/cpuinfo")
    if table.is_file():
        for line in table.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def accelerator_name(device: str) -> str | None:
    """The name of the GPU behind `device`, None for a CPU."""
    if not device.startswith("cuda"):
        return None
    import torch

    return torch.cuda.get_device_name(device)


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _shorten(word: str) -> str:
    option, separator, value = word.rpartition("=")
    path = Path(value)
    if value.startswith("~") or path.is_absolute():
        return f"{option}{separator}.../{path.name}"
    return word
