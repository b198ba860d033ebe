from pathlib import Path

import pytest

from config.loading import load
from config.media_storage import StorageProvider


def providers(written: str) -> tuple[StorageProvider, ...]:
    loaded = load(
        [],
        data_dir=Path("/data"),
        environ={},
        overrides=["server_name=test", f"media_storage_providers={written}"],
    )
    return loaded.config.media.storage_providers


def test_as_synapse_has_them() -> None:
    (provider,) = providers(
        "[{module: s3_storage_provider.S3StorageProviderBackend, store_local: true, store_remote: true,"
        " store_synchronous: true, config: {bucket: files, secret_access_key: secret}}]"
    )
    assert (provider.bucket, provider.secret_access_key, provider.prefix) == ("files", "secret", "")
    assert "secret" not in repr(provider).replace("secret_", "")


@pytest.mark.parametrize(
    "written", ["[{module: elsewhere}]", "[{module: file_system, store_local: false}]", "[{}]"]
)
def test_what_is_refused(written: str) -> None:
    with pytest.raises(Exception, match="media_storage_providers"):
        providers(written)
