"""Speed and memory, measured beside the diffusers script: `python -m benchmarks`."""
