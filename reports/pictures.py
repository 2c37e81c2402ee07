"""Pictures of retrieval examples as data addresses, for a page that loads nothing."""

from __future__ import annotations

import base64
import io
from pathlib import Path


def frames_uri(path: Path) -> str | None:
    """The JPEG at `path` as it is; None when it is missing or no picture."""
    from PIL import Image

    try:
        content = path.read_bytes()
        with Image.open(io.BytesIO(content), formats=["JPEG"]) as image:
            image.verify()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return _uri(content, "jpeg")


def spectrogram_uri(path: Path) -> str | None:
    """The grey PNG at `path` in the colours of a spectrogram; None when it is missing or no picture."""
    import matplotlib
    import numpy as np
    from PIL import Image

    try:
        with Image.open(path, formats=["PNG"]) as image:
            level = np.asarray(image.convert("L"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    colours = (255 * matplotlib.colormaps["magma"](np.linspace(0, 1, 256))[:, :3]).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(colours[level]).save(buffer, format="WEBP", quality=72, method=2)
    return _uri(buffer.getvalue(), "webp")


def _uri(picture: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"
