"""Whether a user may see an event of a room's history.

https://spec.matrix.org/v1.19/client-server-api/#room-history-visibility
"""

from itertools import product


def may_see(
    *,
    visibility_before: str | None,
    visibility_after: str | None,
    membership_before: str | None,
    membership_after: str | None,
    joined_later: bool,
) -> bool:
    """Whether an event may be shown to a user.

    "Before" and "after" are the room's state around the event. They differ for visibility events and the
    user's own membership events alone: these are seen if either state lets them be. None stands for a state
    without such an event. `joined_later` says whether the user joined at any time after the event.
    """
    visibilities = {visibility_before, visibility_after}
    memberships = {membership_before, membership_after}
    return any(
        _may_see(visibility, membership, joined_later)
        for visibility, membership in product(visibilities, memberships)
    )


def _may_see(visibility: str | None, membership: str | None, joined_later: bool) -> bool:
    if visibility == "world_readable" or membership == "join":
        return True
    if visibility == "joined":
        return False
    if visibility == "invited":
        return membership == "invite"
    # `shared`, which is also what nothing and what nobody understands is taken for.
    return joined_later
