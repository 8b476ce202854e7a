"""Measurements of docs/fleet.md: recordings of a strange style, adapted to; and what a fleet costs."""
