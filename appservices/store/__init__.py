"""The tables of application services."""
