"""The spellings of an info hash."""

import base64

import pytest

from offcloud_watchd.core.links import InfoHashes
from offcloud_watchd.core.links.infohash import bare_hash, near_miss, topic_hash, v2_of

HEX = "0123456789abcdef0123456789abcdef01234567"
BASE32 = base64.b32encode(bytes.fromhex(HEX)).decode()
V2 = "ab" * 32


@pytest.mark.parametrize(
    "text", [HEX, HEX.upper(), BASE32, BASE32.lower(), f"urn:btih:{HEX}", f"BTIH:{BASE32}", f"btih:{HEX}/"]
)
def test_every_spelling_of_a_v1_hash_is_the_same(text: str) -> None:
    """Hex and base32, in any case of letters, bare or as a topic, name one key."""
    found = bare_hash(text)
    assert found is not None
    assert (found.key, found.keys) == (f"btih:{HEX}", {f"btih:{HEX}"})


@pytest.mark.parametrize("text", [V2, V2.upper(), f"urn:btmh:1220{V2}", f"btmh:1220{V2.upper()}"])
def test_every_spelling_of_a_v2_hash_is_the_same(text: str) -> None:
    """64 hex digits, or a multihash in a topic."""
    assert bare_hash(text) == InfoHashes(v2=V2)
    assert InfoHashes(v2=V2).key == f"btmh:{V2}"


def test_a_hybrid_has_two_keys() -> None:
    """The v1 hash leads, both name it, and both become topics."""
    hybrid = InfoHashes(HEX, V2)
    assert hybrid.key == f"btih:{HEX}"
    assert hybrid.keys == {f"btih:{HEX}", f"btmh:{V2}"}
    assert hybrid.topics == (f"urn:btih:{HEX}", f"urn:btmh:1220{V2}")


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", HEX[:-1], HEX + "0", HEX[:-1] + "g", "g" * 40, BASE32[:-1] + "1", BASE32[:-1] + "8"),
        *(V2[:-1], f"1220{V2}", f"btih:{V2}", f"btmh:{V2}", "btih:", f"urn:sha1:{BASE32}", "\u0660" * 40),
    ],
)
def test_a_near_miss_is_no_hash(text: str) -> None:
    """Other lengths, letters and networks name nothing."""
    assert bare_hash(text) is None


def test_topic_says_what_is_wrong_with_its_hash() -> None:
    """A BitTorrent topic is a hash or a fault; another network's topic is neither."""
    assert topic_hash(f" urn:btih:{HEX} ") == InfoHashes(HEX)
    assert "has 39 characters" in str(topic_hash(f"urn:btih:{HEX[:-1]}"))
    assert "does not belong" in str(topic_hash("urn:btih:" + "z" * 40))
    assert "1220" in str(topic_hash(f"urn:btmh:{V2}"))
    assert topic_hash("urn:ed2k:abc") is None


def test_near_miss_tells_length_and_letters_but_not_the_text() -> None:
    """The reason helps and repeats nothing."""
    assert near_miss(HEX[:-1]) == (
        "it looks like an info hash but has 39 characters; "
        "40 hex digits or 32 letters of base32 (A-Z, 2-7) are needed"
    )
    assert "does not belong" in str(near_miss("g" * 40))
    assert near_miss("word") is None
    assert near_miss("two words that are long enough to be one hash") is None


def test_multihash_is_read_alone() -> None:
    """Only SHA-256 multihashes count."""
    assert v2_of(f"1220{V2}") == V2
    assert v2_of(f"1114{V2}") is None
