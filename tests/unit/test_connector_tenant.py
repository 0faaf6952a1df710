"""connector_tenant: the tenant's URL from a web server that wants NTLM on each connection, as the connector does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible.errors import AnsibleLookupError
from ansible.plugins.loader import init_plugin_loader, lookup_loader
from connector_page import TENANT, serve

init_plugin_loader([str(Path(__file__).resolve().parents[2] / ".cache" / "collections")])


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serve() as address:
        yield address


def ask(url: str, password: str = "Secret!1") -> list[str]:
    lookup = lookup_loader.get("infoprotect.aip.connector_tenant")
    return lookup.run([url], username="CONTOSO\\reader", password=password)


def test_the_tenant(url: str) -> None:
    assert ask(url) == ask(url + "/") == [TENANT]


def test_an_address_with_a_password_is_not_repeated() -> None:
    with pytest.raises(AnsibleLookupError, match="is one with a name or password in it") as error:
        ask("http://me:Secret!2@127.0.0.1:9")
    assert "Secret" not in str(error.value)


def test_no_web_proxy_is_asked(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    assert ask(url) == [TENANT]


@pytest.mark.parametrize(
    ("path", "password", "message"),
    [
        ("", "wrong", "401"),
        ("/nothing", "Secret!1", "404"),
        ("/other", "Secret!1", "expected the URL of the tenant as plain text, found '<html>It works"),
        ("/adrms", "Secret!1", "expected the URL of the tenant as plain text, found 'https://rms.contoso.com'"),
        ("/plain", "Secret!1", "expected an https URL of the tenant"),
        ("/moved", "Secret!1", "redirects to 'http://localhost:.* expected the connector's own answer"),
    ],
)
def test_what_is_no_answer(url: str, path: str, password: str, message: str) -> None:
    with pytest.raises(AnsibleLookupError, match=message) as failure:
        ask(url + path, password)
    assert password not in str(failure.value)
