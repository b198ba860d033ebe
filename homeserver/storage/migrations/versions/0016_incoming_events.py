"""What other servers sent and is on its way into the rooms."""

from homeserver.storage.upgrade import run_sql

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    run_sql(
        """
        -- Transactions that were taken in, with the JSON of what was answered, so that a repeated one gets the same.
        -- received_at is in milliseconds. Rows end after a day (task, hourly).
        CREATE TABLE federation_transaction (
            origin TEXT NOT NULL,
            txn_id TEXT NOT NULL,
            received_at BIGINT NOT NULL,
            answer BYTEA NOT NULL,
            PRIMARY KEY (origin, txn_id)
        );
        CREATE INDEX federation_transaction_age ON federation_transaction (received_at);

        -- Events of transactions that were answered, in the order received_at, place; pdu is JSON. A row ends when its
        -- event is in the room or was refused.
        CREATE TABLE federation_staged_event (
            room_id TEXT NOT NULL,
            event_id TEXT NOT NULL,
            origin TEXT NOT NULL,
            received_at BIGINT NOT NULL,
            place INTEGER NOT NULL,
            pdu BYTEA NOT NULL,
            PRIMARY KEY (room_id, event_id)
        );
        """
    )
