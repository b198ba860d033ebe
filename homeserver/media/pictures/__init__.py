"""Making smaller pictures of what strangers sent, apart from the server, in processes that can be ended."""
