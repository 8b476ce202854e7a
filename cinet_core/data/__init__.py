"""Data sets, sources of frames, and augmentation."""
