"""The tables of rooms. Each file owns its topic; functions take a transaction first."""
