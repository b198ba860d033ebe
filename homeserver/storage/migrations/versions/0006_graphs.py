"""Rooms whose events make a graph: forks, events beside the timeline, and gaps."""

from homeserver.storage.upgrade import run_sql

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    run_sql(
        """
        -- Which state events are cited by which others as those that authorise them. Without create events, which all
        -- cite. Rows end with their room. Rooms of before have theirs after `folkmoot verify --rebuild`.
        CREATE TABLE room_auth_edge (
            cited BIGINT NOT NULL,
            citing BIGINT NOT NULL,
            PRIMARY KEY (cited, citing)
        ) /* clustered */;
        CREATE INDEX room_auth_edge_citing ON room_auth_edge (citing, cited);

        -- The state before and after an event, where it is not that of the room's line at the event's place: each is
        -- a number of the line and what differs from it, if anything. Rows end with their event.
        CREATE TABLE room_event_state (
            event BIGINT PRIMARY KEY,
            before_line BIGINT NOT NULL,
            before_override BIGINT,
            after_line BIGINT NOT NULL,
            after_override BIGINT
        );

        -- Whether the event has a row there.
        ALTER TABLE room_event ADD COLUMN on_fork INTEGER NOT NULL DEFAULT 0;

        -- What differs from a number of the line: JSON, the event by slot (short ids), null where the slot is empty.
        -- What parent says holds too, where this says nothing; height counts the parents. Rows end with their room.
        CREATE TABLE room_override (
            nid BIGINT PRIMARY KEY,
            room BIGINT NOT NULL,
            parent BIGINT,
            height INTEGER NOT NULL,
            changes BYTEA NOT NULL
        );

        -- Events that are in no timeline because a check on their receipt failed. The room's graph goes on behind
        -- soft-failed ones (soft = 1). Rows end with their event.
        CREATE TABLE room_refused_event (
            event BIGINT PRIMARY KEY,
            soft INTEGER NOT NULL,
            reason TEXT NOT NULL
        );

        -- Events that others name as their predecessors and that are not here: where history can be fetched.
        -- position is that of the first event that names it. A row ends when its event comes; each room keeps the 100
        -- newest.
        CREATE TABLE room_missing_event (
            room BIGINT NOT NULL,
            event_id TEXT NOT NULL,
            position BIGINT NOT NULL,
            PRIMARY KEY (room, event_id)
        ) /* clustered */;
        CREATE INDEX room_missing_event_position ON room_missing_event (room, position);
        """
    )
