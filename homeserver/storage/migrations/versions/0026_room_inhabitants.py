"""The users of this server in a room, found without a search among all who are there."""

from homeserver.storage.upgrade import run_sql

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    run_sql(
        """
        -- Users of this server who are joined to a room; what room_member says of users elsewhere as well. A row ends
        -- when the user leaves.
        CREATE TABLE room_inhabitant (
            room BIGINT NOT NULL,
            user_nid BIGINT NOT NULL,
            PRIMARY KEY (room, user_nid)
        ) /* clustered */;
        INSERT INTO room_inhabitant (room, user_nid)
        SELECT m.room, m.user_nid FROM room_member m JOIN account a ON a.user_nid = m.user_nid
        WHERE m.membership = 'join';
        """
    )
