"""What XLA is told in tests. The arithmetic is the same up to the last bits.

Processes that a test starts, and all of `make test-weekly`, compile as users do.
"""

HASTY = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}
"""For what runs briefly, which is nearly everything; `conftest` makes it the default."""

ORDINARY = {"xla_backend_optimization_level": 1, "xla_cpu_use_fusion_emitters": True}
"""For what runs for many seconds, such as learners trained to the end."""
