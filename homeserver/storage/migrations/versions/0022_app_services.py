"""What application services are to be sent."""

from homeserver.storage.upgrade import run_sql

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    run_sql(
        """
        -- A registered service. namespace is a hash of what room counts depend on. Of the transaction under way, id is
        -- the number and upto the position of the last event in it; upto is NULL between transactions. Times are in
        -- milliseconds, NULL while the service answers. A row ends when the service is registered no more.
        CREATE TABLE appservice (
            service TEXT PRIMARY KEY,
            namespace BYTEA NOT NULL,
            transaction_id BIGINT NOT NULL,
            upto BIGINT,
            failing_since BIGINT,
            retry_at BIGINT
        );

        -- How many users of a service's namespace are joined to a room. A row ends when there are none, or with the
        -- service.
        CREATE TABLE appservice_room (
            room BIGINT NOT NULL,
            service TEXT NOT NULL,
            joined BIGINT NOT NULL,
            PRIMARY KEY (room, service)
        ) /* clustered */;

        -- An event that a service is to be sent. It ends when the service has it, after a month (task), or with the
        -- service.
        CREATE TABLE appservice_event (
            service TEXT NOT NULL,
            position BIGINT NOT NULL,
            event BIGINT NOT NULL,
            added_at BIGINT NOT NULL,
            PRIMARY KEY (service, position)
        ) /* clustered */;
        CREATE INDEX appservice_event_age ON appservice_event (added_at);
        """
    )
