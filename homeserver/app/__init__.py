"""The composition root: builds every object of the server and lists what runs.

Nothing but the command line and tests imports this package. Each module builds one part of the house and gives its
endpoints, tasks and endings.
"""

from homeserver.app.building import build
from homeserver.app.core import Surroundings, engine_of
from homeserver.app.server import Server

__all__ = ["Server", "Surroundings", "build", "engine_of"]
