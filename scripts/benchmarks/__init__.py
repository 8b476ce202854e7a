"""Speed and memory on this machine: `make bench`. One JSON file a run, and the tables of docs/benchmarks.md.

Of the checkout only: no package imports this, and no robot installs it.
"""
