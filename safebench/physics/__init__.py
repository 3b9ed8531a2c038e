"""The motion of a model: MJX, the dynamics compiled from an MJCF, and rigorous bounds on both.

May import: sets.
"""
