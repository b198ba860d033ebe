from homeserver.search.message_words import found_words, rank, terms_of, words_of_message


def found(looked_for: str, text: str) -> bool:
    words = words_of_message(text)
    return all(any(word.startswith(term.text) for word in words) for term in terms_of(looked_for))


def test_case_and_accents_do_not_matter() -> None:
    assert found("uber", "Über den Wolken")
    assert found("ÜBER", "uber")
    assert found("strasse", "Große Straße")
    assert found("привет", "ПРИВЕТ, мир!")
    assert found("Αθήνα", "αθηνα")


def test_beginnings_are_enough() -> None:
    assert found("wolk", "Wolken")
    assert not found("olken", "Wolken")
    assert found("wolken den", "Über den Wolken")
    assert not found("wolken unter", "Über den Wolken")


def test_where_no_spaces_are() -> None:
    for text in ("我", "我们", "们今天", "今天去北京", "北京"):
        assert found(text, "我们今天去北京"), text
    assert not found("北天", "我们今天去北京")
    assert not found("今天北京", "我们今天去北京")
    assert found("東京", "明日は東京に行きます")
    assert found("カフェ", "ｶﾌｪで会おう")
    assert found("สวัสดี", "สวัสดีครับ")
    assert found("手机 iphone", "我的iPhone手机")


def test_other_scripts() -> None:
    assert found("हिन्दी", "मैं हिन्दी बोलता हूँ")
    assert found("안녕", "안녕하세요")
    assert found("سلام", "السلام سلام عليكم")


def test_nothing_to_look_for() -> None:
    assert terms_of("") == terms_of(" ,.! 👍 _ ") == []


def test_words_are_bounded() -> None:
    assert len(terms_of(" ".join(map(str, range(1000))))) == 32
    assert found("x" * 100, "x" * 200)


def test_whole_words_and_short_texts_come_first() -> None:
    terms = terms_of("tea")
    texts = ["tea", "tea time", "tea with milk and sugar", "team"]
    assert sorted(texts, key=lambda text: -rank(terms, text))[0] == "tea"
    assert rank(terms, "tea tea now") > rank(terms, "tea time now")
    assert rank(terms, "tea time") > rank(terms, "team time")
    assert rank(terms, "coffee") == 0


def test_words_to_highlight_are_those_of_the_text() -> None:
    assert list(found_words(terms_of("uber wolk"), "Über den Wolken")) == ["über", "wolken"]
    assert list(found_words(terms_of("tea"), "coffee")) == []
