"""Our training loop against a plain PyTorch loop on the same model, clips and optimizer, in one run.

    python perf/overhead.py                      # quick profile, CPU
    python perf/overhead.py --strategy finetune --rounds 5

Both loops read the same clips through the same DataLoader settings and start from the same weights; they take turns,
and the figure is the ratio of their fastest rounds. Experience replay is written out by hand in `plain_loop`.
"""

from __future__ import annotations

import argparse
import copy
import time
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from avbench.batch import Batch
from avbench.benchmarks.streams import Clip, build_scenario
from avbench.config import RunConfig, resolve
from avbench.data.store import collate
from avbench.model.mae import AudioVideoMAE
from avbench.model.masking import Noise
from avbench.testing.trial import NoiseClips
from avbench.training.optimizer import build_optimizer
from avbench.training.session import Session


def plain_loop(config: RunConfig, net: AudioVideoMAE, clips: NoiseClips, epochs: int, memory: int) -> None:
    """Experience replay (or nothing, with memory 0) as one would write it in a notebook."""
    training, generator = config.training, torch.Generator().manual_seed(0)
    optimizer = build_optimizer(net, {}, training)
    loader = DataLoader(
        clips, training.batch_size, shuffle=True, drop_last=True, collate_fn=collate, generator=generator
    )
    stored: list[tuple[Tensor, Tensor]] = []
    visits = 0
    for _ in range(epochs):
        for wire in loader:
            audio, video = wire["audio"], wire["video"]
            if stored:
                chosen = torch.randperm(len(stored), generator=generator)[: len(audio)].tolist()
                audio = torch.cat([audio, torch.stack([stored[slot][0] for slot in chosen])])
                video = torch.cat([video, torch.stack([stored[slot][1] for slot in chosen])])
            batch = Batch.from_wire(audio, video, [""] * len(audio))
            out = net(batch, Noise.draw(len(audio), config.clip, generator))
            reconstruction = out.reconstruction_audio + out.reconstruction_video
            loss = training.reconstruction_weight * reconstruction + training.contrastive_weight * out.contrastive
            optimizer.zero_grad(set_to_none=True)
            loss.mean().backward()
            if training.clip_gradient is not None:
                torch.nn.utils.clip_grad_norm_(net.parameters(), training.clip_gradient)
            optimizer.step()
            for clip in zip(wire["audio"], wire["video"], strict=True):
                visits += 1
                if len(stored) < memory:
                    stored.append(clip)
                elif memory and (slot := int(torch.randint(visits, (), generator=generator))) < memory:
                    stored[slot] = clip


def seconds(work: Any) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strategy", default="er", choices=["finetune", "er"])
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--clips", type=int, default=240)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    overrides: list[dict[str, Any]] = [{"device": "cpu", "training": {"base_weights": None, "epochs": 1}}]
    config = resolve(arguments.strategy, "continual-synth", arguments.profile, overrides=overrides)
    clips = NoiseClips(config, arguments.clips)
    weights = copy.deepcopy(Session(config).net.state_dict())
    memory = config.options.get("memory", 0)
    listed = [[Clip(clip_id, "") for clip_id in clips.clip_ids]]
    experience = build_scenario(clips, {"train": listed}).train_stream[0]  # type: ignore[arg-type]
    plain, ours = [], []
    for _ in range(arguments.rounds + 1):
        session = Session(config)
        session.net.load_state_dict(weights)
        template = session.attach(clips)
        ours.append(seconds(lambda: template.train([experience], eval_streams=[])))  # noqa: B023 (called at once)
        net = AudioVideoMAE(config.clip, config.model)
        net.load_state_dict(weights)
        plain.append(seconds(lambda: plain_loop(config, net, clips, 1, memory)))  # noqa: B023
    steps = len(clips) // config.training.batch_size
    best = min(ours[1:]), min(plain[1:])  # the first round warms up
    print(f"{arguments.strategy}, {arguments.profile}: {steps} steps a round, best of {arguments.rounds} rounds")
    print(f"avbench {1000 * best[0] / steps:.1f} ms/step, plain loop {1000 * best[1] / steps:.1f} ms/step")
    print(f"ratio {best[0] / best[1]:.3f}")


if __name__ == "__main__":
    main()
