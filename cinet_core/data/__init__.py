"""Where images, labels and scenes come from."""
