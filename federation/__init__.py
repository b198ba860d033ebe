"""Server-server: discovery, signed requests, joins and transactions between homeservers."""
