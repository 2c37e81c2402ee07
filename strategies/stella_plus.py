"""STELLA+: STELLA whose memory keeps the selected patches of a clip only, and so holds about twice as many clips.

Lee et al., ICML 2024, section 4. What was selected when a clip came by is all that is ever replayed of it: only the
masks inside the selection are drawn anew. Importance and correlation of replayed clips are therefore not stored; the
correlation of the stream's clips is assessed against stored queries, as in STELLA.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from avbench.batch import Batch
from avbench.model.masking import Keep
from avbench.model.patches import gather_tokens, patchify_audio, patchify_video
from avbench.model.precision import full_precision
from avbench.strategies.derpp import DERPlusPlus
from avbench.strategies.patch_selection import MODALITIES
from avbench.strategies.stella import Stella
from avbench.training.memory import Field
from avbench.training.strategy import Step

PATCHIFY = {"audio": patchify_audio, "video": patchify_video}


class StellaPlus(Stella):
    """STELLA with patches in its memory in place of clips."""

    def memory_capacity(self, fields: Mapping[str, Field]) -> int:
        """As many clips as fit: a `memory` counted in clips is the room that so many clips of DER++ would take."""
        given = self.config.memory
        if not isinstance(given, int):
            return super().memory_capacity(fields)
        room = given * sum(field.nbytes for field in DERPlusPlus.memory_fields(self).values())
        return room // sum(field.nbytes for field in fields.values())

    def memory_fields(self) -> dict[str, Field]:
        """Selected patches, the ids of all patches with the selected ones first, embeddings and queries."""
        shape, counts = self.context.shape, self.counts
        kept = {name: field for name, field in super().memory_fields().items() if name.startswith(("z_", "query_"))}
        return kept | {
            "ids_audio": _ids(shape.audio_tokens),
            "ids_video": _ids(shape.video_tokens),
            "patches_audio": Field((counts["audio"], shape.patch**2), torch.float16, beside_model=False),
            "patches_video": Field((counts["video"], 3 * shape.patch**2), torch.uint8, beside_model=False),
        }

    def patches(self, step: Step) -> Keep:
        """Fresh selections for the stream, those of their time for replayed clips."""
        chosen, kept = super().patches(step), {}
        assert chosen.audio is not None
        assert chosen.video is not None
        for modality, ids in (("audio", chosen.audio), ("video", chosen.video)):
            count, name = self.counts[modality], f"ids_{modality}"
            order = step.notes[name] = _selected_first(ids, step.notes[f"importance_{modality}"])
            # Fetched here, where the device has done little yet: after the update the host would wait for all of it.
            cut = PATCHIFY[modality](step.wire[modality], self.context.shape.patch)
            step.notes[f"patches_{modality}"] = gather_tokens(cut, order[:, :count].cpu())
            rows = order if step.replay is None else torch.cat([order, step.replay.fields[name].long()])
            kept[modality] = rows[:, :count]
        return Keep(**kept)

    def rows(self, step: Step, name: str) -> Tensor:
        """The scores of the stream's clips: replayed ones have none, and need none."""
        return step.notes[name]

    def stored_batch(self, fields: Mapping[str, Tensor], names: Sequence[str]) -> Batch:
        """Clips whose unselected patches are black and silent; `patches` keeps those out of every computation."""
        shape, side = self.context.shape, self.context.shape.patch
        audio, video = (self._all_patches(fields, modality) for modality in MODALITIES)
        # The inverse of cutting clips into patches: see `patchify_audio` and `patchify_video`.
        audio = audio.unflatten(2, (side, side)).unflatten(1, shape.audio_grid).transpose(2, 3)
        video = video.unflatten(2, (side, side, 3)).unflatten(1, shape.video_grid).permute(0, 1, 6, 2, 4, 3, 5)
        audio = audio.reshape(-1, 1, shape.audio_frames, shape.mel_bins)
        video = video.reshape(-1, shape.frames, 3, shape.image_size, shape.image_size)
        return Batch.from_wire(audio, video, names, self.context.device)

    def _all_patches(self, fields: Mapping[str, Tensor], modality: str) -> Tensor:
        """(B, L, pixels) in the order of a clip, zeros where nothing was stored."""
        stored = fields[f"patches_{modality}"].to(self.context.device, non_blocking=True)
        places = fields[f"ids_{modality}"].long().argsort(dim=1)
        missing = stored.new_zeros(len(stored), places.shape[1] - stored.shape[1], stored.shape[2])
        with full_precision(stored):  # autocast would cast what is joined, and knows no bytes and no float16
            return gather_tokens(torch.cat([stored, missing], dim=1), places)

    def remember(self, step: Step) -> tuple[dict[str, Tensor], Tensor | None]:
        """STELLA's payload without whole clips."""
        payload, keep = super().remember(step)
        assert self.memory is not None
        return {name: payload[name] for name in self.memory.fields}, keep


def _ids(tokens: int) -> Field:
    return Field((tokens,), torch.int16 if tokens <= 2**15 else torch.int32)


def _selected_first(ids: Tensor, like: Tensor) -> Tensor:
    """A permutation of all ids that begins with `ids`, each part ascending: (B, kappa) -> (B, L)."""
    unselected = torch.ones_like(like, dtype=torch.uint8).scatter(1, ids, 0)
    return unselected.argsort(dim=1, stable=True)
