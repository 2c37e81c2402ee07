"""A recorded run, as the runner announces it."""

import random

import pytest

TITLES = [
    "Sports",
    "Music",
    "[red]x[/]",
    "People\x1b[31m\nEvil",
    "Animals",
    "Home & nature",
    "Others part 1",
    "Others part 2",
]
STEPS = 6  # per experience


def recall(rng, learned):
    def row(k):
        return [
            min(100.0, (40 - 4 * (learned - t) if t <= learned else 3) * k**0.5 + rng.random())
            for t in range(len(TITLES))
        ]

    return {way: {f"R@{k}": row(k) for k in (1, 5, 10)} for way in ("audio2video", "video2audio")}


def step(number, experience, epoch, rng):
    return {
        "event": "step",
        "step": number,
        "total_steps": STEPS * len(TITLES),
        "experience": experience,
        "epoch": epoch,
        "loss": None if number == 3 else 2 - rng.random(),
        "terms": {"contrastive": 0.5},
        "clips_per_second": 85.4,
        "memory_clips": 12 * number,
        "seconds_left": 75.0,
    }


def record(synthetic=True, resumed=False, start=0, folder="runs/[bold]one[/]"):
    """All events of a run, or of its continuation from experience `start` on."""
    rng = random.Random(0)
    events = [{"event": "preparing", "done": done, "total": 40} for done in (0, 20, 40)]
    events.append(
        {
            "event": "run_started",
            "strategy": "stella[/]",
            "bench": "continual-synth",
            "profile": "quick",
            "seed": 3,
            "resumed": resumed,
            "step": start * STEPS,
            "total_steps": STEPS * len(TITLES),
            "experiences": TITLES,
            "clips": [48] * len(TITLES),
            "parameters": 1_234_567,
            "device": "cpu",
            "threads": 1,
            "synthetic": synthetic,
            "directory": folder,
        }
    )
    events.append({"event": "warning", "code": "x", "message": "clip [link=http://x]y[/link] \x07 is odd"})
    if not start:
        events.append({"event": "evaluated", "after": -1, "recall": recall(rng, -1), "seconds": 1.0})
    for experience in range(start, len(TITLES)):
        events.append(
            {
                "event": "experience_started",
                "experience": experience,
                "title": TITLES[experience],
                "steps": STEPS,
                "epochs": 2,
                "clips": 48,
            }
        )
        for number in range(1, STEPS + 1):
            events.append(step(experience * STEPS + number, experience, (number - 1) * 2 // STEPS, rng))
        events.append({"event": "checkpoint", "step": STEPS * (experience + 1), "seconds": 0.1})
        events.append({"event": "evaluated", "after": experience, "recall": recall(rng, experience), "seconds": 1.0})
    row = {"accuracy": 33.3, "forgetting_paper": 5.25, "forgetting_official": None, "learned": 40.0}
    summary = {way: dict.fromkeys(("R@1", "R@5", "R@10", "Avg"), row) for way in ("audio2video", "video2audio")}
    events.append({"event": "finished", "seconds": 3723.0, "summary": summary})
    return [{"time": "2025-01-01T00:00:00Z", **event} for event in events]


@pytest.fixture
def recorded():
    return record
