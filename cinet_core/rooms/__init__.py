"""Generators of rooms with exact depth and labels, each for a use that no other serves.

- `demo`: one room that a camera passes through, in milliseconds by NumPy: for the player, tests and documents.
- `raycast`: rooms without end by torch, on a GPU as well, ten a second on two cores: for training without downloads.
- `pathtraced`: images near photographs, seconds each by Blender: for the weights that ship (``cinet data render``).

What they say alike is in vocabulary.py. They are imported where somebody asks for one by name, which
test/core/test_floors.py lists: what predicts on a robot needs none.
"""
