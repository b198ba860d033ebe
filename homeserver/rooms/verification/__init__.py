"""Recomputing what is stored of rooms, to find what differs, and deriving it anew."""
