"""Whole servers on one virtual clock and network, which a seed decides.

https://apple.github.io/foundationdb/testing.html describes the idea.
"""
