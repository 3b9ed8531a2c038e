"""Cells on their way to results: settings, suites, training, where they run, the Python API.

May import: sets, record, physics, env, learning.
"""
