"""The rules for `m.room.member`: what they let pass and what they reject, per room version."""

from typing import Any

import pytest

from homeserver.protocol.event_signatures import sign_event
from homeserver.protocol.identifiers import UserID
from homeserver.protocol.json import JsonObject
from homeserver.protocol.room_versions import RoomVersion
from homeserver.protocol.tests.rooms import (
    ALICE,
    BOB,
    CAROL,
    CREATOR,
    Room,
    allows,
    every_version,
    signer_of,
    versions,
)

AUTHORISED_VIA = "join_authorised_via_users_server"


class TestShape:
    @every_version
    def test_membership_events_have_state_key_and_membership(self, version: RoomVersion) -> None:
        room = Room.with_members(version)
        join = {"membership": "join"}
        assert room.try_event("m.room.member", join, sender=ALICE, state_key=ALICE)
        assert not room.try_event("m.room.member", join, sender=ALICE)
        assert not room.try_event("m.room.member", {}, sender=ALICE, state_key=ALICE)

    @every_version
    @pytest.mark.parametrize("target", ["", "dave", "@dave", "@dave:"])
    def test_only_users_have_memberships(self, target: str, version: RoomVersion) -> None:
        room = Room.with_members(version)
        for membership in ("invite", "ban"):
            content = {"membership": membership}
            assert room.try_event("m.room.member", content, state_key="@dave:d")
            assert not room.try_event("m.room.member", content, state_key=target)

    @every_version
    @pytest.mark.parametrize("membership", ["", "JOIN", "x", 5, None, ["join"]])
    def test_unknown_memberships(self, membership: Any, version: RoomVersion) -> None:
        room = Room.with_members(version)
        content = {"membership": membership}
        assert not room.try_event("m.room.member", content, state_key=CREATOR)


class TestAuthorisedVia:
    """Rule 4.2 of room versions 8 to 11, 5.2 of 12."""

    @every_version
    @pytest.mark.parametrize("membership", ["join", "leave"])
    def test_the_named_server_signs(self, membership: str, version: RoomVersion) -> None:
        room = Room.with_members(version, BOB)
        content = {"membership": membership, AUTHORISED_VIA: CREATOR}
        event = room.event("m.room.member", content, sender=BOB, state_key=BOB)
        assert allows(room, event) is (int(version.identifier) < 8)
        assert allows(room, sign_event(event, signer_of("a")))

    @versions(8)
    @pytest.mark.parametrize("user_id", [None, 5, "", "a", "@creator", "@creator:"])
    def test_who_is_named_must_have_a_server(self, user_id: Any, version: RoomVersion) -> None:
        room = Room.with_members(version)
        assert not room.try_member(ALICE, "join", **{AUTHORISED_VIA: user_id})


class TestJoin:
    @every_version
    def test_the_creator_joins_first(self, version: RoomVersion) -> None:
        room = Room(version)
        assert room.try_member(CREATOR, "join")
        assert not room.try_member(ALICE, "join")
        room.add("x", {})
        assert not room.try_member(CREATOR, "join")

    @every_version
    def test_the_create_event_must_be_the_only_one_before(self, version: RoomVersion) -> None:
        room = Room(version)
        join: JsonObject = {"type": "m.room.member", "content": {"membership": "join"}, "state_key": CREATOR}
        create = room.create.event_id
        assert room.try_event(prev_events=(create,), **join)
        assert not room.try_event(prev_events=(create, create), **join)
        assert not room.try_event(prev_events=(), **join)

    @every_version
    def test_who_the_creator_is(self, version: RoomVersion) -> None:
        room = Room(version, creator=ALICE, additional_creators=[BOB])
        by_content = int(version.identifier) < 11
        assert room.try_member(ALICE, "join") is by_content
        assert room.try_member(CREATOR, "join") is not by_content
        # Additional creators need an invitation.
        assert not room.try_member(BOB, "join")

    @every_version
    def test_nobody_joins_for_another(self, version: RoomVersion) -> None:
        room = Room.with_members(version)
        assert room.try_member(ALICE, "join")
        assert not room.try_member(ALICE, "join", sender=CREATOR)

    @every_version
    def test_the_banned_do_not_join(self, version: RoomVersion) -> None:
        room = Room.with_members(version, ALICE)
        assert room.try_member(ALICE, "join")
        room.member(ALICE, "ban", sender=CREATOR)
        assert not room.try_member(ALICE, "join")

    # By join rule: the first room version that knows it.
    BY_INVITATION = (("invite", 1), ("knock", 7), ("restricted", 8), ("knock_restricted", 10))

    @every_version
    @pytest.mark.parametrize(("join_rule", "since"), BY_INVITATION)
    def test_joining_by_invitation(self, join_rule: str, since: int, version: RoomVersion) -> None:
        room = Room.with_members(version)
        room.join_rule(join_rule)
        is_known = int(version.identifier) >= since
        assert not room.try_member(ALICE, "join")
        room.member(ALICE, "invite", sender=CREATOR)
        assert room.try_member(ALICE, "join") is is_known
        room.member(ALICE, "join")
        assert room.try_member(ALICE, "join", displayname="Alice") is is_known
        room.member(ALICE, "knock")
        assert not room.try_member(ALICE, "join")
        room.member(ALICE, "leave")
        assert not room.try_member(ALICE, "join")

    @every_version
    def test_public_rooms(self, version: RoomVersion) -> None:
        room = Room.with_members(version)
        room.join_rule("public")
        assert room.try_member(ALICE, "join")
        room.member(ALICE, "leave")
        assert room.try_member(ALICE, "join")

    @every_version
    @pytest.mark.parametrize("join_rule", ["private", "PUBLIC", "", 5, None, ["public"], {}])
    def test_rules_that_nobody_knows_let_nobody_join(self, join_rule: Any, version: RoomVersion) -> None:
        room = Room.with_members(version)
        room.join_rule(join_rule)
        room.member(ALICE, "invite", sender=CREATOR)
        assert not room.try_member(ALICE, "join")

    @every_version
    def test_without_join_rules_one_is_invited(self, version: RoomVersion) -> None:
        room = Room.with_members(version)
        del room.state["m.room.join_rules", ""]
        assert not room.try_member(ALICE, "join")
        room.member(ALICE, "invite", sender=CREATOR)
        assert room.try_member(ALICE, "join")


