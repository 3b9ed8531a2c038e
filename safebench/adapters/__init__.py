"""Our environments as other libraries want them: Gymnasium, Safety-Gymnasium's six-tuple, MuJoCo Playground.

May import: physics, env, runs.
"""
