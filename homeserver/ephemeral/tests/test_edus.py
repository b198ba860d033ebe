from homeserver.ephemeral.edus import receipt_edus, typing_edu
from homeserver.ephemeral.store import READ, READ_PRIVATE, ReceiptChange
from homeserver.protocol.identifiers import UserID

ALICE, BOB = UserID("@alice:test"), UserID("@bob:test")


def test_receipts_are_grouped_by_room_event_type_and_user() -> None:
    changes = [
        ReceiptChange(1, "$a", READ, ALICE, "", 10),
        ReceiptChange(1, "$a", READ, BOB, "main", 11),
        ReceiptChange(1, "$b", READ, ALICE, "$root", 12),
        ReceiptChange(2, "$c", READ, BOB, "", 13),
    ]
    edus = receipt_edus(changes, ALICE)
    assert edus == {
        1: {
            "type": "m.receipt",
            "content": {
                "$a": {"m.read": {ALICE: {"ts": 10}, BOB: {"ts": 11, "thread_id": "main"}}},
                "$b": {"m.read": {ALICE: {"ts": 12, "thread_id": "$root"}}},
            },
        },
        2: {"type": "m.receipt", "content": {"$c": {"m.read": {BOB: {"ts": 13}}}}},
    }


def test_private_receipts_are_for_their_user_only() -> None:
    changes = [ReceiptChange(1, "$a", READ_PRIVATE, ALICE, "", 10)]
    shown = {"$a": {"m.read.private": {ALICE: {"ts": 10}}}}
    assert receipt_edus(changes, ALICE) == {1: {"type": "m.receipt", "content": shown}}
    assert receipt_edus(changes, BOB) == {}


def test_of_several_receipts_at_one_event_the_unthreaded_is_shown() -> None:
    unthreaded = ReceiptChange(1, "$a", READ, ALICE, "", 10)
    threaded = ReceiptChange(1, "$a", READ, ALICE, "main", 11)
    for changes in ([unthreaded, threaded], [threaded, unthreaded]):
        content = receipt_edus(changes, BOB)[1]["content"]
        assert content == {"$a": {"m.read": {ALICE: {"ts": 10}}}}


def test_typing() -> None:
    assert typing_edu([ALICE]) == {"type": "m.typing", "content": {"user_ids": [ALICE]}}
