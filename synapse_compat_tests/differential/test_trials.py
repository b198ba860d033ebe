"""Events in random rooms, many of them malformed: we accept what Synapse accepts, but for known deviations."""

from random import Random

import pytest

from homeserver.protocol.identifiers import ServerName
from homeserver.protocol.json import JsonObject, JsonValue
from homeserver.protocol.membership_auth import AUTHORISED_VIA
from homeserver.protocol.room_versions import ROOM_VERSIONS, RoomVersion, room_version
from homeserver.protocol.signing import SigningKey, sign_json
from homeserver.protocol.unpadded_base64 import encode_base64
from synapse_compat_tests.differential.comparison import explanation, judged_trials
from synapse_compat_tests.differential.deviations import DEVIATIONS, deviation_of
from synapse_compat_tests.differential.drafts import CREATOR, USERS, Draft, member
from synapse_compat_tests.differential.synapse_process import SynapseFunctions
from synapse_compat_tests.differential.trials import Case, TrialRoom, judge

ALICE, BOB = USERS[1:3]
IDENTITY_KEY = SigningKey("0", bytes(32))


@pytest.mark.parametrize("version", ROOM_VERSIONS.values(), ids=list(ROOM_VERSIONS))
@pytest.mark.parametrize("seed", range(8))
def test_the_same_is_accepted(version: RoomVersion, seed: int, synapse: SynapseFunctions) -> None:
    judged = list(judged_trials(version, seed, synapse))
    assert any(each.is_accepted_by_both for each in judged)
    reasons = [explanation(each) for each in judged if not each.is_agreed]
    assert [reason for reason in reasons if isinstance(reason, str)] == []


def levels(content: JsonObject, sender: str = CREATOR, state_key: str = "") -> Draft:
    return Draft("m.room.power_levels", state_key, USERS[USERS.index(sender)], content)


def public_room(version: str, *more: Draft, **create_content: JsonValue) -> TrialRoom:
    """The creator and Alice are in it."""
    content: JsonObject = {"room_version": version, "creator": CREATOR, **create_content}
    first = [
        Draft("m.room.create", "", CREATOR, content),
        member(CREATOR, "join"),
        Draft("m.room.join_rules", "", CREATOR, {"join_rule": "public"}),
        member(ALICE, "join"),
    ]
    return TrialRoom(room_version(version), [*first, *more], Random(0))


def third_party_invite() -> tuple[Draft, Draft]:
    """With a key that is none before the one that counts."""
    keys = [{"public_key": "none"}, {"public_key": encode_base64(IDENTITY_KEY.public_key)}]
    signed = sign_json({"mxid": BOB, "token": "t"}, ServerName("id.example"), IDENTITY_KEY)
    return (
        Draft("m.room.third_party_invite", "t", CREATOR, {"public_keys": keys}),
        member(BOB, "invite", CREATOR, third_party_invite={"signed": signed}),
    )


def examples() -> list[Case]:
    """One of each deviation, in the same order."""
    full = {CREATOR: 100, ALICE: 50}
    given, invited = third_party_invite()
    return [
        public_room("12", **{"m.federate": False}).case(member(BOB, "invite", CREATOR)),
        public_room("11", levels({"users": full})).case(levels({"ban": 100}, ALICE, "elsewhere")),
        public_room("9", levels({"users": full})).case(levels({"users": full, "ban": "5_0"})),
        public_room("9", levels({"users": full, "ban": None})).case(member(ALICE, "ban", CREATOR)),
        public_room("9", levels({"users": full})).case(levels({"users": full, "events": []})),
        public_room("9", levels({"users": full, "ban": "x"})).case(member(BOB, "join")),
        public_room("11").case(levels({"users": {**full, "@dave:not a server": 1}})),
        public_room("12", given).case(invited),
        public_room("12").case(member(ALICE, "leave", **{AUTHORISED_VIA: BOB})),
        public_room("2").case(Draft("m.room.redaction", None, ALICE, {}), redacts=5),
    ]


@pytest.mark.parametrize("number", range(len(DEVIATIONS)))
def test_deviations(number: int, synapse: SynapseFunctions) -> None:
    """If they agree here, or another deviation explains it, the table is to be changed."""
    case = examples()[number]
    [judged] = judge(synapse, [*case.state.values()], [case])
    assert not judged.is_agreed
    assert deviation_of(judged) is DEVIATIONS[number]
