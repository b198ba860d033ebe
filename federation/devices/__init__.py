"""Devices and keys of users, between servers."""
