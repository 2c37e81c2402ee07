"""STELLA: spatio-temporal localized alignment.

Lee et al., STELLA: Continual Audio-Video Pre-training with Spatio-Temporal Localized Alignment, ICML 2024. Two ideas
choose the patches a step trains on. *Localized patch importance scoring*: the patches that the other modality attends
to in a matching module. *Replay-guided correlation assessment*: patches that attend more to a past clip than to their
own partner are left out, since training on them would overwrite what was learned about the past. Where paper and
released code differ, docs/stella.md says which we follow.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from pydantic import Field as Option
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from avbench.errors import UsageError
from avbench.model.masking import Keep
from avbench.model.matching import AudioVideoMatching, matching_pairs
from avbench.model.relation import correlation, importance, weighted_query
from avbench.model.selection import chunk_count, select_chunks, select_tokens, top_tokens
from avbench.strategies.derpp import DERPlusPlus, DERPlusPlusConfig
from avbench.training.memory import Field
from avbench.training.strategy import Context, Step

MODALITIES = ("audio", "video")


class StellaConfig(DERPlusPlusConfig):
    """Options of STELLA; alpha, beta and rho are STELLA, Table 5, for Continual-VS."""

    sampling_ratio: float = Option(0.5, gt=0, le=1)  # rho: share of the patches that is trained on
    temperature: float = Option(0.4, gt=0)  # beta: sharpness of the importance scores
    chunk: int | None = Option(None, ge=1)  # patches a chunk is long; by default 4 along time, 1 along frequency
    audio_selection: Literal["time", "frequency", "none"] = "time"


class Stella(DERPlusPlus):
    """DER++ on the patches that carry audio-video correlation and are safe for the past."""

    Config = StellaConfig

    def setup(self, context: Context) -> None:
        """Build the matching module, from base weights where there are any."""
        shape, config = context.shape, self.config
        self.audio_count = int(shape.audio_tokens * config.sampling_ratio)
        self.video_count = int(shape.video_tokens * config.sampling_ratio)
        model, init = context.model, context.generators["init"]
        self.matching = AudioVideoMatching(model.width, model.heads, model.legacy_head_merge, init)
        if self.audio_count <= context.net.visible_audio or self.video_count <= context.net.visible_video:
            raise UsageError(
                f"options.sampling_ratio = {config.sampling_ratio} leaves nothing to reconstruct: model.mask_ratio = "
                f"{context.model.mask_ratio} shows {1 - context.model.mask_ratio:.0%} of all patches to the encoder"
            )
        self.chunk = config.chunk or (4 if config.audio_selection == "time" else 1)
        if config.audio_selection != "none":
            try:
                self.chunks = chunk_count(shape.audio_grid, self.chunk, config.audio_selection)
            except ValueError as error:
                raise UsageError(f"options.chunk = {self.chunk}: {error}") from None
        weights = {k.removeprefix("matching."): v for k, v in context.base_weights.items() if k.startswith("matching.")}
        if weights:
            self.matching.load_state_dict(weights)
        else:
            text = "the matching module starts from random weights; the paper pre-trains it before the stream begins"
            self.warnings.append(("matching-not-pretrained", text))
        self.matching.to(context.device)
        super().setup(context)

    def modules(self) -> dict[str, nn.Module]:
        """The matching module is trained with the stream."""
        return {"matching": self.matching}

    def memory_fields(self) -> dict[str, Field]:
        """DER++'s fields, each clip's importance and correlation scores, and its weighted-mean queries."""
        shape, heads = self.context.shape, self.context.model.heads
        query = Field((heads, self.context.model.width // heads))
        audio, video = Field((shape.audio_tokens,)), Field((shape.video_tokens,))
        own = {"importance_audio": audio, "importance_video": video, "query_audio": query, "query_video": query}
        return super().memory_fields() | own | {"correlation_audio": audio, "correlation_video": video}

    def patches(self, step: Step) -> Keep:
        """The patches of stream and replayed clips, from fresh scores for the stream and stored ones for replay."""
        with torch.no_grad():
            step.notes |= self._scores(step)
            rows = {k: self._with_replay(step, k) for k in step.notes if k.startswith(("importance", "correlation"))}
            audio, video = rows["importance_audio"], rows["importance_video"]
            risky_audio = self._uniform(audio.shape) < rows["correlation_audio"]  # Bernoulli draws
            risky_video = self._uniform(video.shape) < rows["correlation_video"]
            chosen = select_tokens(video, risky_video, self.video_count, self._uniform(video.shape))
            return Keep(audio=self._select_audio(audio, risky_audio), video=chosen)

    def _scores(self, step: Step) -> dict[str, Tensor]:
        """Importance and correlation of the stream's clips, without a graph and over all their patches."""
        codes = self.net.encode_tokens(step.stream)
        tokens = self.net.fuse(*codes)
        qk = self.matching.queries_keys(*tokens)
        scores = importance(qk.query_audio, qk.key_video, qk.query_video, qk.key_audio, self.config.temperature)
        top = top_tokens(scores[0], self.audio_count), top_tokens(scores[1], self.video_count)
        queries = weighted_query(qk.query_audio, scores[0], top[0]), weighted_query(qk.query_video, scores[1], top[1])
        risks = [torch.zeros_like(score) for score in scores]
        if step.replay is not None:
            # Clip i of the stream is compared with replayed clip i; a short memory is gone through again.
            pair = torch.arange(len(step.stream), device=self.context.device) % len(step.replay)
            past = [step.replay.fields[f"query_{modality}"][pair] for modality in MODALITIES]
            risks[0] = correlation(qk.key_audio, queries[1], past[1], top[0], scores[0].shape[1])
            risks[1] = correlation(qk.key_video, queries[0], past[0], top[1], scores[1].shape[1])
        groups = {"codes": codes, "fused": tokens, "importance": scores, "query": queries, "correlation": risks}
        return {f"{name}_{m}": pair[i] for name, pair in groups.items() for i, m in enumerate(MODALITIES)}

    def _with_replay(self, step: Step, name: str) -> Tensor:
        return step.notes[name] if step.replay is None else torch.cat([step.notes[name], step.replay.fields[name]])

    def _select_audio(self, scores: Tensor, excluded: Tensor) -> Tensor:
        """Algorithm 1: whole stretches of time, so that the spectrogram stays readable as sound."""
        if self.config.audio_selection == "none":
            return select_tokens(scores, excluded, self.audio_count, self._uniform(scores.shape))
        grid, axis = self.context.shape.audio_grid, self.config.audio_selection
        noise, coin = self._uniform((len(scores), self.chunks)), self._uniform((len(scores),), "coin") < 0.5
        return select_chunks(scores, excluded, self.audio_count, self.chunk, grid, axis, noise, coin)

    def _uniform(self, shape: Any, name: str = "aux") -> Tensor:
        return torch.rand(shape, generator=self.generators[name]).to(self.context.device, non_blocking=True)

    def penalty(self, step: Step) -> dict[str, Tensor]:
        """DER++'s distillation and the matching loss; the latter never reaches the backbone."""
        return super().penalty(step) | {"matching": self._matching_loss(step)}

    def _matching_loss(self, step: Step) -> Tensor:
        """Tell true pairs from pairs whose video was exchanged within the batch."""
        notes, device = step.notes, self.context.device
        is_match, partner = matching_pairs(len(step.stream), self.generators["aux"])
        matched, others = is_match.nonzero().flatten(), (~is_match).nonzero().flatten()
        target = torch.cat([torch.ones(len(matched)), torch.zeros(len(others))])
        matched, others, partner, target = (
            rows.to(device, non_blocking=True) for rows in (matched, others, partner[others], target)
        )
        with torch.no_grad():  # matched pairs were fused already, for their scores
            exchanged = self.net.fuse(notes["codes_audio"][others], notes["codes_video"][partner])
            audio = torch.cat([notes["fused_audio"][matched], exchanged[0]])
            video = torch.cat([notes["fused_video"][matched], exchanged[1]])
        return binary_cross_entropy_with_logits(self.matching(audio, video).float(), target)

    def remember(self, step: Step) -> tuple[dict[str, Tensor], Tensor | None]:
        """DER++'s payload and the scores this step used."""
        payload, keep = super().remember(step)
        assert self.memory is not None
        return payload | {name: step.notes[name] for name in self.memory.fields if name in step.notes}, keep

