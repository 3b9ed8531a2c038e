"""What is proven: safe sets as polytopes with a law, found (`synthesis`) and proven (`proof`); in numpy.

May import: no other wing.
"""
