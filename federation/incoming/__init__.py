"""What other servers send, on its way into the rooms."""
