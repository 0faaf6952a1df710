"""Addresses with a secret in them: which ones are known as such, what is left of them, how an error repeats them."""

from __future__ import annotations

import pytest
from ansible_collections.infoprotect.aip.plugins.plugin_utils.addresses import has_account, shown
from powershell_host import PowerShellHost

pytestmark = pytest.mark.replayed

#: Whether there is a name or password in it, and what is left
ADDRESSES = {
    "http://me:secret@proxy:3128": "http://***@proxy:3128",
    "http://me:p/w@proxy:3128": "http://***@proxy:3128",
    "http://me:p@w@proxy:3128": "http://***@proxy:3128",
    "http:/me:secret@proxy:3128": "http:/***@proxy:3128",
    "me:secret@proxy:3128": "***@proxy:3128",
    "me:p/w@proxy:3128": "***@proxy:3128",
    r"CONTOSO\me:secret@proxy:3128": "***@proxy:3128",
    "ftp://me:secret@host/x.msi": "***@host/x.msi",
    "http://proxy:3128": None,
    "https://packages.contoso.com/aip@2.18/x.msi": None,
    "https://packages.contoso.com:8443/aip@2.18/x.msi": None,
    "https://packages.contoso.com/x.msi?for=me@contoso.com": None,
    "proxy:3128": None,
    "me@contoso.com": None,
    r"C:\packages\a@b.msi": None,
    "C:/packages/a@b.msi": None,
    r"\\server@SSL\share\x.msi": None,
    r"\\?\C:\x@y.msi": None,
    "https://packages.contoso.com/x.msi?sv=2024&sig=secret": None,
    "": None,
}


def test_names_and_passwords_are_known(powershell: PowerShellHost) -> None:
    """By the controller, too, with the same expression."""
    script = "@($case | ForEach-Object { Test-AddressAccount -Address $_ })"
    found = powershell.run(script, list(ADDRESSES))
    assert dict(zip(ADDRESSES, found, strict=True)) == {address: bool(left) for address, left in ADDRESSES.items()}
    assert [has_account(address) for address in ADDRESSES] == found


def test_what_is_left(powershell: PowerShellHost) -> None:
    for address, left in ADDRESSES.items():
        if not left:
            continue
        options = {"proxy_address": address, "endpoints": [address, "x:1"], "connector_https": {"URL": address}}
        found, given = powershell.run("Hide-AddressAccount -Given $case; $case", options)
        assert found == {"proxy_address": left, "endpoints": [left, "x:1"], "connector_https": {"URL": left}}
        assert given == options, "what was given is left alone"


@pytest.mark.parametrize(
    "given",
    [
        {"proxy_address": "http://proxy:3128", "endpoints": ["a.b", "c.d:443"], "url": None, "proxy": ""},
        # no address
        {"pfx_password": "x:y@z", "path": r"\\server@SSL\share", "arguments": ["P=http://me:secret@p"], "state": 5},
        "proxy_address=http://me:secret@proxy",
        None,
    ],
)
def test_everything_else_stays(powershell: PowerShellHost, given: object) -> None:
    script = ", (Hide-AddressAccount -Given $case.given)"
    assert powershell.run(script, {"given": given}) == given


def test_an_ignorable_character_hides_no_password(powershell: PowerShellHost) -> None:
    """A search by culture does not find an @ that has a combining character behind it."""
    address = "http://me:secret@\u0338proxy:3128"
    assert powershell.run("Test-AddressAccount -Address $case", address) is True
    assert has_account(address)


@pytest.mark.parametrize("unit", ["a", " ", "/", ":", "://", "a:", "a:@", "\\", "@/", "://a:b"])
def test_long_addresses_take_linear_time(powershell: PowerShellHost, unit: str) -> None:
    text = unit * (100_000 // len(unit))
    for address in (text, f"{text}@", f"http://{text}"):
        powershell.run("$null = Test-AddressAccount -Address $case; Format-Address -Address $case", address, timeout=20)
        has_account(address)


def test_what_an_error_repeats(powershell: PowerShellHost) -> None:
    script = "Format-Address -Address $case.address"
    for address, text in {"ftp://x": "'ftp://x'", "http://me:secret@x": "one with a name or password in it"}.items():
        assert powershell.run(script, {"address": address}) == shown(address) == text
