"""What other servers ask over the wire."""
