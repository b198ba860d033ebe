from itertools import product

import pytest

from homeserver.protocol.history_visibility import may_see

MEMBERSHIPS = [None, "join", "invite", "leave", "ban", "knock"]


def sees(visibility: str | None, membership: str | None, *, joined_later: bool = False) -> bool:
    """An event that changes neither the visibility nor the user's membership."""
    return may_see(
        visibility_before=visibility,
        visibility_after=visibility,
        membership_before=membership,
        membership_after=membership,
        joined_later=joined_later,
    )


@pytest.mark.parametrize("visibility", [None, "world_readable", "shared", "invited", "joined", "unknown"])
def test_members_see_everything(visibility: str | None) -> None:
    assert sees(visibility, "join")


@pytest.mark.parametrize("membership", MEMBERSHIPS)
def test_anybody_sees_what_is_world_readable(membership: str | None) -> None:
    assert sees("world_readable", membership)


@pytest.mark.parametrize("visibility", [None, "shared", "unknown", ""])
@pytest.mark.parametrize("membership", ["invite", "leave", "ban", "knock", None])
def test_shared_history_is_seen_after_joining(visibility: str | None, membership: str | None) -> None:
    assert sees(visibility, membership, joined_later=True)
    assert not sees(visibility, membership)


@pytest.mark.parametrize("joined_later", [False, True])
@pytest.mark.parametrize("membership", ["invite", "leave", "ban", "knock", None])
def test_history_since_the_invitation(membership: str | None, joined_later: bool) -> None:
    assert sees("invited", membership, joined_later=joined_later) is (membership == "invite")


@pytest.mark.parametrize("joined_later", [False, True])
@pytest.mark.parametrize("membership", ["invite", "leave", "ban", "knock", None])
def test_history_since_the_join(membership: str | None, joined_later: bool) -> None:
    assert not sees("joined", membership, joined_later=joined_later)


@pytest.mark.parametrize("before", MEMBERSHIPS)
@pytest.mark.parametrize("after", MEMBERSHIPS)
@pytest.mark.parametrize("visibility", ["shared", "invited", "joined"])
def test_own_membership_is_seen_from_either_side(
    visibility: str, before: str | None, after: str | None
) -> None:
    seen = may_see(
        visibility_before=visibility,
        visibility_after=visibility,
        membership_before=before,
        membership_after=after,
        joined_later=False,
    )
    assert seen is (sees(visibility, before) or sees(visibility, after))
    if "join" in (before, after):
        assert seen


@pytest.mark.parametrize(
    ("before", "after"), list(product(["world_readable", "shared", "invited", "joined"], repeat=2))
)
def test_changes_of_visibility_are_seen_from_either_side(before: str, after: str) -> None:
    for membership in MEMBERSHIPS:
        seen = may_see(
            visibility_before=before,
            visibility_after=after,
            membership_before=membership,
            membership_after=membership,
            joined_later=False,
        )
        assert seen is (sees(before, membership) or sees(after, membership))
