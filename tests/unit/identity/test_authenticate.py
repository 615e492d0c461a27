import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninefold.domain.errors import Conflict, InvalidRequest, NinefoldError, Unauthenticated
from ninefold.domain.snapshot import Key, Snapshot
from ninefold.identity.api_keys import digest
from ninefold.identity.authenticate import KeyIndex, authenticate

SECRET, OTHER, DATED = "a-configured-secret", "another secret, with a comma", "dated"
NOW = 1000.0
KEYS = (
    Key(key_id="k1", name="ci", tenant="acme", digest=digest(SECRET), attribution=(("product", "x"),)),
    Key(key_id="k2", name="web", tenant="other", digest=digest(OTHER)),
    Key(key_id="k3", name="old", tenant="acme", digest=digest(DATED), expires_at=NOW),
)
INDEX = KeyIndex(Snapshot(version=1, digest="", compiled_at=0.0, policy_version="", keys=KEYS))


def test_the_principal_is_the_keys():
    who = authenticate(INDEX, {"authorization": f"Bearer {SECRET}"}, NOW)
    assert (who.tenant, who.key_id, who.key_name, who.attribution, who.chain) == ("acme", "k1", "ci", (("product", "x"),), ("k1",))


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"bearer {OTHER}"},
        {"authorization": f"BEARER   {OTHER} "},
        {"x-api-key": OTHER},
        {"x-api-key": f" {OTHER} "},
        {"x-goog-api-key": OTHER},
        {"authorization": f"Bearer {OTHER}", "x-api-key": OTHER, "x-goog-api-key": OTHER},
        {"authorization": "Basic dTpw", "x-api-key": OTHER},
        {"authorization": "Bearer ", "x-api-key": OTHER},
        {"x-api-key": "", "x-goog-api-key": OTHER},
    ],
)
def test_every_place_for_a_credential_is_read(headers):
    assert authenticate(INDEX, headers, NOW).key_id == "k2"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer "},
        {"authorization": SECRET},
        {"authorization": f"Basic {SECRET}"},
        {"authorization": f"Bearer{SECRET}"},
        {"authorization": f"Bearer {SECRET}x"},
        {"authorization": f"Bearer {SECRET.upper()}"},
        {"authorization": f"Bearer {digest(SECRET)}"},
        {"authorization": f"Bearer {SECRET}, Bearer {SECRET}"},
        {"x-api-key": ""},
        {"x-api-key": "  "},
        {"x-api-key": f"Bearer {SECRET}"},
        {"api-key": SECRET},
    ],
)
def test_nothing_else_is_accepted(headers):
    with pytest.raises(Unauthenticated):
        authenticate(INDEX, headers, NOW)


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {SECRET}", "x-api-key": OTHER},
        {"authorization": f"Bearer {SECRET}", "x-goog-api-key": OTHER},
        {"x-api-key": SECRET, "x-goog-api-key": OTHER},
        {"authorization": f"Bearer {SECRET}", "x-api-key": "unknown"},
        {"authorization": f"Bearer {SECRET}", "x-api-key": SECRET, "x-goog-api-key": OTHER},
    ],
)
def test_two_different_credentials_are_refused(headers):
    with pytest.raises(InvalidRequest):
        authenticate(INDEX, headers, NOW)


def test_a_key_ends_at_the_moment_it_expires():
    assert authenticate(INDEX, {"x-api-key": DATED}, NOW - 0.001).key_id == "k3"
    for late in (NOW, NOW + 1):
        with pytest.raises(Unauthenticated, match="expired"):
            authenticate(INDEX, {"x-api-key": DATED}, late)


def test_a_revoked_key_is_not_accepted():
    snapshot = Snapshot(version=1, digest="", compiled_at=0.0, policy_version="", keys=KEYS)
    compiled_before = KeyIndex(snapshot, revoked=["k1", "unheard-of"])
    live = KeyIndex(snapshot)
    live.revoke("k1")
    live.revoke("k1")
    live.revoke("unheard-of")
    for index in (compiled_before, live):
        with pytest.raises(Unauthenticated):
            authenticate(index, {"x-api-key": SECRET}, NOW)
        assert authenticate(index, {"x-api-key": OTHER}, NOW).key_id == "k2"


def test_one_secret_for_two_keys_is_a_conflict_that_names_both():
    twice = (KEYS[0], Key(key_id="k9", name="twin", tenant="other", digest=digest(SECRET)))
    snapshot = Snapshot(version=1, digest="", compiled_at=0.0, policy_version="", keys=twice)
    with pytest.raises(Conflict, match=r"'ci' of 'acme'.*'twin' of 'other'") as caught:
        KeyIndex(snapshot)
    assert digest(SECRET) not in str(caught.value)
    KeyIndex(snapshot, revoked=["k1"])


@pytest.mark.parametrize("secret", ["schlüssel", "ключ", "鍵"])
def test_a_secret_beyond_ascii_is_known_by_its_bytes(secret):
    key = Key(key_id="k", name="n", tenant="t", digest=digest(secret))
    index = KeyIndex(Snapshot(version=1, digest="", compiled_at=0.0, policy_version="", keys=(key,)))
    as_servers_decode_it = secret.encode().decode("latin-1")
    assert authenticate(index, {"x-api-key": as_servers_decode_it}, NOW).key_id == "k"


@given(st.dictionaries(st.sampled_from(["authorization", "x-api-key", "x-goog-api-key", "cookie"]), st.text()))
def test_whatever_the_headers_hold_the_answer_is_a_refusal_that_repeats_none_of_it(headers):
    with pytest.raises(NinefoldError) as caught:
        authenticate(INDEX, headers, NOW)
    assert isinstance(caught.value, Unauthenticated | InvalidRequest)
    known = {
        "this API key is not valid: nobody holds it, or it was revoked",
        "the request carries two different API keys: send one",
        "the Authorization header is not of the form 'Bearer <API key>'",
        "send an API key as 'Authorization: Bearer <API key>', x-api-key or x-goog-api-key",
    }
    assert caught.value.detail in known
