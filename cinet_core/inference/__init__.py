"""Inference: predicts metric depth, labels and confidence from a checkpoint and camera images.

Nothing is imported here: the names that parameters choose from (`choices`) are wanted where PyTorch is not.
"""
