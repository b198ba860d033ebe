"""What application services are sent besides events."""

from homeserver.storage.upgrade import run_sql

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    run_sql(
        """
        -- The service has everything up to the position told: what is between it and upto is the transaction under way.
        ALTER TABLE appservice ADD COLUMN told BIGINT NOT NULL DEFAULT 0;
        UPDATE appservice SET told = (SELECT position FROM stream_position);

        -- The position at which the first of the service's users came into the room; 0 where they were there when it
        -- was registered.
        ALTER TABLE appservice_room ADD COLUMN since BIGINT NOT NULL DEFAULT 0;
        CREATE INDEX appservice_room_since ON appservice_room (service, since);

        -- A message to a device that a service is to be sent; what it says is in e2ee_to_device, and ends with it. A
        -- row ends when the service has the message, after a month (task), or with the service.
        CREATE TABLE appservice_message (
            service TEXT NOT NULL,
            position BIGINT NOT NULL,
            device_nid BIGINT NOT NULL,
            added_at BIGINT NOT NULL,
            PRIMARY KEY (service, position, device_nid)
        ) /* clustered */;
        CREATE INDEX appservice_message_age ON appservice_message (added_at);

        -- A user of whom a service is to be told that their keys changed, or that they came into its sight or went out
        -- of it. A row is replaced by newer ones of the same user, and ends when the service was told, after a month
        -- (task), or with the service.
        CREATE TABLE appservice_list_change (
            service TEXT NOT NULL,
            user_nid BIGINT NOT NULL,
            position BIGINT NOT NULL,
            changed_at BIGINT NOT NULL,
            PRIMARY KEY (service, user_nid)
        ) /* clustered */;
        CREATE INDEX appservice_list_change_order ON appservice_list_change (service, position);
        CREATE INDEX appservice_list_change_age ON appservice_list_change (changed_at);

        -- In appservice_event, event is 0 for what a user is, since that position, to a room elsewhere.
        CREATE INDEX room_elsewhere_order ON room_elsewhere (position);

        -- Each network of a service has a list of its own beside the main one, whose network is ''. Rows end with their
        -- room, when the room is taken off the list, and those of networks with their service.
        CREATE TABLE room_published_somewhere (
            room BIGINT NOT NULL,
            network TEXT NOT NULL,
            joined BIGINT NOT NULL,
            PRIMARY KEY (room, network)
        );
        INSERT INTO room_published_somewhere SELECT room, '', joined FROM room_published;
        DROP TABLE room_published;
        ALTER TABLE room_published_somewhere RENAME TO room_published;
        CREATE INDEX room_published_order ON room_published (network, joined, room);
        CREATE INDEX room_published_order_everywhere ON room_published (joined, room);
        """
    )
