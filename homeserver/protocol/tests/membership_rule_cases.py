"""For each authorisation rule of memberships, an event that it lets pass and one that it rejects."""

from typing import Any

from homeserver.protocol.event import Event
from homeserver.protocol.event_signatures import sign_event
from homeserver.protocol.identifiers import ServerName, UserID
from homeserver.protocol.json import JsonObject
from homeserver.protocol.membership_auth import AUTHORISED_VIA
from homeserver.protocol.power_levels import CREATE
from homeserver.protocol.signing import SigningKey, sign_json
from homeserver.protocol.tests.auth_rule_cases import Cases
from homeserver.protocol.tests.rooms import ALICE, BOB, CAROL, CREATOR, Room, signer_of
from homeserver.protocol.unpadded_base64 import encode_base64

CASES = Cases()
DAVE = UserID("@dave:d")
KEY, OTHER_KEY = SigningKey("0", b"k" * 32), SigningKey("0", b"o" * 32)
JOIN: JsonObject = {"membership": "join"}


def membership(
    room: Room, user_id: UserID, membership: str, sender: UserID | None = None, **content: Any
) -> Event:
    given = {"membership": membership, **content}
    return room.event("m.room.member", given, sender=sender or user_id, state_key=user_id)


@CASES.rejected_as("needs a state key and a membership")
def member_with_state_key(room: Room, allowed: bool) -> Event:
    return room.event("m.room.member", JOIN, sender=CAROL, state_key=CAROL if allowed else None)


@CASES.rejected_as("needs a state key and a membership")
def member_with_membership(room: Room, allowed: bool) -> Event:
    return room.event("m.room.member", JOIN if allowed else {}, sender=CAROL, state_key=CAROL)


@CASES.rejected_as("membership is unknown")
def member_known(room: Room, allowed: bool) -> Event:
    return membership(room, CAROL, "join" if allowed else "x")


@CASES.rejected_as("not signed by the server")
def authorised_with_signature(room: Room, allowed: bool) -> Event:
    event = membership(room, CAROL, "join", **{AUTHORISED_VIA: ALICE})
    return sign_event(event, signer_of(ALICE)) if allowed else event


@CASES.rejected_as("sender is not invited")
def join_first(room: Room, allowed: bool) -> Event:
    room.state = {CREATE: room.create}
    later = () if room.last is None or allowed else (room.last.event_id,)
    return room.event("m.room.member", JOIN, state_key=CREATOR, prev_events=(room.create.event_id, *later))


@CASES.rejected_as("sender is not invited")
def join_first_by_creator(room: Room, allowed: bool) -> Event:
    room.state = {CREATE: room.create}
    user_id = CREATOR if allowed else ALICE
    before = (room.create.event_id,)
    return room.event("m.room.member", JOIN, sender=user_id, state_key=user_id, prev_events=before)


@CASES.rejected_as("make another user join")
def join_oneself(room: Room, allowed: bool) -> Event:
    return membership(room, CAROL, "join", CAROL if allowed else CREATOR)


@CASES.rejected_as("sender is banned")
def join_unless_banned(room: Room, allowed: bool) -> Event:
    room.member(CAROL, "leave" if allowed else "ban", CREATOR)
    return membership(room, CAROL, "join")


def join_by(room: Room, join_rule: str, invited: bool) -> Event:
    room.join_rule(join_rule)
    room.member(CAROL, "invite" if invited else "leave", CREATOR)
    return membership(room, CAROL, "join")


@CASES.rejected_as("sender is not invited")
def join_by_invitation(room: Room, allowed: bool) -> Event:
    return join_by(room, "invite", allowed)


@CASES.rejected_as("sender is not invited")
def join_by_invitation_after_knock(room: Room, allowed: bool) -> Event:
    return join_by(room, "knock", allowed)


@CASES.rejected_as("who authorises the join is not in the room")
def join_restricted_by_invitation(room: Room, allowed: bool) -> Event:
    return join_by(room, "restricted", allowed)


