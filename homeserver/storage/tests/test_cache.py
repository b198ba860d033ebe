"""A budget of bytes, and who leaves when it is spent."""

from hypothesis import given
from hypothesis import strategies as st

from homeserver.storage.cache import ByteBudgetCache


def filled(budget: int, **sizes: int) -> ByteBudgetCache[str, str]:
    cache: ByteBudgetCache[str, str] = ByteBudgetCache(budget)
    for key, size in sizes.items():
        cache.put(key, key.upper(), size)
    return cache


def kept(cache: ByteBudgetCache[str, str], keys: str) -> str:
    """Those of `keys` that are in memory. Looking uses them."""
    return "".join(key for key in keys if cache.get(key) is not None)


def test_keeps_what_fits() -> None:
    cache = filled(10, a=5, b=5)
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == ("A", "B", None)
    assert (cache.size, len(cache)) == (10, 2)


def test_the_least_recently_used_leaves() -> None:
    cache = filled(10, a=3, b=3, c=3)
    cache.get("a")
    cache.put("d", "D", 3)
    assert kept(cache, "abcd") == "acd"
    cache.put("c", "C", 3)
    cache.put("e", "E", 3)
    assert kept(cache, "acde") == "cde"


def test_one_that_is_large_drives_out_as_many_as_needed() -> None:
    cache = filled(10, a=3, b=3, c=3)
    cache.put("d", "D", 7)
    assert kept(cache, "abcd") == "cd"
    assert cache.size == 10


def test_one_larger_than_the_budget_is_alone() -> None:
    cache = filled(10, a=3, b=50)
    assert kept(cache, "ab") == "b"
    cache.put("c", "C", 1)
    assert kept(cache, "bc") == "c"
    assert cache.size == 1


def test_a_new_value_takes_the_place_of_the_old() -> None:
    cache = filled(10, a=3)
    cache.put("a", "other", 8)
    assert (cache.get("a"), cache.size, len(cache)) == ("other", 8, 1)


def test_discard_and_clear() -> None:
    cache = filled(10, a=3, b=4)
    cache.discard("a")
    cache.discard("never there")
    assert (kept(cache, "ab"), cache.size) == ("b", 4)
    cache.clear()
    assert (kept(cache, "ab"), cache.size, len(cache)) == ("", 0, 0)


@given(st.lists(st.tuples(st.sampled_from("pgd"), st.integers(0, 5), st.integers(1, 40)), max_size=60))
def test_never_more_than_the_budget(steps: list[tuple[str, int, int]]) -> None:
    cache: ByteBudgetCache[int, int] = ByteBudgetCache(100)
    sizes: dict[int, int] = {}
    for step, key, size in steps:
        if step == "p":
            cache.put(key, size, size)
            sizes[key] = size
            assert cache.get(key) == size
        elif step == "g":
            assert cache.get(key) in (None, sizes.get(key))
        else:
            cache.discard(key)
            assert cache.get(key) is None
        assert cache.size <= 100
        assert cache.size == sum(size for _, size in cache._entries.values())
