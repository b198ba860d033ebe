"""Accounts: users, their devices and tokens, interactive authentication under way, and profiles."""

from homeserver.storage.upgrade import run_sql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    run_sql(
        """
        -- A row per local user, for ever: the ID of a deactivated user is given to nobody else.
        -- folded_id is the user ID in lower case, by which those who type capitals are found.
        CREATE TABLE account (
            user_nid BIGINT PRIMARY KEY REFERENCES known_user (nid),
            folded_id TEXT NOT NULL,
            password_hash TEXT,
            is_admin INTEGER NOT NULL,
            user_type TEXT,
            created_at BIGINT NOT NULL,
            deactivated_at BIGINT,
            erased INTEGER NOT NULL DEFAULT 0
        );
        CREATE INDEX account_folded ON account (folded_id);
        CREATE INDEX account_deactivated ON account (user_nid) WHERE deactivated_at IS NOT NULL;

        -- A row per session; logging out deletes it. Other tables refer to nid, so none is used twice.
        -- token_generation is that of the tokens in use; session_ends_at bounds them all.
        CREATE TABLE account_device (
            nid BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            user_nid BIGINT NOT NULL REFERENCES account (user_nid),
            device_id TEXT NOT NULL,
            display_name TEXT,
            token_generation BIGINT NOT NULL DEFAULT 0,
            session_ends_at BIGINT,
            last_seen_at BIGINT,
            last_seen_ip TEXT,
            last_seen_agent TEXT,
            UNIQUE (user_nid, device_id)
        );

        -- Access and refresh tokens by their SHA-256: at most two generations per device. Rows end with their
        -- device, when a newer generation is used, or by a task half a year after they expired.
        CREATE TABLE account_token (
            hash BYTEA PRIMARY KEY,
            device_nid BIGINT NOT NULL REFERENCES account_device (nid),
            is_refresh INTEGER NOT NULL,
            generation BIGINT NOT NULL,
            expires_at BIGINT
        ) /* clustered */;
        CREATE INDEX account_token_device ON account_token (device_nid);
        CREATE INDEX account_token_expiry ON account_token (expires_at);

        -- Sessions of user-interactive authentication; a task deletes rows after expires_at.
        -- The session ID is kept as its SHA-256. It is also the key of request_mac, so that nobody who reads
        -- the database can guess a password that was part of the request.
        CREATE TABLE account_interactive_auth (
            session_hash BYTEA PRIMARY KEY,
            request_mac BYTEA NOT NULL,
            completed BYTEA NOT NULL,
            expires_at BIGINT NOT NULL
        ) /* clustered */;
        CREATE INDEX account_interactive_auth_expiry ON account_interactive_auth (expires_at);

        -- A row per local user; erasing the account empties it. fields is a JSON object of all other fields.
        CREATE TABLE account_profile (
            user_nid BIGINT PRIMARY KEY REFERENCES account (user_nid),
            displayname TEXT,
            avatar_url TEXT,
            fields BYTEA NOT NULL
        );
        """
    )
