"""What web pages say of themselves, for clients that show a link."""
