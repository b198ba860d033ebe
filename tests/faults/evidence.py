"""After a catastrophe: is everything there that was acknowledged, once, and does every way of reading agree?"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from tests.faults.load import Crowd, Sender

Event = Any  # JSON


async def check_nothing_was_lost(crowd: Crowd) -> None:
    """Compares what senders and listener wrote down with the rooms' history as the server has it now."""
    timelines = {room_id: await crowd.listener.timeline(room_id) for room_id in crowd.room_ids}
    for room_id, timeline in timelines.items():
        event_ids = [event["event_id"] for event in timeline]
        assert not _repeated(event_ids), "an event is in the timeline twice"
        # What is new may still be on its way to the listener.
        while len(crowd.listener.heard[room_id]) < len(event_ids):
            await crowd.listener.sync()
        assert crowd.listener.heard[room_id] == event_ids, "syncing tells another story than paging back"
    for sender in crowd.senders:
        for room_id, timeline in timelines.items():
            _check_messages(sender, room_id, timeline)
            _check_state(sender, room_id, timeline)
        await _check_rooms(sender)


def _check_messages(sender: Sender, room_id: str, timeline: Sequence[Event]) -> None:
    """All that was acknowledged, and nothing else, in the order of sending."""
    found = [
        (event["event_id"], event["content"]["body"])
        for event in timeline
        if event["type"] == "m.room.message" and event["sender"] == sender.user_id
    ]
    acknowledged = [(sent.event_id, sent.body) for sent in sender.ledger.messages if sent.room_id == room_id]
    assert found == acknowledged


def _check_state(sender: Sender, room_id: str, timeline: Sequence[Event]) -> None:
    """There may be more of it: a request that was not answered has no transaction ID to be known again by."""
    event_ids = {event["event_id"] for event in timeline}
    missing = {event_id for room, event_id in sender.ledger.state if room == room_id} - event_ids
    assert not missing


async def _check_rooms(sender: Sender) -> None:
    joined = await sender.asking.ask("GET", "/_matrix/client/v3/joined_rooms")
    missing = set(sender.ledger.rooms) - set(joined["joined_rooms"])
    assert not missing


def _repeated(event_ids: Sequence[str]) -> list[str]:
    return [event_id for event_id, times in Counter(event_ids).items() if times > 1]
