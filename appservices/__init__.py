"""Application services: bots and bridges that act for many users."""
