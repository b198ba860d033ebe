"""End-to-end encryption: keys, signatures, changes of device lists, messages to devices, key backups."""

from alembic import op

from homeserver.storage.upgrade import run_sql

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    run_sql(
        """
        -- The identity keys of local devices, as JSON with the signatures that everybody may see.
        -- Here and below device_nid is that of account_device. Rows end with their device: at once where this
        -- program deletes it, otherwise by a task that finds what belongs to no device (hourly).
        CREATE TABLE e2ee_device_keys (
            device_nid BIGINT PRIMARY KEY,
            user_nid BIGINT NOT NULL,
            device_id TEXT NOT NULL,
            keys BYTEA NOT NULL
        );
        CREATE INDEX e2ee_device_keys_user ON e2ee_device_keys (user_nid);

        -- Keys for one message each, claimed in the order of their places: first_place to last_place are in this row,
        -- one behind the other, as all of them are of one size, and so are their IDs. An upload is a few rows.
        -- Claimed keys stay for a week or two, so that a client that repeats its upload cannot bring them back; when
        -- all of a row are that old, a task deletes it. It ends with the device.
        CREATE TABLE e2ee_one_time_batch (
            device_nid BIGINT NOT NULL,
            algorithm TEXT NOT NULL,
            last_place BIGINT NOT NULL,
            first_place BIGINT NOT NULL,
            key_id_size INTEGER NOT NULL,
            key_size INTEGER NOT NULL,
            key_ids TEXT NOT NULL,
            keys BYTEA NOT NULL,
            PRIMARY KEY (device_nid, algorithm, last_place)
        );

        -- How far a device's one-time keys were claimed: those from next_place to last_place are left. A claim
        -- changes this row alone, and those of many devices lie on one page. What is before spent_place had been
        -- claimed at spent_at, in milliseconds. It ends with the device.
        CREATE TABLE e2ee_one_time_stock (
            device_nid BIGINT NOT NULL,
            algorithm TEXT NOT NULL,
            next_place BIGINT NOT NULL DEFAULT 1,
            last_place BIGINT NOT NULL,
            spent_place BIGINT NOT NULL DEFAULT 1,
            spent_at BIGINT NOT NULL DEFAULT 0,
            PRIMARY KEY (device_nid, algorithm)
        ) /* clustered */;

        -- What is claimed when those have run out: one for each algorithm, replaced by newer ones; used is 1 once
        -- it was claimed. It ends with the device.
        CREATE TABLE e2ee_fallback_key (
            device_nid BIGINT NOT NULL,
            algorithm TEXT NOT NULL,
            key_id TEXT NOT NULL,
            key BYTEA NOT NULL,
            used INTEGER NOT NULL,
            PRIMARY KEY (device_nid, algorithm)
        ) /* clustered */;

        -- Cross-signing keys of local users, as JSON with the signatures that everybody may see. kind is 1 for the
        -- master key, 2 self-signing, 3 user-signing. Replaced by newer ones; they end with the account (task).
        CREATE TABLE e2ee_cross_signing_key (
            user_nid BIGINT NOT NULL,
            kind INTEGER NOT NULL,
            public_key TEXT NOT NULL,
            key BYTEA NOT NULL,
            PRIMARY KEY (user_nid, kind)
        ) /* clustered */;

        -- What a local user's user-signing key says of another user's master key; shown to the signer only.
        -- Replaced by newer ones; ends when either of the keys is replaced, or the signer's account ends (task).
        CREATE TABLE e2ee_user_signature (
            signer_nid BIGINT NOT NULL,
            target_nid BIGINT NOT NULL,
            master_key TEXT NOT NULL,
            key_id TEXT NOT NULL,
            signature TEXT NOT NULL,
            PRIMARY KEY (signer_nid, target_nid)
        ) /* clustered */;
        CREATE INDEX e2ee_user_signature_target ON e2ee_user_signature (target_nid);

        -- When the keys of a user changed last: one row, whatever the number of rooms, and never more than one.
        -- seen_by is 0 for everybody, or the short id of the only user who sees the change: who signed the keys.
        -- Rows are replaced, not added to. Those with seen_by end with what was signed; the others, after the end
        -- of the user's account, when they are a year old (task).
        CREATE TABLE e2ee_device_list_change (
            user_nid BIGINT NOT NULL,
            seen_by BIGINT NOT NULL,
            position BIGINT NOT NULL,
            changed_at BIGINT NOT NULL,
            PRIMARY KEY (user_nid, seen_by)
        ) /* clustered */;
        CREATE INDEX e2ee_device_list_change_order ON e2ee_device_list_change (position);

        -- Messages that wait for a device; content is the JSON of an object. They end when the client comes back
        -- with a sync token that says it has them, and with the device.
        CREATE TABLE e2ee_to_device (
            device_nid BIGINT NOT NULL,
            position BIGINT NOT NULL,
            sender TEXT NOT NULL,
            type TEXT NOT NULL,
            content BYTEA NOT NULL,
            PRIMARY KEY (device_nid, position)
        ) /* clustered */;

        -- Requests to send such messages, so that none is done twice; request is a hash. A task deletes rows after
        -- a day.
        CREATE TABLE e2ee_to_device_request (
            request TEXT PRIMARY KEY,
            made_at BIGINT NOT NULL
        );
        CREATE INDEX e2ee_to_device_request_age ON e2ee_to_device_request (made_at);

        -- The one device of a user that no client runs: it collects messages. data is the client's JSON. Ends with
        -- the device, or when the next one replaces it.
        CREATE TABLE e2ee_dehydrated_device (
            user_nid BIGINT PRIMARY KEY,
            device_nid BIGINT NOT NULL,
            device_id TEXT NOT NULL,
            data BYTEA NOT NULL
        );

        -- Versions of a user's key backup. A deleted one leaves its row, emptied, until there is a newer one: so no
        -- number is used twice. Versions end when they are deleted, and with the account (task).
        CREATE TABLE e2ee_backup (
            user_nid BIGINT NOT NULL,
            version BIGINT NOT NULL,
            algorithm TEXT NOT NULL,
            auth_data BYTEA NOT NULL,
            etag BIGINT NOT NULL,
            key_count BIGINT NOT NULL,
            deleted INTEGER NOT NULL,
            PRIMARY KEY (user_nid, version)
        ) /* clustered */;

        -- The keys in a backup: a row for each session of a room, replaced by better ones. They end when they are
        -- deleted, or their backup is.
        CREATE TABLE e2ee_backup_key (
            user_nid BIGINT NOT NULL,
            version BIGINT NOT NULL,
            room_id TEXT NOT NULL,
            session_id TEXT NOT NULL,
            first_message_index BIGINT NOT NULL,
            forwarded_count BIGINT NOT NULL,
            is_verified INTEGER NOT NULL,
            session_data BYTEA NOT NULL,
            PRIMARY KEY (user_nid, version, room_id, session_id)
        ) /* clustered */;
        """
    )
    if op.get_bind().dialect.name == "postgresql":
        # Compressing signatures costs more time than it saves bytes, and a claim would have to undo it for one key.
        run_sql("ALTER TABLE e2ee_one_time_batch ALTER COLUMN keys SET STORAGE EXTERNAL;")
        # A row of usual keys stays whole: in a page, as in SQLite, and not in pieces of two kilobytes somewhere else.
        run_sql("ALTER TABLE e2ee_one_time_batch SET (toast_tuple_target = 8160);")
