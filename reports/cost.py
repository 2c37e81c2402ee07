"""What a run has cost: one table, and where its time went."""

from __future__ import annotations

from dataclasses import dataclass

from avbench.reports.downloads import Download, csv_download
from avbench.reports.formats import amount_of_bytes, count, duration
from avbench.results.schema import Results

MEANINGS = {
    "data": "waiting for clips",
    "forward": "the pass that is trained on",
    "backward": "its gradients",
    "strategy": "all else the method does: choosing, auxiliary passes, remembering",
    "update": "the optimizer, and moving the batch",
    "training": "forward, backward, strategy and update, not told apart in this run",
    "evaluation": "retrieval, gaps and maps after each task",
}


@dataclass(frozen=True)
class Line:
    """One row of the table."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Share:
    """One part of the time."""

    name: str
    seconds: float
    percent: float
    meaning: str


@dataclass(frozen=True)
class CostView:
    """The section."""

    lines: list[Line]
    shares: list[Share]
    download: Download


def cost_view(results: Results) -> CostView:
    """The section, from what the run has measured."""
    spent, lines = results.efficiency, []
    rate = "–" if spent.clips_per_second is None else f"{spent.clips_per_second:.1f} clips/s"
    lines.append(Line("Throughput", rate, "clips of the stream in training; replayed ones are not counted"))
    lines.append(Line("Steps", count(spent.steps)))
    if spent.compute_units:
        note = "forward passes of one clip, counted; a backward pass counts two"
        lines.append(Line("Compute units", count(round(spent.compute_units)), note))
    lines.append(Line("Parameters", count(spent.parameters), "trained"))
    if spent.teacher_parameters:
        lines.append(Line("Parameters of teachers", count(spent.teacher_parameters), "not trained"))
    peak = spent.peak_memory_bytes
    lines.append(Line("Peak memory of the process", amount_of_bytes(peak.process), "resident, without loader workers"))
    if peak.cuda_reserved:
        lines.append(Line("Peak GPU memory, allocated", amount_of_bytes(peak.cuda_allocated), "by tensors"))
        lines.append(Line("Peak GPU memory, reserved", amount_of_bytes(peak.cuda_reserved), "by PyTorch’s allocator"))
    if spent.memory_capacity or spent.memory_clips:
        room = f" of {count(spent.memory_capacity)}" if spent.memory_capacity else ""
        lines.append(Line("Rehearsal memory", f"{count(spent.memory_clips)}{room} clips", "at the end"))
        lines.append(Line("Rehearsal memory in bytes", amount_of_bytes(spent.memory_bytes), "reserved for it"))
    shares = _shares(results)
    total = sum(share.seconds for share in shares)
    lines.append(Line("Time in all", duration(total), "with evaluation, without pauses"))
    table = [(line.name, line.value, line.note) for line in lines]
    table += [(f"seconds, {share.name}", f"{share.seconds:.3f}", share.meaning) for share in shares]
    return CostView(lines, shares, csv_download("cost", ["what", "value", "note"], table))


def _shares(results: Results) -> list[Share]:
    """Largest first; the buckets of a stopwatch exclude one another."""
    seconds = {name: value for name, value in results.efficiency.seconds.items() if value > 0}
    total = sum(seconds.values())
    found = [Share(name, value, 100 * value / total, MEANINGS.get(name, "")) for name, value in seconds.items()]
    return sorted(found, key=lambda share: -share.seconds)
