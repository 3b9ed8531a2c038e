"""The environment: a task, the safe actions at a state, the frame of safeguards, and what is counted.

May import: sets, record, physics.
"""
