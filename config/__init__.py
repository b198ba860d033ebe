"""What an operator may set: typed, checked, documented. The keys are Synapse's wherever Synapse has them."""

from config.errors import ConfigError
from config.loading import Loaded, load
from config.rendering import render_docs, render_effective
from config.root import Config

__all__ = ["Config", "ConfigError", "Loaded", "load", "render_docs", "render_effective"]
