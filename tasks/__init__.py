"""Benchmark tasks: one file each; a file is registered by its name (see safebench.registry)."""
