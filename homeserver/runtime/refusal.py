"""Failures that only the operator can mend."""


class Refusal(Exception):
    """The program cannot do its work here. The text, shown without a traceback, says why and what to do."""
