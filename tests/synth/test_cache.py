from synth.cache import Cache


def test_a_thing_is_made_once():
    cache, made = Cache(2), []
    for _ in range(3):
        assert cache.get("a", lambda: made.append("a") or "A") == "A"
    assert made == ["a"]


def test_the_one_asked_for_longest_ago_is_dropped_first():
    cache, made = Cache(2), []
    for key in ("a", "b", "a", "c", "a", "b"):
        cache.get(key, lambda key=key: made.append(key))
    assert made == ["a", "b", "c", "b"]


def test_nothing_made_counts_as_made():
    cache, made = Cache(1), []
    for _ in range(2):
        assert cache.get("a", lambda: made.append("a")) is None
    assert made == ["a"]
