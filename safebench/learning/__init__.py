"""The kit that learners share: their interface, networks, returns, densities.

May import: sets, record, physics, env.
"""
