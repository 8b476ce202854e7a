"""The network on every frame of a source: an image, a folder, a video or the synthetic room."""
