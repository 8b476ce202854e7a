"""Depth that holds: what a frame goes through between its prediction and its messages, where that is asked for."""
