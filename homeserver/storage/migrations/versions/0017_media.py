"""Files that users share."""

from homeserver.storage.upgrade import run_sql

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    run_sql(
        """
        -- A row for each mxc:// URI of this server. sha256, by which the bytes are found in the media store, length (in
        -- bytes) and content_type are NULL until the upload, which must come before expires_at; a row whose upload did
        -- not come ends then (task). is_authenticated: whether the endpoints without authentication hide it.
        CREATE TABLE local_media (
            media_id TEXT PRIMARY KEY,
            uploader BIGINT NOT NULL,
            created_at BIGINT NOT NULL,
            expires_at BIGINT,
            sha256 BYTEA,
            length BIGINT,
            content_type TEXT,
            file_name TEXT,
            is_authenticated INTEGER NOT NULL
        );
        CREATE INDEX local_media_pending ON local_media (uploader, expires_at) WHERE sha256 IS NULL;
        CREATE INDEX local_media_unused ON local_media (expires_at) WHERE sha256 IS NULL;
        """
    )
