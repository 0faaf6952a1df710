"""Usage logs of the protection service, summarized for each connector."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.infoprotect.aip.plugins.filter.protection_service import protection_service_log_summary

HEAD = "#Software: RMS\n#Version: 1.1\n#Fields: date\ttime\trow-id\trequest-type\tuser-id\tresult\tc-ip\n"


def entry(time: str, kind: str, user: str, result: str = "Success", address: str = "10.0.0.1") -> str:
    return f"2026-11-01\t{time}\tbb4af47b\t{kind}\t'{user}'\t'{result}'\t{address}\n"


def test_each_connector_by_its_address() -> None:
    first = HEAD + entry("10:00:00", "Certify", "Aadrm_S-1-7-0") + entry("09:00:00", "Certify", "aadrm_s-1-7-0")
    second = (
        HEAD
        + entry("23:00:00", "AcquireLicense", "Aadrm_S-1-7-0", "AccessDenied")
        + entry("08:00:00", "GetConnectorAuthorizations", "Aadrm_S-1-7-0", address="10.0.0.2")
        + entry("07:00:00", "AcquireLicense", "joe@contoso.test")
    )
    assert protection_service_log_summary([first, second]) == {
        "connectors": [
            {
                "address": "10.0.0.1",
                "requests": 3,
                "types": {"AcquireLicense": 1, "Certify": 2},
                "failures": {"AccessDenied": 1},
                "first": "2026-11-01T09:00:00Z",
                "last": "2026-11-01T23:00:00Z",
            },
            {
                "address": "10.0.0.2",
                "requests": 1,
                "types": {"GetConnectorAuthorizations": 1},
                "failures": {},
                "first": "2026-11-01T08:00:00Z",
                "last": "2026-11-01T08:00:00Z",
            },
        ],
        "other_requests": 1,
    }


@pytest.mark.parametrize("text", ["", HEAD, []])
def test_no_usage(text: str | list[str]) -> None:
    assert protection_service_log_summary(text) == {"connectors": [], "other_requests": 0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hello", "starts with 'hello': expected a line #Fields"),
        ("#Fields: date\ttime\n", "no field request-type, user-id, result, c-ip"),
        (HEAD + "2026-11-01\t10:00:00\n", "an entry with 2 fields"),
        ([1], "expected names, as text"),
        (7, "expected a list"),
    ],
)
def test_what_is_no_usage_log(text: object, message: str) -> None:
    with pytest.raises(AnsibleFilterError, match=message):
        protection_service_log_summary(text)
