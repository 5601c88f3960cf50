"""Laws of settling: never while it changes, always in the end."""

from hypothesis import given
from hypothesis import strategies as st

from offcloud_watchd.core.settle import EMPTY_SETTLE_S, Sighting, Stamp, patience_s, settle

stamps = st.builds(Stamp, st.integers(0, 3), st.integers(0, 3), st.integers(0, 1), st.just(1))
looks = st.lists(
    st.tuples(
        st.floats(0.01, 10),
        st.dictionaries(st.sampled_from("abc"), stamps),
    ),
    max_size=20,
)


@given(looks, st.floats(0.1, 5))
def test_never_ready_while_it_changed_within_the_settle_time(
    steps: list[tuple[float, dict[str, Stamp]]], settle_s: float
) -> None:
    """A ready file showed the same stamp at every look of the settle time, and at two looks at least."""
    seen: dict[str, Sighting] = {}
    history: list[tuple[float, dict[str, Stamp]]] = []
    now = 0.0
    for pause, observed in steps:
        now += pause
        history.append((now, observed))
        settled = settle(seen, observed, now, settle_s)
        seen = dict(settled.seen)
        assert seen.keys() == observed.keys()
        for name in settled.ready:
            begin = seen[name].since_s
            assert now - begin >= settle_s - 1e-9
            during = [there.get(name) for at, there in history if at >= begin]
            assert len(during) >= 2
            assert set(during) == {observed[name]}


@given(stamps, st.floats(0.0, 5), st.lists(st.floats(0, 3), max_size=10))
def test_unchanged_file_is_ready_in_the_end(stamp: Stamp, settle_s: float, pauses: list[float]) -> None:
    """Looking whenever it is asked for (or oftener) makes an unchanged file ready, within its time."""
    now, seen = 0.0, {}
    for pause in pauses:
        seen = dict(settle(seen, {"a": stamp}, now, settle_s).seen)
        now += pause
    settled = settle(seen, {"a": stamp}, now, settle_s)
    for _ in range(3):  # a rounding of the clock may cost one look more
        if settled.next_look_s is None:
            break
        now += settled.next_look_s
        settled = settle(settled.seen, {"a": stamp}, now, settle_s)
    assert settled.ready == ("a",)
    assert now <= sum(pauses) + max(settle_s, EMPTY_SETTLE_S) + 1e-6


@given(st.binary(max_size=200) | st.binary(max_size=50).map(lambda tail: b"d1:a" + tail))
def test_any_bytes_have_a_bounded_patience(data: bytes) -> None:
    """Whatever was read is waited for between not at all and a minute."""
    assert 0.0 <= patience_s(data) <= 60.0
