"""What is counted: results, their files, and the check of a stranger's file; without jax and MuJoCo.

May import: no other wing.
"""
