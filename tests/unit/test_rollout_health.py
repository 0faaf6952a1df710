"""rollout_health: which connectors are healthy, by what they answer and by the facts of the host."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from ansible_collections.infoprotect.aip.plugins.plugin_utils.rollout_health import (
    PATH,
    Answer,
    Check,
    address_of,
    ask_all,
    check_for,
    why_not_serving,
)


@contextmanager
def connector(status: int, **headers: str) -> Iterator[tuple[int, list[str]]]:
    """Its port, and the Host header of each request that it got."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.headers["Host"] if self.path == PATH else self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.server_address[1], asked
        server.shutdown()


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (401, True), (403, False), (404, False), (503, False)])
def test_a_healthy_connector_answers_with_200_or_401(status: int, healthy: bool) -> None:
    with connector(status) as (port, asked):
        answer = check_for("http://rms.example.com", port, 5).ask("127.0.0.1")
    assert (answer.status, answer.healthy) == (status, healthy)
    assert answer.url == f"http://127.0.0.1:{port}{PATH}"
    assert asked == ["rms.example.com"], "IIS may have a binding for this name only"


def test_a_redirect_is_not_followed() -> None:
    """Not even to a healthy connector: a broken member must not look healthy."""
    with connector(401) as (other, others), connector(302, Location=f"http://127.0.0.1:{other}{PATH}") as (port, _):
        assert not check_for("", port, 5).ask("127.0.0.1").healthy
    assert others == []


def test_the_environments_proxy_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with connector(200) as (proxy, asked), connector(401) as (port, _):
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy}")
        assert check_for("", port, 5).ask("127.0.0.1").status == 401
    assert asked == []


@pytest.mark.parametrize(
    ("url", "port", "expected"),
    [
        ("", None, Check(False, 80, "", 5)),
        ("http://rms.example.com", None, Check(False, 80, "rms.example.com", 5)),
        ("https://rms.example.com", None, Check(True, 443, "rms.example.com", 5)),
        ("https://rms.example.com:8443", None, Check(True, 8443, "rms.example.com:8443", 5)),
        ("https://rms.example.com", 8443, Check(True, 8443, "rms.example.com", 5)),
    ],
)
def test_how_members_are_asked(url: str, port: int | None, expected: Check) -> None:
    assert check_for(url, port, 5) == expected


def test_a_port_that_is_none() -> None:
    with pytest.raises(ValueError, match=r"[Pp]ort"):
        check_for("http://rms.example.com:99999", None, 5)


@pytest.mark.parametrize(
    "address",
    ["", pytest.param("x" * 100_000, id="long"), "a..b", "a b", "a\0b", "a\r\nb", "\ud800", "[::1", "999.1.1.1"],
)
def test_an_address_that_is_none_has_no_answer(address: str) -> None:
    answer = check_for("", 1, 5).ask(address)
    assert (answer.status, answer.healthy) == (0, False) and answer.msg


@pytest.mark.parametrize("name", ["rms\x00.test", "rms\u20ac.test", pytest.param("x" * 100_000, id="long")])
def test_a_name_that_http_does_not_take_has_no_answer(name: str) -> None:
    with connector(400) as (port, _):
        assert not Check(https=False, port=port, name=name, timeout=5).ask("127.0.0.1").healthy


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 401\r\n" + b"x" * 100_000, b"HTTP/1.1 9\r\n\r\n", b"\xff" * 100_000],
    ids=["empty", "long header", "odd status", "no HTTP"],
)
def test_an_answer_of_something_else_is_not_healthy(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            client, _ = server.accept()
            with client:
                client.recv(65536)
                client.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        found = check_for("", server.getsockname()[1], 5).ask("127.0.0.1")
    assert not found.healthy and len(found.msg) < 1000


def test_members_are_asked_at_once_and_until_they_are_healthy() -> None:
    answers = {"a": [0, 401], "b": [401], "c": [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]}
    asked: list[str] = []

    def ask(address: str) -> Answer:
        asked.append(address)
        time.sleep(0.05)
        return Answer(f"http://{address}", answers[address].pop(0), "")

    started = time.monotonic()
    found = ask_all(ask, {name.upper(): name for name in answers}, patience=1, longest=1, pause=0.2)
    assert time.monotonic() - started < 4
    assert [name for name, answer in found.items() if answer.healthy] == ["A", "B"]
    assert (asked.count("a"), asked.count("b")) == (2, 1)
    assert asked.count("c") > 2


def test_each_member_is_asked_twice_however_short_the_patience() -> None:
    asked: list[str] = []

    def ask(address: str) -> Answer:
        asked.append(address)
        return Answer("", 401 if len(asked) > 1 else 0, "")

    assert ask_all(ask, {"a": "a"}, patience=0, longest=1, pause=0.01)["a"].healthy


def test_a_member_that_hangs_is_not_waited_for() -> None:
    release = threading.Event()

    def ask(address: str) -> Answer:
        if address == "hangs":
            release.wait(30)
        return Answer("", 401, "")

    started = time.monotonic()
    found = ask_all(ask, {"a": "answers", "b": "hangs"}, patience=0, longest=0.1, pause=0.1)
    release.set()
    assert time.monotonic() - started < 5
    assert found["a"].healthy
    assert found["b"] == Answer("hangs", 0, "no answer within 0.1 seconds")


def test_where_a_member_is_reached() -> None:
    hostvars = {
        "a": {"rms_pool_address": "1.1.1.1", "ansible_host": "2.2.2.2"},
        "b": {"ansible_host": "3.3.3.3"},
        "c": {},
    }
    assert [address_of(member, hostvars) for member in hostvars] == ["1.1.1.1", "3.3.3.3", "c"]


def look(**connector: Any) -> dict[str, Any]:
    return {"host": {"connector": connector}}


@pytest.mark.parametrize(
    ("found", "authorized", "said"),
    [
        (look(status="running", events=[]), [], ""),
        (look(status="running", events=[{"id": 1004, "text": "a list"}]), ["ex"], ""),
        (look(status="running", events=[{"id": 2003, "text": "no list"}]), [], ""),  # nobody is authorized yet
        (look(status="running", events=[{"id": 2003, "text": "no list"}]), ["ex"], "authorizes nobody"),
        (
            look(status="starting", events=[{"id": 3000, "text": "no way"}]),
            [],
            "is starting; expected running, .* no way",
        ),
        ({"host": {"connector": None}}, [], "is not there; expected running"),
        ({"failed": True, "msg": "too old"}, [], "cannot be seen: too old"),
        ({}, [], "cannot be seen: the host did not answer"),
        # answers of other types
        ({"host": None}, [], "cannot be seen: the host did not answer"),
        ({"host": []}, [], "cannot be seen: the host did not answer"),
        ({"host": {"connector": "running"}}, [], "is not there; expected running"),
        (look(status="running", events=7), ["ex"], ""),
        (look(status="running", events=["x", {}, {"id": None}]), ["ex"], ""),
        (look(status="stopped", events=[{"id": 3000}, None]), ["ex"], "is stopped; expected running"),
    ],
)
def test_why_a_connector_does_not_serve(found: dict[str, Any], authorized: list[str], said: str) -> None:
    why = why_not_serving(found, authorized)
    assert bool(why) == bool(said)
    assert re.search(said, why)
