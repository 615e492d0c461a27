"""Forms: what is read is what was written, and what two readers might read differently is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninefold.domain.errors import InvalidRequest
from ninefold.wire.multipart import Part, is_form, parse, value, write

NAMES = st.text(st.characters(blacklist_characters='"\r\n\x00', blacklist_categories=("Cs",)), min_size=1, max_size=8)
PARTS = st.lists(
    st.builds(
        Part,
        name=NAMES,
        data=st.binary(max_size=40) | st.sampled_from([b"\r\n--", b"--x\r\n\r\n", b"\r\n--x--\r\n", b"\r\n"]),
        filename=st.none() | NAMES,
        content_type=st.sampled_from(["", "audio/wav"]),
    ),
    max_size=5,
)


def form(*lines: bytes, boundary: bytes = b"x") -> bytes:
    return b"".join(b"--" + boundary + b"\r\n" + line + b"\r\n" for line in lines) + b"--" + boundary + b"--\r\n"


FIELD = b'Content-Disposition: form-data; name="model"\r\n\r\nm'


@given(PARTS)
def test_what_is_written_is_read(parts: list[Part]) -> None:
    body, content_type = write(parts)
    assert is_form(content_type)
    assert parse(body, content_type) == parts


def test_a_form_as_clients_write_it() -> None:
    file = b'Content-Disposition: form-data; name="file"; filename="a b.wav"\r\nContent-Type: audio/wav\r\n\r\n\x00--x\r\n-'
    parts = parse(form(FIELD, file), 'multipart/form-data; charset=utf-8; boundary="x"')
    assert parts == [Part(name="model", data=b"m"), Part(name="file", data=b"\x00--x\r\n-", filename="a b.wav", content_type="audio/wav")]
    assert value(parts, "model") == "m"
    assert value(parts, "prompt") is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--x\r\n" + FIELD,
        form(b"no head"),
        form(b"Content-Type: text/plain\r\n\r\nm"),
        form(b'Content-Disposition: form-data; name="a"; name="b"\r\n\r\nm'),
        form(b"Content-Disposition: form-data; name*=utf-8''model\r\n\r\nm"),
        form(b'Content-Disposition: form-data; name="a"\r\ncontent-disposition: form-data; name="model"\r\n\r\nm'),
        form(b'Content-Disposition: form-data; name="a"\nX: y\r\n\r\nm'),
        form(b'Content-Disposition: form-data; name="a"\r\nContent-Transfer-Encoding: base64\r\n\r\nbQ=='),
        form(b'Content-Disposition: form-data; name="\xff"\r\n\r\nm'),
        form(*[FIELD] * 200),
    ],
)
def test_what_is_ambiguous_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        parse(body, "multipart/form-data; boundary=x")


@pytest.mark.parametrize(
    "content_type", ["application/json", "multipart/form-data", "multipart/mixed; boundary=x", "multipart/form-data; boundary="]
)
def test_a_body_must_be_a_form(content_type: str) -> None:
    with pytest.raises(InvalidRequest):
        parse(form(FIELD), content_type)


def test_a_value_stands_once() -> None:
    with pytest.raises(InvalidRequest) as refused:
        value(parse(form(FIELD, FIELD), "multipart/form-data; boundary=x"), "model")
    assert refused.value.param == "model"
