"""Addresses in which somebody has written a password: refused, and the password stands nowhere."""

from __future__ import annotations

import pytest

from ..ansible_runner import AnsiblePlaybook, Json
from ..secrets_watch import no_secret_shows

HOST = "connector-2"
SECRET = "Nobodys_4ddress"
WITH_PASSWORD = f"http://me:{SECRET}@proxy.contoso.com:3128"
SIGNED = f"http://127.0.0.1:9/setup.msi?sv=2024&sig={SECRET}"
TENANT = "https://5c6bb73b-1038-4eec-863d-49bded473437.rms.na.aadrm.com"
#: name: module, its options, what its message has
CASES: dict[str, tuple[str, Json, str]] = {
    "settings": ("connector_settings", {"proxy_address": WITH_PASSWORD}, "proxy_address is one with a name or"),
    "domain": ("connector_settings", {"proxy_address": rf"CONTOSO\me:{SECRET}@proxy:80"}, "proxy_address is one with"),
    "in one go": ("desired_state", {"connector_settings": {"proxy_address": WITH_PASSWORD}}, "proxy_address is one"),
    "endpoint": ("endpoint_info", {"proxy": WITH_PASSWORD}, "https://host:port, found one with a name"),
    "endpoints": ("endpoint_info", {"endpoints": [f"https://me:{SECRET}@api.aadrm.com"]}, "found one with a name or"),
    "https": ("connector_https", {"thumbprint": "A" * 40, "url": WITH_PASSWORD}, "url is one with a name or password"),
    "server": (
        "irm_server",
        {"product": "fci", "connector_url": WITH_PASSWORD, "tenant_url": TENANT},
        "connector_url is one with a name or password",
    ),
    "two": (
        "desired_state",
        {"client": {"product": "none"}, "connector_settings": {"proxy_address": WITH_PASSWORD}},
        "value of product must be one of",
    ),
    "setup": ("connector", {"path": WITH_PASSWORD, "version": "3.1"}, "expected them in url_username and url_password"),
    "other scheme": ("connector", {"path": f"ftp://me:{SECRET}@host/x.exe", "version": "3.1"}, "expected them in url_"),
    "no scheme": ("connector", {"path": f"me:{SECRET}@host/x.exe", "version": "3.1"}, "expected them in url_"),
    "signed ftp": (
        "connector",
        {"path": f"ftp://host/x.exe?s={SECRET}", "version": "3.1"},
        "path is ftp://host/x.exe:",
    ),
    "signed": ("client", {"product": "unified_labeling", "path": SIGNED}, "http://127.0.0.1:9/setup.msi cannot be"),
}

pytestmark = pytest.mark.hosts(HOST)


def test_passwords_stand_nowhere(playbook: AnsiblePlaybook) -> None:
    tasks = [
        {"name": name, f"infoprotect.aip.{module}": options, "diff": True, "ignore_errors": True}
        for name, (module, options, _message) in CASES.items()
    ]
    plain = {"name": "plain", "infoprotect.aip.connector_settings": {"proxy_address": "http://proxy:1"}, "diff": True}
    plays = [
        {"name": "addresses", "hosts": HOST, "gather_facts": False, "tasks": [*tasks, plain | {"check_mode": True}]}
    ]
    with no_secret_shows(HOST, SECRET):
        run = playbook.run(plays, "-vvv")
    for name, (_module, _options, message) in CASES.items():
        result = run.task(name, HOST)
        assert result["failed"] and message in result["msg"], (name, result["msg"])
    assert SECRET not in run.stdout + run.stderr
    assert (
        run.task("settings", HOST)["invocation"]["module_args"]["proxy_address"] == "http://***@proxy.contoso.com:3128"
    )
    # one that holds none is shown
    assert "http://proxy:1" in str(run.task("plain", HOST)["diff"])
