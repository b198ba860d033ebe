"""Voice and video calls."""

from dataclasses import dataclass
from datetime import timedelta

from config.kinds import Duration, Secret
from config.option import option


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """TURN servers, through which calls go where the callers cannot reach each other directly.

    They know the users by a secret that they share with this server, or all by the same name and password.
    """

    uris: tuple[str, ...] = option(
        (), "Where they are, such as `turn:turn.example.org?transport=udp`.", key="turn_uris"
    )
    shared_secret: Secret = option(
        None, "The secret that they share with this server.", key="turn_shared_secret", secret=True
    )
    username: str | None = option(None, "The name of all users, without a secret.", key="turn_username")
    password: Secret = option(
        None, "The password of all users, without a secret.", key="turn_password", secret=True
    )
    lifetime: Duration = option(
        timedelta(hours=1),
        "How long names that are made by the secret are good.",
        key="turn_user_lifetime",
        minimum=timedelta(seconds=1),
    )
    guests: bool = option(True, "Whether guests may use them.", key="turn_allow_guests")
