"""irm_server_reg and irm_server_values: what regedit gets is the documentation's tables, written in its format."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.infoprotect.aip.plugins.plugin_utils.irm_server_raw import MSDRM

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "plugins" / "filter" / "irm_server_reg.py"
spec = importlib.util.spec_from_file_location("irm_server_reg", FILE)
assert spec is not None and spec.loader is not None
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
reg, values = module.irm_server_reg, module.irm_server_values
sys.path.append(str(ROOT / "tests"))
from integration.registry_export import parse  # noqa: E402

C = "https://rmsconnector.contoso.com"
T = "https://5c6bb73b-1038-4eec-863d-49bded473437.rms.na.aadrm.com"
LONG = r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft"
EXCHANGE_2013 = {
    rf"{LONG}\MSDRM\ServiceLocation\Activation": {"": ("string", f"{T}/_wmcs/certification")},
    rf"{LONG}\MSDRM\ServiceLocation\EnterprisePublishing": {"": ("string", f"{T}/_wmcs/licensing")},
    rf"{LONG}\ExchangeServer\v15\IRM\CertificationServerRedirection": {T: ("string", C)},
    rf"{LONG}\ExchangeServer\v15\IRM\LicenseServerRedirection": {T: ("string", C)},
}
SHAREPOINT = {
    rf"{LONG}\MSIPC\ServiceLocation\EnterpriseCertification": {"": ("string", f"{C}/_wmcs/certification")},
    rf"{LONG}\MSIPC\ServiceLocation\EnterprisePublishing": {"": ("string", f"{C}/_wmcs/licensing")},
    rf"{LONG}\MSIPC\ServiceLocation\LicensingRedirection": {f"{T}/_wmcs/licensing": ("string", f"{C}/_wmcs/licensing")},
}
FCI = {
    rf"{LONG}\MSDRM\ServiceLocation\Activation": {"": ("string", f"{C}/_wmcs/certification")},
    rf"{LONG}\MSDRM\ServiceLocation\EnterprisePublishing": {"": ("string", f"{C}/_wmcs/licensing")},
}


@pytest.mark.parametrize(
    ("product", "version", "expected"),
    [
        ("exchange", "2013", EXCHANGE_2013),
        ("exchange", "2016", EXCHANGE_2013 | SHAREPOINT),
        ("exchange", "2019", EXCHANGE_2013 | SHAREPOINT),
        ("sharepoint", "2013", SHAREPOINT),
        ("sharepoint", "2016", SHAREPOINT),
        ("sharepoint", "2019", SHAREPOINT),
        ("fci", "2012", FCI),
        ("fci", "2012r2", FCI),
        ("fci", "2016", FCI),
    ],
)
def test_tables(product: str, version: str, expected: dict[str, object]) -> None:
    text = reg(product, version, f"{C}/", f"{T}/_wmcs/licensing")
    assert text.startswith("\ufeffWindows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\")
    assert parse(text) == expected
    assert {
        rf"HKEY_LOCAL_MACHINE\{v['key']}": {v["name"]: ("string", v["data"])} for v in values(product, version, C, T)
    } == expected


def test_the_role_wants_the_same_client_without_the_module() -> None:
    """By raw it cannot ask the module."""
    util = (ROOT / "plugins/module_utils/_IrmServer.psm1").read_text(encoding="utf-8")
    assert f"msdrm = @{{ Title = 'msdrm.dll'; Minimum = [version]'{MSDRM}' }}" in util


def test_absent_and_purge() -> None:
    licenses = rf"{LONG}\ExchangeServer\v15\IRM\LicenseServerRedirection"
    absent, purged = reg("exchange", "2013", C, T, state="absent"), reg("exchange", "2013", C, T, purge=True)
    assert absent.count("=-") == 4 and f'[{licenses}]\r\n"{T}"=-\r\n' in absent and C not in absent
    assert f'[-{licenses}]\r\n\r\n[{licenses}]\r\n"{T}"="{C}"\r\n' in purged
    assert rf"[-{LONG}\MSDRM" not in purged, "only keys whose values are named after URLs are emptied"
    assert f"[-{licenses}]\r\n" in reg("exchange", "2013", C, T, state="absent", purge=True)


def test_values_that_are_named() -> None:
    key = r"SOFTWARE\Microsoft\ExchangeServer\v15\IRM\LicenseServerRedirection"
    old = [{"key": key, "name": 'https://old"\\'}]
    present = reg("exchange", "2013", C, T, remove=old)
    removal = rf"[HKEY_LOCAL_MACHINE\{key}]" + '\r\n"https://old\\"\\\\"=-\r\n'
    assert removal in present and "[-" not in present and present.count("=-") == 1
    assert present.index(removal) < present.index(f'"{T}"="{C}"')
    absent = reg("exchange", "2013", C, T, state="absent", remove=old)
    assert absent.count("=-") == 3 and removal in absent, "the two unnamed ones, and that one"
    with pytest.raises(AnsibleFilterError, match="expected a key and a name without control characters"):
        reg("exchange", "2013", C, T, remove=[{"key": key, "name": "https://x\r\n[-HKEY_LOCAL_MACHINE]"}])


def test_the_values_of_exchange_2013_are_the_first_ones_of_2016() -> None:
    """The look of the role takes them by their number."""
    assert values("exchange", "2016", C, T)[:4] == values("exchange", "2013", C, T)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("mail", "2013", C, T), "product is 'mail': expected one of exchange, fci, sharepoint"),
        (("exchange", "2010", C, T), "exchange 2010: expected one of 2013, 2016, 2019"),
        (("fci", "2019", C, T), "fci 2019: expected one of 2012, 2012r2, 2016"),
        (("fci", "2016", "connector", T), "connector_url is 'connector': expected http://"),
        (("fci", "2016", f"{C}/_wmcs", T), "connector_url is 'https://rmsconnector.contoso.com/_wmcs': expected"),
        (("fci", "2016", C, f"{T}/x"), "tenant_url is 'https://5c6bb73b"),
        (("fci", "2016", "http://me:pw@c", T), "connector_url is one with a name or password in it: expected"),
        (("fci", "2016", C, T, "gone"), "state is 'gone': expected present or absent"),
    ],
)
def test_what_makes_no_sense_is_named(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(AnsibleFilterError, match=message):
        reg(*arguments)
