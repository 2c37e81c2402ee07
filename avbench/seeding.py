"""Seeds derived from one root seed by name, so that no two purposes ever share random numbers."""

import hashlib


def derive_seed(root: int, *names: str | int) -> int:
    """A 63-bit seed for the purpose `names`, the same on every machine and Python version."""
    text = "/".join([str(int(root)), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1
