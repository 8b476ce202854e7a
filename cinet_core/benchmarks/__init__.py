"""Speed and memory on this machine: `make bench`. One JSON file a run, and the tables of docs/benchmarks.md."""
