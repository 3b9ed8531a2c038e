"""Ways among obstacles: discs, free boxes around a body, shortest paths, scenes drawn by chance.

May import: sets, record, physics, env.
"""
