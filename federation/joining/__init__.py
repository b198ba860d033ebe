"""Rooms of other servers: coming in, knocking, refusing, and inviting their users."""
