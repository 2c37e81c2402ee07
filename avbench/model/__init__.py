"""The audio-video masked autoencoder, the matching module, and the relevance and selection of patches.

Shapes in this package: B clips, M audio and N video tokens (L where either is meant), D wide, H heads of d channels.
"""
