"""The read models that are filled again from the events of rooms by `folkmoot verify --rebuild`."""

from collections.abc import Sequence

from config.root import Config
from homeserver.accounts.domains import LocalDomains
from homeserver.protocol.identifiers import ServerName
from homeserver.rooms.descriptions import Descriptions
from homeserver.rooms.inhabitants import Inhabitants
from homeserver.rooms.relations import Relations
from homeserver.rooms.space_children import SpaceChildren
from homeserver.rooms.verification.rebuilding import Rebuildable
from homeserver.search.member_index import MemberIndex
from homeserver.search.message_index import MessageIndex


def read_models(config: Config) -> Sequence[Rebuildable]:
    """Other projections hold what no event says any more, such as who was notified by the rules of the day."""
    index: list[Rebuildable] = [MessageIndex()] if config.search.enabled else []
    domains = LocalDomains(ServerName(config.server.server_name))
    return [Inhabitants(domains), Descriptions(), SpaceChildren(), Relations(), MemberIndex(domains), *index]
