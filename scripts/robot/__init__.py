"""A robot in rooms of boxes: exact depth and labels to test on, and a drive through them."""
