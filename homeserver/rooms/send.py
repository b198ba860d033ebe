"""Turning a local user's draft into an event that the room accepts."""

from collections.abc import Callable, Iterable

from twisted.internet.defer import Deferred

from homeserver.protocol.errors import Forbidden, ServerUnavailable
from homeserver.protocol.event import is_hashed_create
from homeserver.protocol.event_auth import AuthRejected, auth_slots, check_auth
from homeserver.protocol.events import Event, Proposal, build_event
from homeserver.protocol.hashes import reference_hash
from homeserver.protocol.identifiers import EventID, RoomID, UserID, parse_user_id, server_of
from homeserver.protocol.json import canonical_json
from homeserver.protocol.room_versions import EventIDForm
from homeserver.protocol.signing import EventSigner
from homeserver.rooms.appends import AlreadySent, StaleHead
from homeserver.rooms.draft import Draft, Sent
from homeserver.rooms.head import Head, Heads
from homeserver.rooms.ingest import Ingest
from homeserver.rooms.relation_rules import RelationRules
from homeserver.rooms.replays import Replays
from homeserver.rooms.store.transactions import TransactionKey
from homeserver.runtime.clock import Clock
from homeserver.runtime.locks import KeyedLocks
from homeserver.runtime.log_context import add_to_log_context
from homeserver.runtime.randomness import Randomness
from homeserver.streams.journal import Position

_ATTEMPTS = 5

Signers = Callable[[UserID], EventSigner]
"""Finds the signing identity of a local user's server."""

RoomLocks = KeyedLocks[RoomID]


class EventBuilder:
    """Builds, signs and authorises events on a head."""

    def __init__(self, signers: Signers, clock: Clock, randomness: Randomness) -> None:
        self._signers = signers
        self._clock = clock
        self._randomness = randomness

    def build(self, head: Head, draft: Draft) -> Event:
        """The event that `draft` becomes on `head`, whose auth slots must be loaded.

        Raises Forbidden where the room's rules reject it, BadJson or TooLarge where its content is no event,
        InvalidParam where it is about the membership of what is no user.
        """
        if draft.type == "m.room.member" and draft.state_key is not None:
            # The rules let whoever may kick remove what never was a user.
            parse_user_id(draft.state_key)
        event = build_event(self._proposal(head, draft), self._signers(draft.sender))
        try:
            check_auth(event, head.state)
        except AuthRejected as error:
            raise Forbidden(str(error)) from error
        return event

    def _proposal(self, head: Head, draft: Draft) -> Proposal:
        cited = [
            event for slot in slots_to_authorise(head, draft) if (event := head.state.get(slot)) is not None
        ]
        given = draft.origin_server_ts
        assigned = head.version.event_ids is EventIDForm.ASSIGNED
        return Proposal(
            version=head.version,
            room_id=None if is_hashed_create(head.version, draft.type, draft.state_key) else head.room_id,
            type=draft.type,
            state_key=draft.state_key,
            sender=draft.sender,
            content=draft.content,
            origin_server_ts=self._clock.now_ms() if given is None else given,
            # Another server may have taken the last of them.
            depth=min(head.depth + 1, head.version.max_depth),
            prev_events=head.extremities,
            auth_events=tuple(event.event_id for event in cited),
            redacts=draft.redacts,
            event_id=self._new_event_id(draft.sender) if assigned else None,
            edge_hashes=_reference_hashes([*cited, *head.newest.values()]) if assigned else {},
        )

    def _new_event_id(self, sender: UserID) -> EventID:
        """https://spec.matrix.org/v1.19/rooms/v1/#event-ids"""
        return EventID(f"${self._randomness.token(18)}:{server_of(sender)}")


def _reference_hashes(events: Iterable[Event]) -> dict[EventID, str]:
    return {event.event_id: reference_hash(event.pdu(), event.version) for event in events}


def slots_to_authorise(head: Head, draft: Draft) -> list[tuple[str, str]]:
    """https://spec.matrix.org/v1.19/server-server-api/#auth-events-selection"""
    return list(
        auth_slots(
            type=draft.type,
            sender=draft.sender,
            state_key=draft.state_key,
            content=draft.content,
            version=head.version,
        )
    )


