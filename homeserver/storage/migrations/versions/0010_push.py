"""Push rules, and what they say of events: counted once for all whose rules are the usual ones."""

from homeserver.storage.upgrade import run_sql

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    run_sql(
        """
        -- A row per user who changed the default push rules: JSON of the changes. Ends with the account (task).
        CREATE TABLE push_rules (
            user_nid BIGINT PRIMARY KEY,
            rules BYTEA NOT NULL,
            position BIGINT NOT NULL
        );

        -- What users' rules come to within one room, each text once, by its hash. A task deletes what nobody uses.
        CREATE TABLE push_ruleset (
            nid BIGINT PRIMARY KEY,
            rules BYTEA NOT NULL
        );

        -- Local members to whom in this room other than the default rules apply; ruleset 0 is the default, kept for
        -- a while after a change. silent is 1 where plain messages do not notify. position is that of the last
        -- change of silent. Rows end with the membership, those of ruleset 0 by a task.
        CREATE TABLE push_audience (
            room BIGINT NOT NULL,
            user_nid BIGINT NOT NULL,
            ruleset BIGINT NOT NULL,
            silent INTEGER NOT NULL,
            position BIGINT NOT NULL,
            PRIMARY KEY (room, user_nid)
        ) /* clustered */;
        CREATE INDEX push_audience_rulesets ON push_audience (room, ruleset);
        CREATE INDEX push_audience_use ON push_audience (ruleset);
        CREATE INDEX push_audience_changes ON push_audience (user_nid, position);

        -- A row per event that notifies by the default rules, with how many did so before it in its thread ('main' or
        -- the root's event ID). Once redacted it counts no longer. rule is the ID of the rule that matched.
        -- A task deletes rows 90 days after ts.
        CREATE TABLE push_event (
            position BIGINT PRIMARY KEY,
            room BIGINT NOT NULL,
            thread TEXT NOT NULL,
            sender BIGINT NOT NULL,
            rule TEXT NOT NULL,
            highlight INTEGER NOT NULL,
            notified_before BIGINT NOT NULL,
            highlighted_before BIGINT NOT NULL,
            redacted INTEGER NOT NULL DEFAULT 0,
            ts BIGINT NOT NULL
        );
        CREATE INDEX push_event_threads ON push_event (room, thread, position);
        CREATE INDEX push_event_rooms ON push_event (room, position);
        CREATE INDEX push_event_highlights ON push_event (room, position) WHERE highlight = 1;
        CREATE INDEX push_event_redacted ON push_event (room, thread, position) WHERE redacted = 1;

        -- How many there were in each thread so far, up to the last one's position. Ends with its last event.
        CREATE TABLE push_thread (
            room BIGINT NOT NULL,
            thread TEXT NOT NULL,
            notified BIGINT NOT NULL,
            highlighted BIGINT NOT NULL,
            position BIGINT NOT NULL,
            PRIMARY KEY (room, thread)
        ) /* clustered */;
        CREATE INDEX push_thread_news ON push_thread (room, position);

        -- Where an event means something else to one user than to most: what it does (notify, highlight) and what it
        -- usually does. actions is JSON. Ends when the event is redacted, or 90 days after ts (task).
        CREATE TABLE push_exception (
            position BIGINT NOT NULL,
            user_nid BIGINT NOT NULL,
            room BIGINT NOT NULL,
            thread TEXT NOT NULL,
            sender BIGINT NOT NULL,
            notify INTEGER NOT NULL,
            highlight INTEGER NOT NULL,
            usual_notify INTEGER NOT NULL,
            usual_highlight INTEGER NOT NULL,
            actions BYTEA NOT NULL,
            ts BIGINT NOT NULL,
            PRIMARY KEY (position, user_nid)
        ) /* clustered */;
        CREATE INDEX push_exception_rooms ON push_exception (user_nid, room, position);
        CREATE INDEX push_exception_users ON push_exception (user_nid, position);

        -- Where a local user spoke last in each thread, which says that all before was read.
        -- A task deletes rows older than all of push_event.
        CREATE TABLE push_spoken (
            room BIGINT NOT NULL,
            user_nid BIGINT NOT NULL,
            thread TEXT NOT NULL,
            position BIGINT NOT NULL,
            PRIMARY KEY (room, user_nid, thread)
        ) /* clustered */;
        """
    )
