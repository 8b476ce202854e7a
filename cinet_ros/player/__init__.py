"""What the player node is made of: parameters, sources of pictures, image encodings, pacing."""
