"""What a model that has learned nothing scores: random ranking of a gallery."""


def chance_recall(k: int, gallery: int) -> float:
    """Expected R@K in percent when the partner is equally likely at each of `gallery` ranks."""
    if gallery < 1:
        raise ValueError("a gallery holds at least one clip")
    return 100.0 * min(k / gallery, 1.0)