@CASES.rejected_as("who authorises the join is not in the room")
def join_knock_restricted_by_invitation(room: Room, allowed: bool) -> Event:
    return join_by(room, "knock_restricted", allowed)


def join_via_alice(room: Room) -> Event:
    return sign_event(membership(room, CAROL, "join", **{AUTHORISED_VIA: ALICE}), signer_of(ALICE))


@CASES.rejected_as("who authorises the join may not invite")
def join_restricted_by_level(room: Room, allowed: bool) -> Event:
    room.join_rule("restricted")
    room.set_levels({ALICE: 10}, invite=10 if allowed else 11)
    return join_via_alice(room)


@CASES.rejected_as("who authorises the join is not in the room")
def join_restricted_by_member(room: Room, allowed: bool) -> Event:
    room.join_rule("restricted")
    room.member(ALICE, "join" if allowed else "leave")
    return join_via_alice(room)


@CASES.rejected_as("who authorises the join is not in the room")
def join_knock_restricted_by_member(room: Room, allowed: bool) -> Event:
    room.join_rule("knock_restricted")
    room.member(ALICE, "join" if allowed else "leave")
    return join_via_alice(room)


@CASES.rejected_as("lets nobody join")
def join_public(room: Room, allowed: bool) -> Event:
    return join_by(room, "public" if allowed else "private", invited=True)


def third_party(
    room: Room, *, sender: UserID = ALICE, keys: JsonObject | None = None, **signed: Any
) -> Event:
    """Carol is invited with an invitation that Alice made, and which has `keys`."""
    given = {"public_key": encode_base64(KEY.public_key)} if keys is None else keys
    room.add("m.room.third_party_invite", given, sender=ALICE, state_key="token")
    fields = {"mxid": CAROL, "token": "token", **signed}
    present = {key: value for key, value in fields.items() if value is not None}
    bundle = {"display_name": "c", "signed": sign_json(present, ServerName("id"), KEY)}
    return membership(room, CAROL, "invite", sender, third_party_invite=bundle)


@CASES.rejected_as("target is banned")
def third_party_unless_banned(room: Room, allowed: bool) -> Event:
    room.member(CAROL, "leave" if allowed else "ban", CREATOR)
    return third_party(room)


@CASES.rejected_as("not signed for anyone")
def third_party_signed(room: Room, allowed: bool) -> Event:
    event = third_party(room)
    return event if allowed else membership(room, CAROL, "invite", ALICE, third_party_invite={})


@CASES.rejected_as("not signed for anyone")
def third_party_with_mxid(room: Room, allowed: bool) -> Event:
    return third_party(room, mxid=CAROL if allowed else None)


@CASES.rejected_as("not signed for anyone")
def third_party_with_token(room: Room, allowed: bool) -> Event:
    return third_party(room, token="token" if allowed else None)


@CASES.rejected_as("signed for somebody else")
def third_party_of_target(room: Room, allowed: bool) -> Event:
    return third_party(room, mxid=CAROL if allowed else DAVE)


@CASES.rejected_as("no such third-party invitation")
def third_party_in_state(room: Room, allowed: bool) -> Event:
    return third_party(room, token="token" if allowed else "other")


@CASES.rejected_as("made by somebody else")
def third_party_of_sender(room: Room, allowed: bool) -> Event:
    return third_party(room, sender=ALICE if allowed else CREATOR)


@CASES.rejected_as("No signature of the third-party invitation")
def third_party_by_key(room: Room, allowed: bool) -> Event:
    key = KEY if allowed else OTHER_KEY
    return third_party(room, keys={"public_key": encode_base64(key.public_key)})


@CASES.rejected_as("No signature of the third-party invitation")
def third_party_by_keys(room: Room, allowed: bool) -> Event:
    keys = [OTHER_KEY, KEY] if allowed else [OTHER_KEY]
    public_keys = [{"public_key": encode_base64(key.public_key)} for key in keys]
    return third_party(room, keys={"public_keys": public_keys})


@CASES.rejected_as("sender is not in the room")
def invite_by_member(room: Room, allowed: bool) -> Event:
    return membership(room, DAVE, "invite", ALICE if allowed else CAROL)


