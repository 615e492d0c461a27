import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninefold.identity.api_keys import ENTROPY_BYTES, digest, looks_like_ours, new_secret

entropy = st.binary(min_size=ENTROPY_BYTES, max_size=ENTROPY_BYTES)


@given(entropy=entropy)
def test_a_new_key_is_recognised_and_has_one_shape(entropy):
    secret = new_secret(entropy)
    assert looks_like_ours(secret)
    assert re.fullmatch(r"nf_[0-9A-Za-z]{49}", secret)


@given(first=entropy, second=entropy)
def test_no_randomness_is_lost(first, second):
    assert (new_secret(first) == new_secret(second)) == (first == second)


def test_the_extremes_fit():
    assert looks_like_ours(new_secret(b"\0" * 32))
    assert looks_like_ours(new_secret(b"\xff" * 32))


@given(entropy=entropy, place=st.integers(3, 51), other=st.sampled_from("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"))
def test_one_wrong_character_is_noticed(entropy, place, other):
    secret = new_secret(entropy)
    changed = secret[:place] + other + secret[place + 1 :]
    assert looks_like_ours(changed) == (changed == secret)


@pytest.mark.parametrize("secret", ["", "nf_", "sk-abc", "nf_" + "0" * 49, " " + new_secret(b"a" * 32), new_secret(b"a" * 32) + "\n"])
def test_other_strings_are_not_ours(secret):
    assert not looks_like_ours(secret)


@given(secret=st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_any_string_has_a_digest(secret):
    assert digest(secret) == hashlib.sha256(secret.encode()).hexdigest()


def test_the_format_is_stable():
    """Keys outlive releases: what this version makes, later ones accept."""
    assert new_secret(bytes(range(32))) == "nf_003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf0Yiufq"


@pytest.mark.parametrize("size", [0, 31, 33])
def test_less_randomness_makes_no_key(size):
    with pytest.raises(ValueError, match="32 random bytes"):
        new_secret(b"x" * size)
