"""safebench: a benchmark for provably safe reinforcement learning from analytic gradients.

Importing this package does not import jax: tables, plots and the leaderboard work without it.
"""

__version__ = "0.1.0"