@CASES.rejected_as("in the room already, or banned")
def invite_unless_joined(room: Room, allowed: bool) -> Event:
    return membership(room, DAVE if allowed else BOB, "invite", ALICE)


@CASES.rejected_as("in the room already, or banned")
def invite_unless_banned(room: Room, allowed: bool) -> Event:
    room.member(DAVE, "leave" if allowed else "ban", CREATOR)
    return membership(room, DAVE, "invite", ALICE)


@CASES.rejected_as("below the invite level")
def invite_by_level(room: Room, allowed: bool) -> Event:
    room.set_levels({ALICE: 10}, invite=10 if allowed else 11)
    return membership(room, DAVE, "invite", ALICE)


def leave_from(room: Room, present: str) -> Event:
    room.member(CAROL, present, CREATOR)
    return membership(room, CAROL, "leave")


@CASES.rejected_as("sender is not in the room")
def leave_after_join(room: Room, allowed: bool) -> Event:
    return leave_from(room, "join" if allowed else "leave")


@CASES.rejected_as("sender is not in the room")
def leave_after_invite(room: Room, allowed: bool) -> Event:
    return leave_from(room, "invite" if allowed else "ban")


@CASES.rejected_as("sender is not in the room")
def leave_after_knock(room: Room, allowed: bool) -> Event:
    return leave_from(room, "knock" if allowed else "leave")


def removal(room: Room, new: str, sender: UserID, level: int, of_bob: int = 0) -> Event:
    """Of Bob, by somebody with the level; banning and kicking take 50."""
    room.set_levels({sender: level, BOB: of_bob})
    return membership(room, BOB, new, sender)


@CASES.rejected_as("sender is not in the room")
def kick_by_member(room: Room, allowed: bool) -> Event:
    return removal(room, "leave", ALICE if allowed else CAROL, 50)


@CASES.rejected_as("below the ban level")
def unban_by_level(room: Room, allowed: bool) -> Event:
    room.member(CAROL, "ban", CREATOR)
    room.set_levels({ALICE: 50}, ban=50 if allowed else 51)
    return membership(room, CAROL, "leave", ALICE)


@CASES.rejected_as("below the kick level")
def kick_by_level(room: Room, allowed: bool) -> Event:
    return removal(room, "leave", ALICE, 50 if allowed else 49)


@CASES.rejected_as("at least as powerful")
def kick_by_more_powerful(room: Room, allowed: bool) -> Event:
    return removal(room, "leave", ALICE, 50, of_bob=49 if allowed else 50)


@CASES.rejected_as("sender is not in the room")
def ban_by_member(room: Room, allowed: bool) -> Event:
    return removal(room, "ban", ALICE if allowed else CAROL, 50)


@CASES.rejected_as("below the ban level")
def ban_by_level(room: Room, allowed: bool) -> Event:
    return removal(room, "ban", ALICE, 50 if allowed else 49)


@CASES.rejected_as("at least as powerful")
def ban_by_more_powerful(room: Room, allowed: bool) -> Event:
    return removal(room, "ban", ALICE, 50, of_bob=49 if allowed else 50)


@CASES.rejected_as("does not let anyone knock")
def knock_by_rule(room: Room, allowed: bool) -> Event:
    room.join_rule("knock" if allowed else "invite")
    return membership(room, CAROL, "knock")


@CASES.rejected_as("does not let anyone knock")
def knock_by_knock_restricted(room: Room, allowed: bool) -> Event:
    room.join_rule("knock_restricted" if allowed else "restricted")
    return membership(room, CAROL, "knock")


@CASES.rejected_as("knock for another user")
def knock_oneself(room: Room, allowed: bool) -> Event:
    room.join_rule("knock")
    return membership(room, CAROL, "knock", CAROL if allowed else ALICE)


@CASES.rejected_as("banned, invited, or in the room")
def knock_from_outside(room: Room, allowed: bool) -> Event:
    room.join_rule("knock")
    room.member(CAROL, "leave" if allowed else "invite", CREATOR)
    return membership(room, CAROL, "knock")
