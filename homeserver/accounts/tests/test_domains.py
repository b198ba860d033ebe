from homeserver.accounts.domains import LocalDomains
from homeserver.protocol.identifiers import ServerName, UserID


def test_several_domains_may_be_local() -> None:
    domains = LocalDomains(ServerName("one.example"), ServerName("two.example"))
    assert domains.default == "one.example"
    assert domains.is_local(UserID("@alice:one.example"))
    assert domains.is_local(UserID("@alice:two.example"))
    assert not domains.is_local(UserID("@alice:one.example:8448"))


def test_localpart_means_the_default_domain() -> None:
    domains = LocalDomains(ServerName("one.example"))
    assert domains.full_user_id("alice") == "@alice:one.example"
    assert domains.full_user_id("@alice:elsewhere") == "@alice:elsewhere"