class TestRestrictedJoin:
    def try_join(self, room: Room, authorising_user: UserID) -> bool:
        content = {"membership": "join", AUTHORISED_VIA: authorising_user}
        event = room.event("m.room.member", content, sender=BOB, state_key=BOB)
        return allows(room, sign_event(event, signer_of(authorising_user)))

    @every_version
    @pytest.mark.parametrize(("join_rule", "since"), [("restricted", 8), ("knock_restricted", 10)])
    def test_a_member_who_may_invite_authorises(
        self, join_rule: str, since: int, version: RoomVersion
    ) -> None:
        room = Room.with_members(version, ALICE, CAROL)
        room.join_rule(join_rule)
        room.set_levels({ALICE: 10, CAROL: 9}, invite=10)
        assert self.try_join(room, ALICE) is (int(version.identifier) >= since)
        assert self.try_join(room, CREATOR) is (int(version.identifier) >= since)
        assert not self.try_join(room, CAROL), "who may not invite"
        room.member(ALICE, "leave")
        assert not self.try_join(room, ALICE), "who is not in the room"
        assert not room.try_member(BOB, "join"), "nobody is named"
        room.member(BOB, "ban", sender=CREATOR)
        assert not self.try_join(room, CREATOR)

    @versions(8)
    def test_it_authorises_nothing_else(self, version: RoomVersion) -> None:
        room = Room.with_members(version, ALICE)
        room.join_rule("invite")
        assert not self.try_join(room, CREATOR)


class TestInvite:
    @every_version
    def test_members_invite(self, version: RoomVersion) -> None:
        room = Room.with_members(version, ALICE)
        assert room.try_member(BOB, "invite", sender=ALICE)
        assert not room.try_member(BOB, "invite", sender=CAROL)
        assert not room.try_member(BOB, "invite", sender=BOB)

    @every_version
    @pytest.mark.parametrize(
        ("membership", "invited"),
        [("join", False), ("ban", False), ("leave", True), ("invite", True), ("knock", True)],
    )
    def test_whom_they_invite(self, membership: str, invited: bool, version: RoomVersion) -> None:
        room = Room.with_members(version, ALICE)
        room.member(BOB, membership)
        assert room.try_member(BOB, "invite", sender=ALICE) is invited

    @every_version
    def test_invite_level(self, version: RoomVersion) -> None:
        room = Room.with_members(version, ALICE)
        room.set_levels({ALICE: 5}, invite=5)
        assert room.try_member(BOB, "invite", sender=ALICE)
        room.set_levels({ALICE: 5}, invite=6)
        assert not room.try_member(BOB, "invite", sender=ALICE)


