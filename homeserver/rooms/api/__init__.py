"""The client API of rooms."""
