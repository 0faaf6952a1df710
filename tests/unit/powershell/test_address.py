"""Addresses with a secret in them: which ones Ansible is told to hide, and how an error repeats them."""

from __future__ import annotations

import pytest
from powershell_host import PowerShellHost

PROTECT = """
$option = @{
    address = @{ type = 'str' }; flag = @{ type = 'bool' }; arguments = @{ type = 'list'; elements = 'str' }
    other = @{ type = 'dict'; options = @{ address = @{ type = 'str' } } }
}
Protect-Address -Option $option -Given $case.given
$all = $option.address, $option.other.options.address, $option.flag, $option.arguments
@(foreach ($one in $all) { [bool]$one.no_log })
"""


@pytest.mark.parametrize(
    ("address", "hidden"),
    [
        ("http://proxy:3128", False),
        ("http://me:secret@proxy:3128", True),
        ("http://me:p/w@proxy:3128", True),
        ("me:secret@proxy:3128", True),
        ("https://packages.contoso.com/x.msi?sv=2024&sig=secret", True),
        ("https://packages.contoso.com/x.msi", False),
        ("me@contoso.com", False),
        (r"C:\packages\a@b.msi", False),
        (r"\\server@SSL\share\x.msi", False),
        (r"\\?\C:\x.msi", False),
        ("", False),
        (None, False),
    ],
)
def test_what_is_hidden(powershell: PowerShellHost, address: str | None, hidden: bool) -> None:
    cases = [{"address": address}, {"other": {"address": address}}, {"arguments": [address]}]
    found = [powershell.run(PROTECT, {"given": given | {"flag": True}}) for given in cases]
    assert found == [[hidden, False, False, False], [False, hidden, False, False], [False] * 4]


def test_a_list_of_addresses(powershell: PowerShellHost) -> None:
    script = "Protect-Address -Option @{} -Given $case -List endpoints; $case.endpoints"
    given = [
        "https://me:secret@api.aadrm.com/x",
        "me:secret@api.aadrm.com",
        "https://api.aadrm.com",
        "api.aadrm.com:443",
    ]
    hidden = ["https://***@api.aadrm.com/x", "***@api.aadrm.com"]
    assert powershell.run(script, {"endpoints": given}) == [*hidden, *given[2:]]
    assert powershell.run(script, {"endpoints": given[0]}) == hidden[0]
    assert powershell.run(script, {"endpoints": None}) is None


@pytest.mark.parametrize("given", [None, "address=http://me:secret@proxy:3128", {"other": "http://me:secret@proxy"}])
def test_what_is_no_dictionary_is_left_to_ansible(powershell: PowerShellHost, given: object) -> None:
    assert powershell.run(PROTECT, {"given": given}) == [False] * 4


def test_what_an_error_repeats(powershell: PowerShellHost) -> None:
    script = "Format-Address -Address $case.address"
    assert powershell.run(script, {"address": "ftp://x"}) == "'ftp://x'"
    assert powershell.run(script, {"address": "http://me:secret@x"}) == "one with a name or password in it"
