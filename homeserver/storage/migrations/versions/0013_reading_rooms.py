"""Relations between events, threads, an index of messages, and the end of messages that rooms do not keep."""

from alembic import op

from homeserver.storage.upgrade import run_sql

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    run_sql(
        """
        -- Which event relates to which: child is a short id, parent the event ID that it names, which may not be here
        -- yet. type and sender are the child's. annotation is the key of an m.annotation.
        -- A row ends with its child, or when that is redacted.
        CREATE TABLE room_relation (
            child BIGINT PRIMARY KEY,
            room BIGINT NOT NULL,
            parent TEXT NOT NULL,
            rel_type TEXT NOT NULL,
            type BIGINT NOT NULL,
            sender BIGINT NOT NULL,
            position BIGINT NOT NULL,
            annotation TEXT
        );
        CREATE INDEX room_relation_parent ON room_relation (parent, room, rel_type, position);
        CREATE INDEX room_relation_annotation ON room_relation (parent, sender, annotation)
            WHERE annotation IS NOT NULL;

        -- How many children each sender gave to an event, a read model of room_relation: pages need not count them.
        CREATE TABLE room_relation_sender (
            parent TEXT NOT NULL,
            room BIGINT NOT NULL,
            rel_type TEXT NOT NULL,
            sender BIGINT NOT NULL,
            children BIGINT NOT NULL,
            PRIMARY KEY (parent, rel_type, room, sender)
        ) /* clustered */;

        -- The position of the newest event of each thread, a read model of room_relation.
        CREATE TABLE room_thread (
            room BIGINT NOT NULL,
            root TEXT NOT NULL,
            latest BIGINT NOT NULL,
            PRIMARY KEY (room, root)
        ) /* clustered */;
        CREATE INDEX room_thread_latest ON room_thread (room, latest);

        -- Finds the event at a time, and the events that are older than their room's retention.
        CREATE INDEX room_event_time ON room_event (room, origin_server_ts);

        -- The words of an event that can be searched for, as the search wants them: lower case, one space between.
        -- A row ends with its event, or when that is redacted.
        CREATE TABLE search_message (
            event BIGINT PRIMARY KEY,
            words TEXT NOT NULL
        );

        -- Up to which time (milliseconds since the epoch, as events claim it) the messages of a room have lost their
        -- content, because the room keeps them no longer; late is that of an older one that came afterwards.
        -- Rows end with their room.
        CREATE TABLE room_expiry (
            room BIGINT PRIMARY KEY,
            upto BIGINT NOT NULL,
            late BIGINT
        );
        """
    )
    _index_words(op.get_bind().dialect.name)


def _index_words(dialect: str) -> None:
    if dialect == "postgresql":
        # The words are lexemes already; a parser would take them apart. What it costs to do so keeps the planner from
        # doing it for every row where the index has the answer.
        op.get_bind().exec_driver_sql(
            """
            CREATE FUNCTION search_lexemes(words TEXT) RETURNS tsvector
            LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 500
            AS 'BEGIN RETURN array_to_tsvector(string_to_array(words, '' '')); END'
            """
        )
        op.get_bind().exec_driver_sql(
            "CREATE INDEX search_message_words ON search_message USING gin (search_lexemes(words))"
        )
        return
    # The index keeps no words of its own: it is told of those that go.
    for statement in (
        """
        CREATE VIRTUAL TABLE search_message_words USING fts5(
            words, content = 'search_message', content_rowid = 'event', detail = 'none', columnsize = 0,
            tokenize = "unicode61 remove_diacritics 0 categories 'L* M* N* Co' tokenchars ':'"
        )
        """,
        """
        CREATE TRIGGER search_message_added AFTER INSERT ON search_message BEGIN
            INSERT INTO search_message_words (rowid, words) VALUES (new.event, new.words);
        END
        """,
        """
        CREATE TRIGGER search_message_removed AFTER DELETE ON search_message BEGIN
            INSERT INTO search_message_words (search_message_words, rowid, words)
            VALUES ('delete', old.event, old.words);
        END
        """,
    ):
        op.get_bind().exec_driver_sql(statement)
