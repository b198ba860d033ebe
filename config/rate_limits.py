"""How fast peers may act."""

from dataclasses import dataclass

from config.option import option


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """A rate limit.

    Whoever has used up `burst_count` actions may do `per_second` more.
    """

    per_second: float = option(0.17, "Sustained actions per second; 0 allows none.", minimum=0)
    burst: int = option(3, "Actions allowed at once.", key="burst_count", minimum=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class FederationRateLimit:
    """A rate limit of requests, for each server that sends them."""

    window_size: int = option(1000, "Milliseconds over which requests are counted.", minimum=1)
    sleep_limit: int = option(10, "Requests in a window from which on each is delayed.", minimum=0)
    sleep_delay: int = option(500, "Milliseconds by which each of them is delayed.", minimum=0)
    reject_limit: int = option(50, "Delayed requests from which on they are refused.", minimum=0)
    concurrent: int = option(3, "Requests served at the same time.", minimum=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits:
    """How fast one user, address, room or server may act. Beyond it, the answer is 429 with `Retry-After`."""

    # COMPAT(synapse): keys and defaults are those of Synapse 1.163, so that its files mean the same here.
    messages: RateLimit = option(
        RateLimit(per_second=0.2, burst=10), "Sending events, for each user.", key="rc_message"
    )
    registration: RateLimit = option(RateLimit(), "Registering, for each address.", key="rc_registration")
    registration_token_validity: RateLimit = option(
        RateLimit(per_second=0.1, burst=5),
        "Asking whether a registration token is valid, for each address.",
        key="rc_registration_token_validity",
    )
    login_per_address: RateLimit = option(
        RateLimit(per_second=0.003, burst=5), "Logging in, for each address.", key="rc_login.address"
    )
    login_per_account: RateLimit = option(
        RateLimit(per_second=0.003, burst=5), "Logging in, for each account.", key="rc_login.account"
    )
    login_failed_attempts: RateLimit = option(
        RateLimit(), "Failing to log in, for each account.", key="rc_login.failed_attempts"
    )
    admin_redaction: RateLimit | None = option(
        None,
        "Redacting, for each server administrator.",
        key="rc_admin_redaction",
        default_text="as `rc_message`",
    )
    joins_local: RateLimit = option(
        RateLimit(per_second=0.1, burst=10),
        "Joining rooms this server is in, for each user.",
        key="rc_joins.local",
    )
    joins_remote: RateLimit = option(
        RateLimit(per_second=0.01, burst=10),
        "Joining rooms this server is not in yet, for each user.",
        key="rc_joins.remote",
    )
    joins_per_room: RateLimit = option(
        RateLimit(per_second=1, burst=10), "Joining, for each room.", key="rc_joins_per_room"
    )
    invites_per_room: RateLimit = option(
        RateLimit(per_second=0.3, burst=10), "Inviting, for each room.", key="rc_invites.per_room"
    )
    invites_per_user: RateLimit = option(
        RateLimit(per_second=0.003, burst=5), "Inviting, for each invited user.", key="rc_invites.per_user"
    )
    invites_per_issuer: RateLimit = option(
        RateLimit(per_second=0.3, burst=10), "Inviting, for each inviting user.", key="rc_invites.per_issuer"
    )
    third_party_invite: RateLimit = option(
        RateLimit(per_second=0.0025, burst=5),
        "Inviting by e-mail address, for each user.",
        key="rc_third_party_invite",
    )
    third_party_validation: RateLimit = option(
        RateLimit(per_second=0.003, burst=5),
        "Asking to validate an e-mail address, for each address and requester.",
        key="rc_3pid_validation",
    )
    media_create: RateLimit = option(
        RateLimit(per_second=10, burst=50), "Reserving media URIs, for each user.", key="rc_media_create"
    )
    key_requests: RateLimit = option(
        RateLimit(per_second=20, burst=100),
        "Asking other devices for room keys, for each device or server.",
        key="rc_key_requests",
    )
    presence_per_user: RateLimit = option(
        RateLimit(per_second=0.1, burst=1), "Changing presence, for each user.", key="rc_presence.per_user"
    )
    delayed_event_management: RateLimit = option(
        RateLimit(per_second=1, burst=5),
        "Restarting, sending and cancelling delayed events, for each user.",
        key="rc_delayed_event_mgmt",
    )
    room_creation: RateLimit = option(
        RateLimit(per_second=0.016, burst=10), "Creating rooms, for each user.", key="rc_room_creation"
    )
    reports: RateLimit = option(
        RateLimit(per_second=1, burst=5),
        "Reporting rooms, users and events, for each user.",
        key="rc_reports",
    )
    user_directory: RateLimit = option(
        RateLimit(per_second=0.016, burst=200), "Searching for users, for each user.", key="rc_user_directory"
    )
    profile: RateLimit = option(
        RateLimit(per_second=1, burst=500), "Asking for profiles, for each user.", key="rc_profile"
    )
    federation: FederationRateLimit = option(
        FederationRateLimit(), "Requests of other servers, for each of them.", key="rc_federation"
    )
