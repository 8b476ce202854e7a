"""Generators of rooms with exact depth and labels: for the demo, for training without recordings, and path-traced.

Only the player, training and `cinet data` import them: what predicts on a robot needs none.
"""
