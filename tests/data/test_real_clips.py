"""Real VGGSound clips, where somebody has some: `AVBENCH_REAL_CLIPS` names their folder."""

import os
from pathlib import Path

import numpy as np
import pytest

from avbench.data.index import index_media
from avbench.data.media import read_clip, read_frames
from avbench.data.preprocessing import Preprocessing

ROOT = os.environ.get("AVBENCH_REAL_CLIPS")
pytestmark = pytest.mark.skipif(not ROOT, reason="AVBENCH_REAL_CLIPS names no folder of clips")


def test_every_clip_decodes():
    index = index_media(Path(str(ROOT)))
    assert len(index) > 0
    assert not index.unparsed
    preprocessing = Preprocessing()
    for path in index.files.values():
        clip = read_clip(path, preprocessing)
        assert clip.frames.shape == (80, 256, 256, 3)
        assert clip.frames.std() > 5
        assert np.isfinite(clip.log_mel).all()
        assert clip.log_mel[:900].astype(np.float32).std() > 0.1
        few = read_frames(path, [1.0, 9.0], 256)
        assert np.array_equal(few, clip.frames[[8, 72]])
