from datetime import timedelta

import pytest

from config.sessions import Sessions
from config.tests.conftest import Mistakes

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    "sessions",
    [
        Sessions(),
        Sessions(refresh_token_lifetime=DAY),
        Sessions(lifetime=DAY, refresh_token_lifetime=DAY, nonrefreshable_access_token_lifetime=HOUR),
        # The default lifetime of access tokens, five minutes, is no mistake of the operator's.
        Sessions(lifetime=timedelta(minutes=1)),
    ],
)
def test_tokens_that_fit_in_a_session(sessions: Sessions) -> None:
    assert list(sessions.conflicts()) == []


def test_tokens_that_outlive_the_session() -> None:
    sessions = Sessions(
        lifetime=HOUR,
        refresh_token_lifetime=DAY,
        refreshable_access_token_lifetime=DAY,
        nonrefreshable_access_token_lifetime=DAY,
    )
    assert list(sessions.conflicts()) == [
        "refresh_token_lifetime must not be longer than session_lifetime, 1h",
        "refreshable_access_token_lifetime must not be longer than session_lifetime, 1h",
        "nonrefreshable_access_token_lifetime must not be longer than session_lifetime, 1h",
    ]


def test_a_lifetime_is_not_zero(mistakes: Mistakes) -> None:
    assert mistakes("session_lifetime: 0\n") == [
        "homeserver.yaml line 2: session_lifetime must be at least 1, not 0"
    ]
