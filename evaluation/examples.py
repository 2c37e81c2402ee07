"""Retrieval examples for the report: a few queries with what was retrieved for them, as pictures a person can judge.

Layout of the folder: `examples.json` and, for each clip shown, one JPEG (its frames side by side), one 8-bit grey PNG
(its spectrogram, low frequencies at the bottom) and, where the benchmark can give it, one MP3 (its sound). File names
are hashes of clip ids, never clip ids themselves.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from avbench.config import Section
from avbench.errors import MediaError, RunDirectoryError
from avbench.results.atomic import write_atomically

if TYPE_CHECKING:
    from avbench.data.clip import Sound
    from avbench.evaluation.retrieval import RetrievalResult

FILE = "examples.json"
NEIGHBOURS = 3
_FRAME_SIDE = 160  # pixels of one stored frame, at most
_SPECTROGRAM_COLUMNS = 512

FileName = Annotated[str, Field(pattern=r"^[0-9a-f]{24}\.(jpg|png)$")]
SoundName = Annotated[str, Field(pattern=r"^[0-9a-f]{24}\.mp3$")]


class ExampleClip(Section):
    """A clip as the report shows it. `label` is what the benchmark knows of it, such as its class; it may be empty."""

    clip_id: str
    task: str
    label: str = ""
    frames: FileName
    frame_count: Annotated[int, Field(ge=1)]
    spectrogram: FileName
    sound: SoundName | None = None  # none could be had, or the run is older than sounds in reports


class Neighbour(Section):
    """One retrieved clip."""

    clip: ExampleClip
    similarity: float
    is_partner: bool


class Example(Section):
    """A query, where its true partner ranks in the gallery, and the best-ranked clips."""

    direction: Literal["audio2video", "video2audio"]
    kind: Literal["best", "worst"]
    query: ExampleClip
    rank: float
    gallery: Annotated[int, Field(ge=1)]
    partner_similarity: float
    neighbours: tuple[Neighbour, ...]


class Examples(Section):
    """The content of `examples.json`."""

    version: Literal[1] = 1
    examples: tuple[Example, ...]


def choose(result: RetrievalResult, count: int) -> list[tuple[int, str, str]]:
    """`count` queries as (row, direction, kind), always the same for the same ranks.

    They alternate between one task's best-ranked and another's worst-ranked query, and change direction every two; the
    tasks are spread evenly. Ties go to the clip that stands first. No query is chosen twice.
    """
    chosen: list[tuple[int, str, str]] = []
    free = set(range(len(result.task_of)))
    for turn in range(min(count, len(free))):
        direction = ("audio2video", "video2audio")[turn // 2 % 2]
        kind = ("best", "worst")[turn % 2]
        task = turn * result.tasks // count
        rows = [row for row in sorted(free) if result.task_of[row] == task] or sorted(free)
        sign = 1 if kind == "best" else -1
        row = min(rows, key=lambda row: sign * result.ranks[direction][row])
        free.remove(row)
        chosen.append((row, direction, kind))
    return chosen


def save_examples(
    directory: Path,
    result: RetrievalResult,
    similarity: NDArray[np.floating[Any]],
    clip_ids: Sequence[str],
    fetch: Callable[[str], dict[str, Any]],
    tasks: Sequence[str],
    count: int = 6,
    label_of: Callable[[str], str] | None = None,
    sound_of: Callable[[str], Sound | None] = lambda clip_id: None,
) -> Examples:
    """Choose examples and write them with their pictures into `directory`; `examples.json` comes last, atomically.

    Args:
        similarity: (N, N), rows audio and columns video, ordered as `clip_ids` and `result`.
        fetch: clip id -> wire clip, evaluation view: audio (1, T, F) normalised log-mel, video uint8 (frames, 3, H, W).
        tasks: title of each task, in training order.
        count: how many examples; fewer when there are fewer queries.
        label_of: clip id -> words for it, such as its class.
        sound_of: clip id -> what people hear of it; a clip whose file can't be read any more stays silent.
    """
    directory.mkdir(parents=True, exist_ok=True)
    drawn: dict[int, ExampleClip] = {}

    def clip(row: int) -> ExampleClip:
        if row not in drawn:
            label = label_of(clip_ids[row]) if label_of else ""
            title = tasks[int(result.task_of[row])]
            shown = _draw(directory, fetch(clip_ids[row]), clip_ids[row], title, label)
            drawn[row] = shown.model_copy(update={"sound": _save_sound(directory, clip_ids[row], sound_of)})
        return drawn[row]

    found = [_example(result, similarity, clip, *choice) for choice in choose(result, count)]
    examples = Examples(examples=tuple(found))
    write_atomically(directory / FILE, examples.model_dump_json(indent=1))
    return examples


def load_examples(directory: Path) -> Examples:
    """Read what `save_examples` wrote; no examples when there is no such file.

    Raises:
        RunDirectoryError: the file is damaged or not ours.
    """
    path = directory / FILE
    if not path.is_file():
        return Examples(examples=())
    try:
        return Examples.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise RunDirectoryError(f"can't read the retrieval examples {path}: {error}") from None


def _example(
    result: RetrievalResult,
    similarity: NDArray[np.floating[Any]],
    clip: Callable[[int], ExampleClip],
    row: int,
    direction: str,
    kind: str,
) -> Example:
    scores = np.asarray(similarity[row] if direction == "audio2video" else similarity[:, row], dtype=np.float64)
    same_task = result.task_of == result.task_of[row]
    gallery = np.flatnonzero(same_task | (result.gallery == "pool"))
    nearest = gallery[np.argsort(-scores[gallery], kind="stable")][:NEIGHBOURS].tolist()
    content = {
        "direction": direction,
        "kind": kind,
        "query": clip(row),
        "rank": float(result.ranks[direction][row]),
        "gallery": len(gallery),
        "partner_similarity": float(scores[row]),
        "neighbours": [Neighbour(clip=clip(i), similarity=float(scores[i]), is_partner=i == row) for i in nearest],
    }
    return Example.model_validate(content)


def _draw(directory: Path, wire: dict[str, Any], clip_id: str, task: str, label: str) -> ExampleClip:
    from PIL import Image

    name = _file_name(clip_id)
    frames = [_frame(frame) for frame in wire["video"].permute(0, 2, 3, 1).numpy()]
    _save_image(directory / f"{name}.jpg", Image.fromarray(np.concatenate(frames, axis=1)), format="JPEG", quality=88)
    _save_image(directory / f"{name}.png", _spectrogram(wire["audio"][0].float().numpy()), format="PNG")
    return ExampleClip(
        clip_id=clip_id,
        task=task,
        label=label,
        frames=f"{name}.jpg",
        frame_count=len(frames),
        spectrogram=f"{name}.png",
    )


def _save_sound(directory: Path, clip_id: str, sound_of: Callable[[str], Sound | None]) -> str | None:
    from avbench.evaluation.example_sounds import encode

    try:
        sound = sound_of(clip_id)
    except MediaError:
        return None
    if sound is None:
        return None
    name = f"{_file_name(clip_id)}.mp3"
    write_atomically(directory / name, encode(sound))
    return name


def _file_name(clip_id: str) -> str:
    return hashlib.sha256(clip_id.encode()).hexdigest()[:24]


def _frame(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    from PIL import Image

    image = Image.fromarray(frame)
    image.thumbnail((_FRAME_SIDE, _FRAME_SIDE), Image.Resampling.LANCZOS)
    return np.asarray(image)


def _spectrogram(log_mel: NDArray[np.float32]) -> Any:
    """(T, F) log-mel -> grey picture F high, black the quietest and white the loudest half percent."""
    from PIL import Image

    low, high = np.percentile(log_mel, [0.5, 99.5])
    level = np.clip((log_mel - low) / max(float(high - low), 1e-6), 0, 1)
    image = Image.fromarray(np.uint8(np.round(255 * level.T[::-1])))
    if image.width > _SPECTROGRAM_COLUMNS:
        image = image.resize((_SPECTROGRAM_COLUMNS, image.height), Image.Resampling.BOX)
    return image


def _save_image(path: Path, image: Any, **options: Any) -> None:
    buffer = io.BytesIO()
    image.save(buffer, **options)
    write_atomically(path, buffer.getvalue())
