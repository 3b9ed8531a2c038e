"""Options for XLA that compile four times faster what is run once or twice: one test, one program.

The arithmetic is the same up to the last bits. What users' own programs do is tested as users compile.
"""

HASTY = {"xla_cpu_use_fusion_emitters": False, "xla_backend_optimization_level": 0}
