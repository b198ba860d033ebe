from homeserver.account_data.tags import tags_in, with_tag, without_tag


def test_a_tag_is_added_beside_the_others() -> None:
    content = {"tags": {"u.work": {}}, "org.example": 1}
    assert with_tag("m.favourite", {"order": 0.5}, content) == {
        "tags": {"u.work": {}, "m.favourite": {"order": 0.5}},
        "org.example": 1,
    }
    assert content == {"tags": {"u.work": {}}, "org.example": 1}


def test_a_tag_is_replaced() -> None:
    assert with_tag("u.a", {"order": 1}, {"tags": {"u.a": {"order": 0}}}) == {"tags": {"u.a": {"order": 1}}}


def test_a_tag_is_removed() -> None:
    assert without_tag("u.a", {"tags": {"u.a": {}, "u.b": {}}}) == {"tags": {"u.b": {}}}
    assert without_tag("u.a", {}) == {"tags": {}}


def test_nonsense_written_by_a_client_has_no_tags() -> None:
    assert tags_in({"tags": ["m.favourite"]}) == {}
    assert with_tag("u.a", {}, {"tags": None}) == {"tags": {"u.a": {}}}
