"""A household by the hour: its rooms and heating water, profiles of sun, load and weather, what power costs.

May import: sets, physics.
"""
