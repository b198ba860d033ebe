"""Fills a homeserver with people, rooms and talk for trying things out; see scripts/seed --help."""
