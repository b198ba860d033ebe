"""What this server sends to others without being asked: events of rooms, and EDUs.

https://spec.matrix.org/v1.19/server-server-api/#transactions
"""
