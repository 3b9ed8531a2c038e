"""What the commands of the command line do.

May import: every other wing.
"""
