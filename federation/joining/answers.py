"""What another server tells of a room that a local user joins by way of it: believed in no part before it is checked.

https://spec.matrix.org/v1.19/server-server-api/#put_matrixfederationv2send_joinroomideventid
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from federation.client.membership import JoinedRoom
from federation.incoming.outliers import authorised
from federation.incoming.pdu_checks import PduChecks, Unusable, each_once
from federation.server_names import HostAndPort
from homeserver.accounts.domains import LocalDomains
from homeserver.protocol.auth_graph import auth_event_ids
from homeserver.protocol.errors import InvalidParam, RemoteFailed
from homeserver.protocol.event_auth import AuthRejected, check_auth, check_auth_events
from homeserver.protocol.events import Event, Slot
from homeserver.protocol.identifiers import EventID, ServerName
from homeserver.protocol.membership_auth import AUTHORISED_VIA
from homeserver.protocol.power_levels import CREATE
from homeserver.rooms.remote import JoinedElsewhere
from homeserver.runtime.threads import Threads

log = logging.getLogger(__name__)

_VERSION_WITHOUT_A_WORD = "1"


class JoinAnswers:
    def __init__(self, checks: PduChecks, domains: LocalDomains, threads: Threads) -> None:
        self._checks = checks
        self._domains = domains
        self._threads = threads

    async def checked(self, server: ServerName, join: Event, answer: JoinedRoom) -> JoinedElsewhere:
        """The room as `server` tells it, without events that are not allowed.

        Raises RemoteFailed where what is left is no room in which the join is allowed.
        """
        join = await self._as_taken_in(join, answer)
        of_state = each_once(answer.state)
        checked = await self._checks.check(each_once((*of_state, *answer.auth_chain)), join.version)
        for unusable in checked:
            if isinstance(unusable, Unusable):
                log.debug("%s told of an event of no use: %s", server, unusable.reason)
        state = [event for event in checked[: len(of_state)] if isinstance(event, Event)]
        auth_chain = [event for event in checked[len(of_state) :] if isinstance(event, Event)]
        joined = await self._threads.run(
            _checked_room, join, state, auth_chain, is_partial=answer.members_omitted
        )
        told = answer.servers_in_room or ()
        others = [one for one in told if one != server and _may_be_asked(one, self._domains)]
        return replace(joined, servers=(server, *others))

    async def _as_taken_in(self, join: Event, answer: JoinedRoom) -> Event:
        """The join with the signature of who authorises it, where it needs that."""
        if AUTHORISED_VIA not in join.content:
            return join
        if answer.event is None:
            raise RemoteFailed("The other server did not sign the join that it authorises")
        (signed,) = await self._checks.check([answer.event], join.version)
        if not isinstance(signed, Event):
            raise RemoteFailed(f"The join that the other server signed is of no use: {signed.reason}")
        if signed.event_id != join.event_id:
            raise RemoteFailed("The other server signed another join")
        return signed


def _may_be_asked(server_name: ServerName, domains: LocalDomains) -> bool:
    try:
        HostAndPort.of(server_name)
    except InvalidParam:
        return False
    return not domains.speaks_for(server_name)


def _checked_room(
    join: Event, state: Sequence[Event], auth_chain: Sequence[Event], *, is_partial: bool
) -> JoinedElsewhere:
    passed = {event.event_id: event for event in authorised(join.room_id, (*auth_chain, *state))}
    by_slot = _by_slot(event for event in state if event.event_id in passed and event.is_state)
    _check_create(join, by_slot)
    cited = _cited(join, passed)
    if is_partial:
        # They are the newest that the other server knows, or it would have made the join otherwise.
        by_slot = {**{event.slot: event for event in cited if event.type == "m.room.member"}, **by_slot}
    try:
        check_auth_events(join, [event for event in cited if event.event_id in join.auth_events])
        check_auth(join, by_slot)
    except AuthRejected as error:
        raise RemoteFailed(f"The room as the other server tells it forbids the join: {error}") from error
    in_state = {event.event_id for event in by_slot.values()}
    chain = [event for event_id, event in passed.items() if event_id not in in_state]
    return JoinedElsewhere(join, list(by_slot.values()), chain, (), is_partial)


def _by_slot(state: Iterable[Event]) -> dict[Slot, Event]:
    by_slot: dict[Slot, Event] = {}
    for event in state:
        if by_slot.setdefault(event.slot, event) is not event:
            raise RemoteFailed(f"The other server tells of two events in one place: {event.slot}")
    return by_slot


def _check_create(join: Event, state: Mapping[Slot, Event]) -> None:
    create = state.get(CREATE)
    if create is None:
        raise RemoteFailed("The other server tells of no create event of the room")
    if create.content.get("room_version", _VERSION_WITHOUT_A_WORD) != join.version.identifier:
        raise RemoteFailed("The room is of another version than the other server said")


def _cited(join: Event, passed: Mapping[EventID, Event]) -> list[Event]:
    missing = [event_id for event_id in auth_event_ids(join) if event_id not in passed]
    if missing:
        raise RemoteFailed(f"The other server keeps to itself what authorises the join: {', '.join(missing)}")
    return [passed[event_id] for event_id in auth_event_ids(join)]
