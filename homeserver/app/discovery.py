"""What clients ask first."""

from collections.abc import Sequence

from homeserver.app.core import Contribution, Core
from homeserver.discovery.api import CapabilitySource, DiscoveryEndpoints
from homeserver.discovery.calls import CallEndpoints
from homeserver.discovery.third_party import Networks, ThirdPartyEndpoints
from homeserver.http.probes import ProbeEndpoints
from homeserver.rooms.create import CREATABLE_VERSIONS


def discovery(core: Core, networks: Networks, capabilities: Sequence[CapabilitySource]) -> Contribution:
    discovery = DiscoveryEndpoints(
        server_name=core.config.server.server_name,
        base_url=core.config.server.public_baseurl,
        serve_server_wellknown=core.config.server.serve_server_wellknown,
        support=core.config.support,
        default_room_version=core.config.rooms.default_version,
        room_versions=CREATABLE_VERSIONS,
        fixed_profile_fields=core.config.people.fixed_fields,
        switches={
            "m.set_displayname": core.config.people.set_displayname,
            "m.set_avatar_url": core.config.people.set_avatar_url,
            "m.change_password": core.config.passwords.for_reauth,
            "m.3pid_changes": core.config.addresses.can_change,
            "m.get_login_token": core.config.login_tokens.enabled,
            "m.forget_forced_upon_leave": core.config.rooms.forget_on_leave,
        },
        sources=capabilities,
    )
    calls = CallEndpoints(core.config.turn, core.clock)
    return Contribution([discovery, calls, ThirdPartyEndpoints(networks), ProbeEndpoints()])
