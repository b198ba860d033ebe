from contextlib import closing

from federation.outgoing.store import delivered
from federation.outgoing.waiting_edus import add_edus, oldest_edus, replace_edus
from homeserver.protocol.identifiers import ServerName
from tests.databases import fresh_engine

REMOTE = ServerName("remote.example")


def test_a_late_delivery_ends_nothing_that_came_later() -> None:
    """What is under way may be replaced meanwhile; its number must not be that of another."""
    with closing(fresh_engine().connect()) as connection, connection.writing(ordered=False) as txn:
        add_edus(txn, "devices of alice", {REMOTE: {"n": 1}}, 0, 0)
        (under_way,) = oldest_edus(txn, REMOTE, 10)
        replace_edus(txn, "devices of alice", {REMOTE: {"n": 2}}, 0, 0)
        add_edus(txn, "a message", {REMOTE: {"n": 3}}, 0, 0)
        delivered(txn, REMOTE, 0, [under_way.nid])
        assert [edu.edu for edu in oldest_edus(txn, REMOTE, 10)] == [b'{"n":2}', b'{"n":3}']