class EventSender:
    """Sends one event at a time; many may be on their way to the disk together."""

    def __init__(
        self,
        heads: Heads,
        replays: Replays,
        rules: RelationRules,
        builder: EventBuilder,
        ingest: Ingest,
        locks: RoomLocks,
    ) -> None:
        self._heads = heads
        self._replays = replays
        self._rules = rules
        self._builder = builder
        self._ingest = ingest
        self._locks = locks

    async def send(self, draft: Draft) -> Sent:
        """Stores the event and returns when it is on the disk.

        A state event that changes nothing is not sent again. Raises Forbidden, BadJson, TooLarge, NotFound, and what
        `RelationRules` does.
        """
        add_to_log_context(room=draft.room_id)
        for _ in range(_ATTEMPTS):
            try:
                return await self._attempt(draft)
            except StaleHead:
                # Another process, or a failed write, moved the room. The next attempt reads its new head.
                continue
            except AlreadySent as repeated:
                return Sent(repeated.event_id, new=False)
        raise ServerUnavailable("The room is too busy; try again")

    async def propose(self, draft: Draft) -> Event:
        """The event that the draft would be now; it is not stored. Raises as `send` does."""
        async with self._locks.held(draft.room_id):
            head = await self._heads.get(draft.room_id)
            # Others will be shown it before they could be told that what it follows was never stored.
            await head.settled()
            await self._load(head, draft)
            return self._builder.build(head, draft)

    async def _attempt(self, draft: Draft) -> Sent:
        async with self._locks.held(draft.room_id):
            queued = await self._queue(draft)
        # Outside the lock, so that the next event of the room shares this one's commit.
        if isinstance(queued, Sent):
            return queued
        event, stored = queued
        return Sent(event.event_id, await stored)

    async def _queue(self, draft: Draft) -> Sent | tuple[Event, Deferred[Position]]:
        head = await self._heads.get(draft.room_id)
        transaction = _transaction_key(head, draft)
        if transaction is not None and (made := await self._replays.made(transaction)) is not None:
            return Sent(made, new=False)
        await self._rules.check(draft)
        await self._load(head, draft)
        if draft.of_member and not _is_joined(head, draft.sender):
            raise Forbidden("The user is no longer in the room")
        if _changes_nothing(head, draft):
            current = head.get((draft.type, draft.state_key or ""))
            assert current is not None, "what changes nothing has a current event"
            return Sent(current.event_id, new=False)
        event = self._builder.build(head, draft)
        return event, await self._ingest.accept(head, event, transaction)

    async def _load(self, head: Head, draft: Draft) -> None:
        """What the draft is built on, and what stands in its slot."""
        slots = [("m.room.create", ""), *slots_to_authorise(head, draft)]
        if draft.state_key is not None:
            slots.append((draft.type, draft.state_key))
        await self._heads.load(head, slots)
        if head.version.event_ids is EventIDForm.ASSIGNED:
            await self._heads.load_newest(head)


def _changes_nothing(head: Head, draft: Draft) -> bool:
    """Whether the draft repeats the current state of its slot, which needs no new event."""
    if draft.state_key is None:
        return False
    current = head.get((draft.type, draft.state_key))
    if current is None or current.sender != draft.sender:
        return False
    # It could still be lost; a new event is answered when it, and so the one before it, is on the disk.
    if current.event_id in head.unstored:
        return False
    # Who is not in the room may say again that they left, but nothing else.
    if draft.type != "m.room.member" and not _is_joined(head, draft.sender):
        return False
    # Python takes 1 for equal to True.
    return current.content == draft.content and canonical_json(current.content) == canonical_json(
        draft.content
    )


def _is_joined(head: Head, user_id: UserID) -> bool:
    member = head.get(("m.room.member", user_id))
    return member is not None and member.membership == "join"


def _transaction_key(head: Head, draft: Draft) -> TransactionKey | None:
    if draft.transaction is None:
        return None
    device, endpoint, txn_id = draft.transaction
    return TransactionKey(device, head.nid, endpoint, txn_id)
