"""Tables, figures and the leaderboard, made from result files; without jax and MuJoCo.

May import: record.
"""
