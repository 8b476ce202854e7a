"""One furnished room and a camera that moves through it, drawn by NumPy: for the demo, tests and plumbing."""