class TestLeave:
    @every_version
    @pytest.mark.parametrize(
        ("membership", "since"), [("join", 1), ("invite", 1), ("knock", 7), ("leave", 99), ("ban", 99)]
    )
    def test_from_where_one_leaves(self, membership: str, since: int, version: RoomVersion) -> None:
        room = Room.with_members(version)
        room.member(ALICE, membership, sender=CREATOR)
        assert room.try_member(ALICE, "leave") is (int(version.identifier) >= since)

    @every_version
    def test_who_never_was_there_does_not_leave(self, version: RoomVersion) -> None:
        assert not Room.with_members(version).try_member(ALICE, "leave")

    @every_version
    def test_only_members_kick(self, version: RoomVersion) -> None:
        room = Room.with_members(version, ALICE, BOB)
        room.set_levels({ALICE: 50})
        assert room.try_member(BOB, "leave", sender=ALICE)
        room.member(ALICE, "leave")
        assert not room.try_member(BOB, "leave", sender=ALICE)

    @every_version
    def test_kick_level(self, version: RoomVersion) -> None:
        room = Room.with_members(version, ALICE, BOB)
        assert not room.try_member(BOB, "leave", sender=ALICE)
        room.set_levels({ALICE: 49})
        assert not room.try_member(BOB, "leave", sender=ALICE)
        room.set_levels({ALICE: 49}, kick=49)
        assert room.try_member(BOB, "leave", sender=ALICE)

    @every_version
    def test_kicking_the_powerful(self, version: RoomVersion) -> None:
        room = Room.with_members(version, ALICE, BOB)
        room.set_levels({ALICE: 60, BOB: 59})
        assert room.try_member(BOB, "leave", sender=ALICE)
        room.set_levels({ALICE: 60, BOB: 60})
        assert not room.try_member(BOB, "leave", sender=ALICE)

    @every_version
    def test_unbanning_needs_both_levels(self, version: RoomVersion) -> None:
        room = Room.with_members(version, ALICE)
        room.member(BOB, "ban", sender=CREATOR)
        for ban, kick, allowed in ((50, 50, True), (51, 50, False), (50, 51, False)):
            room.set_levels({ALICE: 50}, ban=ban, kick=kick)
            assert room.try_member(BOB, "leave", sender=ALICE) is allowed


class TestBan:
    @every_version
    def test_only_members_ban(self, version: RoomVersion) -> None:
        room = Room.with_members(version, ALICE)
        room.set_levels({ALICE: 50})
        assert room.try_member(BOB, "ban", sender=ALICE)
        room.member(ALICE, "leave")
        assert not room.try_member(BOB, "ban", sender=ALICE)

    @every_version
    def test_ban_level(self, version: RoomVersion) -> None:
        room = Room.with_members(version, ALICE)
        room.set_levels({ALICE: 49})
        assert not room.try_member(BOB, "ban", sender=ALICE)
        room.set_levels({ALICE: 49}, ban=49)
        assert room.try_member(BOB, "ban", sender=ALICE)

    @every_version
    def test_banning_the_powerful(self, version: RoomVersion) -> None:
        room = Room.with_members(version, ALICE, BOB)
        room.set_levels({ALICE: 60, BOB: 59})
        assert room.try_member(BOB, "ban", sender=ALICE)
        room.set_levels({ALICE: 60, BOB: 60})
        assert not room.try_member(BOB, "ban", sender=ALICE)

    @every_version
    def test_nobody_bans_a_creator_since_12(self, version: RoomVersion) -> None:
        room = Room.with_members(version, ALICE, BOB, additional_creators=[BOB])
        room.set_levels({ALICE: 2**53 - 1})
        is_privileged = version.identifier == "12"
        for target in (CREATOR, BOB):
            assert room.try_member(target, "ban", sender=ALICE) is not is_privileged
        assert not room.try_member(BOB, "ban"), "nor does one creator another, nor anyone oneself"


class TestKnock:
    JOIN_RULES = (("knock", 7), ("knock_restricted", 10))

    @every_version
    @pytest.mark.parametrize(("join_rule", "since"), JOIN_RULES)
    def test_join_rules_that_let_knock(self, join_rule: str, since: int, version: RoomVersion) -> None:
        room = Room.with_members(version)
        room.join_rule(join_rule)
        assert room.try_member(ALICE, "knock") is (int(version.identifier) >= since)
        assert not room.try_member(ALICE, "knock", sender=CREATOR)

    @every_version
    @pytest.mark.parametrize("join_rule", ["invite", "public", "restricted", "private", None])
    def test_join_rules_that_do_not(self, join_rule: Any, version: RoomVersion) -> None:
        room = Room.with_members(version)
        room.join_rule(join_rule)
        assert not room.try_member(ALICE, "knock")

    @versions(7)
    @pytest.mark.parametrize(
        ("membership", "knocks"),
        [("leave", True), ("knock", True), ("ban", False), ("invite", False), ("join", False)],
    )
    def test_from_where_one_knocks(self, membership: str, knocks: bool, version: RoomVersion) -> None:
        room = Room.with_members(version)
        room.join_rule("knock")
        room.member(ALICE, membership)
        assert room.try_member(ALICE, "knock") is knocks


@every_version
def test_odd_state_makes_no_rule_fail(version: RoomVersion) -> None:
    room = Room.with_members(version)
    room.add("m.room.join_rules", {"join_rule": {}}, state_key="")
    room.add("m.room.power_levels", {"users": [], "events": 5, "ban": None, "kick": {}}, state_key="")
    room.add("m.room.member", {"membership": []}, state_key=ALICE)
    for membership in ("join", "invite", "leave", "ban", "knock"):
        assert not room.try_member(ALICE, membership)
