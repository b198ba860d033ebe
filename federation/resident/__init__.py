"""What this server does for others as one that is in the room: joins, and showing its events."""
