"""Strategies and benchmarks that anybody may bring: found, described, loaded, checked, and blamed when they fail.

`avbench.registry` is the door to this package. Nothing here imports a plugin before it is asked for by name.
"""

from avbench.plugins.unpackaged import install_finder

# Here, so that a spawned process that meets an object of an unpackaged plugin finds its module again.
install_finder()
