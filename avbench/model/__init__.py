"""The audio-video masked autoencoder and the matching module. Nothing here knows a strategy, a dataset or a file."""
