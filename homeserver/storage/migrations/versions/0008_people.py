"""People: presence, the user directory, profiles to be told of, and reports."""

from homeserver.storage.upgrade import run_sql

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    run_sql(
        """
        -- What users told administrators. A row ends when one of them deletes it, or a year later (task).
        -- kind is 1 for an event (with room), 2 for a room, 3 for a user (target).
        CREATE TABLE report (
            id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            kind INTEGER NOT NULL,
            reporter BIGINT NOT NULL,
            reason TEXT,
            received_at BIGINT NOT NULL,
            room BIGINT,
            event_id TEXT,
            target BIGINT,
            score BIGINT
        );
        CREATE INDEX report_age ON report (received_at);
        CREATE INDEX report_kind ON report (kind, id);

        -- How users were seen last: a row per user, replaced with each change. It ends a month after the user
        -- was last seen (task). state is 0 for offline, 1 unavailable, 2 online, 3 busy.
        CREATE TABLE presence (
            user_nid BIGINT PRIMARY KEY,
            state INTEGER NOT NULL,
            status_msg TEXT,
            last_active_at BIGINT NOT NULL,
            is_active INTEGER NOT NULL,
            position BIGINT NOT NULL
        );
        CREATE INDEX presence_seen ON presence (state, last_active_at);
        CREATE INDEX presence_changes ON presence (position);

        -- Profiles that changed and of which a reader was not told yet: 1 is rooms, 2 the user directory.
        -- The reader deletes the row when it is done, unless the profile changed again meanwhile.
        CREATE TABLE account_profile_change (
            reader INTEGER NOT NULL,
            user_nid BIGINT NOT NULL,
            changes BIGINT NOT NULL,
            PRIMARY KEY (reader, user_nid)
        ) /* clustered */;
        INSERT INTO account_profile_change (reader, user_nid, changes)
        SELECT 2, user_nid, 1 FROM account_profile;

        -- The user directory, which can be built anew from profiles and rooms. A local user's row stays as
        -- their profile does, a remote one's ends with the last membership here (task). Words are UTF-8, so that
        -- their order is the same everywhere.
        CREATE TABLE search_user (
            user_nid BIGINT PRIMARY KEY,
            is_local INTEGER NOT NULL,
            displayname TEXT,
            avatar_url TEXT
        );
        CREATE TABLE search_user_word (
            word BYTEA NOT NULL,
            user_nid BIGINT NOT NULL,
            PRIMARY KEY (word, user_nid)
        ) /* clustered */;
        CREATE INDEX search_user_word_of ON search_user_word (user_nid);

        -- Rooms whose members everybody may find. A row ends when the room is public no more, or with the room.
        CREATE TABLE search_public_room (
            room BIGINT PRIMARY KEY
        );
        """
    )
