"""From a checkpoint and a camera image to metric depth, labels and confidence.

Nothing is imported here: the names that parameters choose from (`choices`) are wanted where PyTorch is not.
"""
