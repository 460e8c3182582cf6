"""The machine: devices, seeds, memory, signals and files."""
