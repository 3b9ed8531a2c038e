"""What the commands of the command line do.

May import: sets, record, physics, report, env, navigation, household, learning, runs.
"""
