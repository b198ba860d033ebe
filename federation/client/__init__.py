"""What this server asks of others: one method for each operation of the server-server API, its answer checked."""
