"""The tap tells one message from the next, wherever the bytes were cut."""

import pytest

from tests.conformance.tap import Message, Reader, Talk

REQUESTS = (
    b"POST /v2/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
    b'{"a":"b"}'
    b"GET /v2/orders?status=all&symbols=A%2CB&nested=True HTTP/1.1\r\nHost: x\r\n\r\n"
)
ANSWERS = (
    b"HTTP/1.1 204 No Content\r\nX-Request-ID: 1\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b'4\r\n{"a"\r\n5;note\r\n:"b"}\r\n0\r\n\r\n'
    b"HTTP/1.1 207 Multi-Status\r\nContent-Length: 2\r\n\r\n[]"
    b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x05HTTP/1.1 200"
)


def read(raw: bytes, is_client: bool, step: int) -> list[Message]:
    reader = Reader(is_client=is_client)
    cuts = [raw[at : at + step] for at in range(0, len(raw), step)]
    return [message for cut in cuts for message in reader.feed(cut)]


@pytest.mark.parametrize("step", [1, 2, 7, 64, 4096])
def test_requests_are_read_however_they_were_cut(step) -> None:
    posted, asked = (Talk(request) for request in read(REQUESTS, True, step))
    assert (posted.method, posted.path, posted.request.body) == ("POST", "/v2/orders", b'{"a":"b"}')
    assert posted.request.headers == {"host": "x", "content-length": "9"}
    assert asked.query == [("status", "all"), ("symbols", "A,B"), ("nested", "True")]
    assert asked.status == 0


@pytest.mark.parametrize("step", [1, 2, 7, 64, 4096])
def test_answers_are_read_however_they_were_cut_until_an_upgrade(step) -> None:
    found = [(answer.first.split(" ")[1], answer.body) for answer in read(ANSWERS, False, step)]
    assert found == [("204", b""), ("200", b'{"a":"b"}'), ("207", b"[]"), ("101", b"")]
