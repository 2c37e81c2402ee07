"""Judging the backbone of a finished run by a downstream task, and keeping the result in its directory."""
