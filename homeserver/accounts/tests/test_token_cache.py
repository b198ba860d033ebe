from homeserver.accounts.token_cache import Known, TokenCache
from homeserver.http.requester import Requester
from homeserver.protocol.identifiers import DeviceID, UserID

_KNOWN = Known(Requester(UserID("@alice:test"), 1, DeviceID("PHONE"), 1), until=1000)


def test_remembers_and_forgets() -> None:
    cache = TokenCache()
    cache.put(b"a", _KNOWN, cache.endings)
    assert cache.get(b"a") is _KNOWN
    cache.forget([b"a", b"never seen"])
    assert cache.get(b"a") is None


def test_what_was_read_before_tokens_ended_is_not_remembered() -> None:
    cache = TokenCache()
    endings = cache.endings
    cache.forget([b"a"])
    cache.put(b"a", _KNOWN, endings)
    assert cache.get(b"a") is None


def test_is_bounded_and_drops_what_was_not_used() -> None:
    cache = TokenCache(capacity=2)
    for token in (b"a", b"b"):
        cache.put(token, _KNOWN, cache.endings)
    cache.get(b"a")
    cache.put(b"c", _KNOWN, cache.endings)
    assert len(cache) == 2
    assert cache.get(b"b") is None
    assert cache.get(b"a") is _KNOWN
