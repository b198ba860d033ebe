"""What accounts may do and how they are reached: standing, guests, login tokens, addresses, registration tokens."""

from homeserver.storage.upgrade import run_sql

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    run_sql(
        """
        -- Times are milliseconds since the epoch; NULL for what did not happen.
        ALTER TABLE account ADD COLUMN is_guest INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE account ADD COLUMN locked_at BIGINT;
        ALTER TABLE account ADD COLUMN suspended_at BIGINT;
        -- The version of the terms that the user accepted.
        ALTER TABLE account ADD COLUMN accepted_terms TEXT;

        -- A row per token that lets somebody register, until an administrator deletes it.
        -- uses_allowed NULL: any number. completed: accounts made with it.
        CREATE TABLE account_registration_token (
            token TEXT PRIMARY KEY,
            uses_allowed BIGINT,
            completed BIGINT NOT NULL DEFAULT 0,
            expires_at BIGINT
        ) /* clustered */;

        -- Tokens that log somebody in once, and tokens that prove to others who somebody is, by their SHA-256.
        -- Rows end when the token is used (login), with the account, or by a task after expires_at.
        -- purpose is 'login' or 'openid'.
        CREATE TABLE account_short_lived_token (
            hash BYTEA PRIMARY KEY,
            purpose TEXT NOT NULL,
            user_nid BIGINT NOT NULL REFERENCES account (user_nid),
            expires_at BIGINT NOT NULL
        ) /* clustered */;
        CREATE INDEX account_short_lived_token_expiry ON account_short_lived_token (expires_at);
        CREATE INDEX account_short_lived_token_user ON account_short_lived_token (user_nid);

        -- A row per address by which a user is known here; ends when the user removes it, and with the account.
        CREATE TABLE account_address (
            medium TEXT NOT NULL,
            address TEXT NOT NULL,
            user_nid BIGINT NOT NULL REFERENCES account (user_nid),
            validated_at BIGINT NOT NULL,
            added_at BIGINT NOT NULL,
            PRIMARY KEY (medium, address)
        );
        CREATE INDEX account_address_user ON account_address (user_nid);

        -- A row per address of a user that an identity server publishes at our bidding; ends when it is unbound.
        CREATE TABLE account_address_binding (
            user_nid BIGINT NOT NULL REFERENCES account (user_nid),
            medium TEXT NOT NULL,
            address TEXT NOT NULL,
            id_server TEXT NOT NULL,
            PRIMARY KEY (user_nid, medium, address, id_server)
        );

        -- A row per attempt to prove that one reads an address; a task deletes rows after expires_at.
        -- The client's secret and the token of the link are kept as their SHA-256.
        CREATE TABLE account_address_validation (
            sid TEXT PRIMARY KEY,
            purpose TEXT NOT NULL,
            medium TEXT NOT NULL,
            address TEXT NOT NULL,
            secret_hash BYTEA NOT NULL,
            token_hash BYTEA NOT NULL,
            send_attempt BIGINT NOT NULL,
            next_link TEXT,
            validated_at BIGINT,
            expires_at BIGINT NOT NULL,
            UNIQUE (address, secret_hash, purpose, medium)
        );
        CREATE INDEX account_address_validation_expiry ON account_address_validation (expires_at);
        """
    )
