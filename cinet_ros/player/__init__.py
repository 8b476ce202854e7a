"""The parts of the player node: parameters, playback of sources, image encodings, pacing."""
