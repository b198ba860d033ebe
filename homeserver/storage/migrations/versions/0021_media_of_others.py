"""Media of all servers, thumbnails, and what becomes of content."""

from homeserver.storage.upgrade import run_sql

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    run_sql(
        """
        -- A row for each mxc:// URI of this server, whose server is '', and for each file of another that is kept here.
        -- uploader is NULL for those of others. sha256, by which the bytes are found in the media store, length (in
        -- bytes), content_type and found_type (what the content shows itself to be, if anything) are NULL until the
        -- upload, which must come before expires_at. is_authenticated: whether the endpoints without authentication
        -- hide it; is_protected: whether no quarantine takes it; is_preview: whether it came from a previewed page.
        -- A row ends when its announced upload did not come in time; when nobody has asked for it for as long as
        -- media_retention says; with the cache of previews; when the files of others are more than they may be; or when
        -- an administrator deletes it (tasks, hourly).
        CREATE TABLE media (
            server TEXT NOT NULL,
            media_id TEXT NOT NULL,
            uploader BIGINT,
            created_at BIGINT NOT NULL,
            accessed_at BIGINT NOT NULL,
            expires_at BIGINT,
            sha256 BYTEA,
            length BIGINT,
            content_type TEXT,
            found_type TEXT,
            file_name TEXT,
            is_authenticated INTEGER NOT NULL,
            is_protected INTEGER NOT NULL DEFAULT 0,
            is_preview INTEGER NOT NULL DEFAULT 0,
            PRIMARY KEY (server, media_id)
        ) /* clustered */;
        INSERT INTO media (server, media_id, uploader, created_at, accessed_at, expires_at, sha256, length,
                           content_type, file_name, is_authenticated)
        SELECT '', media_id, uploader, created_at, created_at, expires_at, sha256, length,
               content_type, file_name, is_authenticated FROM local_media;
        DROP TABLE local_media;
        CREATE INDEX media_pending ON media (uploader, expires_at) WHERE sha256 IS NULL;
        CREATE INDEX media_unused ON media (expires_at) WHERE sha256 IS NULL;
        CREATE INDEX media_of_user ON media (uploader, created_at) WHERE uploader IS NOT NULL;
        CREATE INDEX media_by_content ON media (sha256) WHERE sha256 IS NOT NULL;
        CREATE INDEX media_local_access ON media (accessed_at) WHERE server = '';
        CREATE INDEX media_preview_access ON media (accessed_at) WHERE is_preview = 1;
        CREATE INDEX media_remote_access ON media (accessed_at, length) WHERE server <> '';

        -- Smaller pictures, by the content that they were made of. sha256, length and content_type are NULL where none
        -- could be made. Rows end with the content of which they were made; failures are forgotten after a day (task).
        CREATE TABLE media_thumbnail (
            source BYTEA NOT NULL,
            width INTEGER NOT NULL,
            height INTEGER NOT NULL,
            method TEXT NOT NULL,
            animated INTEGER NOT NULL,
            created_at BIGINT NOT NULL,
            sha256 BYTEA,
            length BIGINT,
            content_type TEXT,
            PRIMARY KEY (source, width, height, method, animated)
        ) /* clustered */;
        CREATE INDEX media_thumbnail_content ON media_thumbnail (sha256) WHERE sha256 IS NOT NULL;
        CREATE INDEX media_thumbnail_failed ON media_thumbnail (created_at) WHERE sha256 IS NULL;

        -- What web pages say of themselves, as JSON, by the SHA-256 of their URL. A row ends an hour after the page was
        -- looked at (task, hourly).
        CREATE TABLE media_url_preview (
            url BYTEA PRIMARY KEY,
            seen_at BIGINT NOT NULL,
            preview BYTEA NOT NULL
        );
        CREATE INDEX media_url_preview_seen ON media_url_preview (seen_at);

        -- Content to which nothing refers, or may not. removing_since is when somebody began to remove it from the
        -- store. A row ends with the content, or when something refers to it again (task, hourly).
        CREATE TABLE media_unused_content (
            sha256 BYTEA PRIMARY KEY,
            unused_since BIGINT NOT NULL,
            removing_since BIGINT
        );
        CREATE INDEX media_unused_content_since ON media_unused_content (unused_since);

        -- Content that is given to nobody, and taken from nobody. A row ends when an administrator says so.
        CREATE TABLE media_quarantine (
            sha256 BYTEA PRIMARY KEY,
            quarantined_by TEXT NOT NULL,
            quarantined_at BIGINT NOT NULL
        );
        """
    )
