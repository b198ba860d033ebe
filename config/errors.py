"""The one way in which settings are refused."""


class ConfigError(Exception):
    """Settings that cannot be used. The text is for the operator: a problem a line, and what to do."""
