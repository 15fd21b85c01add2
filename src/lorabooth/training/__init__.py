"""The run: loop, optimizer, engine, checkpoints, and the driver that writes the run folder."""
