"""connector_https: from a PFX to TLS, read back by reg, appcmd and a TLS client; refusals; failures undone."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from winfleet.paths import state_directory

from ..ansible_runner import INVENTORIES, ROOT, AnsiblePlaybook, Run, reset_hosts
from ..certificates import NAME, PASSWORD, Certificate, make_certificate, served
from ..secrets_watch import no_secret_shows

HOST = "connector-3"
URL = f"https://{NAME}"
STORED = r"HKLM\SYSTEM\CurrentControlSet\Services\HTTP\Parameters\SslBindingInfo"
FOREIGN = "{11111111-2222-3333-4444-555555555555}"
IIS = "{4dc3e181-e14b-4a21-b022-59fc669b0914}"
pytestmark = pytest.mark.hosts(HOST)


@pytest.fixture
def new_host() -> None:
    reset_hosts(HOST)


@pytest.fixture(scope="module", autouse=True)
def leave_nothing(fleet: None) -> Iterator[None]:
    yield
    reset_hosts(HOST)


def run(playbook: AnsiblePlaybook, *tasks: dict[str, Any], arguments: tuple[str, ...] = (), expect: int = 0) -> Run:
    play = {"name": "https", "hosts": HOST, "gather_facts": False, "tasks": list(tasks)}
    return playbook.run([play], *arguments, expect=expect)


def https(name: str, *, check: bool = False, **options: Any) -> dict[str, Any]:
    return {"name": name, "infoprotect.aip.connector_https": options, "check_mode": check, "diff": True}


def refused(name: str, **options: Any) -> dict[str, Any]:
    return https(name, **options) | {"ignore_errors": True}


def copy(certificate: Certificate) -> dict[str, Any]:
    options = {"src": str(certificate.file), "dest": rf"C:\Windows\Temp\{certificate.file.name}"}
    return {"name": f"copy {certificate.file.name}", "ansible.windows.win_copy": options}


def on_host(certificate: Certificate) -> str:
    return rf"C:\Windows\Temp\{certificate.file.name}"


def look(name: str) -> dict[str, Any]:
    """What http.sys, IIS and the store have, by programs of Windows alone."""
    script = rf"""
        [ordered]@{{
            entries = @(reg.exe query {STORED} /s | ForEach-Object {{ $_.Trim() }} | Where-Object {{ $_ }})
            site = @(& C:\Windows\System32\inetsrv\appcmd.exe list sites)
            store = @(reg.exe query HKLM\SOFTWARE\Microsoft\SystemCertificates\MY\Certificates)
        }} | ConvertTo-Json
    """
    return {"name": name, "ansible.windows.win_powershell": {"script": script}}


def seen(done: Run, name: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = json.loads("\n".join(done.task(name, HOST)["output"]))
    return found


def shows(state: dict[str, list[str]], thumbprint: str | None) -> bool:
    """Whether http.sys and IIS agree that this certificate is shown at port 443, or none."""
    hashes_of = [line.split()[-1] for line in state["entries"] if line.startswith("SslCertHash")]
    bound = any("https/*:443:" in line for line in state["site"])
    return hashes_of == ([thumbprint] if thumbprint else []) and bound == (thumbprint is not None)


@pytest.mark.usefixtures("new_host")
def test_life_of_a_binding(playbook: AnsiblePlaybook, tmp_path: Path) -> None:
    first, second = make_certificate(tmp_path, "first"), make_certificate(tmp_path, "second", days=20.5)
    spelled = ":".join(first.thumbprint.lower()[i : i + 2] for i in range(0, 40, 2))
    wanted: dict[str, Any] = {"thumbprint": spelled, "url": URL, "pfx": on_host(first), "pfx_password": PASSWORD}
    done = run(
        playbook,
        look("before"),
        copy(first),
        https("check", check=True, **wanted),
        look("after check"),
        https("apply", **wanted),
        look("after"),
        https("again", **wanted),
        https("without the PFX", thumbprint=first.thumbprint),
    )
    import_it = {"action": "import", "product": "certificate", "before": None, "after": first.thumbprint}
    bind = {"action": "bind", "product": "https binding *:443:", "before": None, "after": first.thumbprint}
    for name in ("check", "apply"):
        result = done.task(name, HOST)
        assert (result["changed"], result["actions"]) == (True, [import_it, bind])
        assert result["diff"] == {"before": "", "after": f"https binding *:443: {first.thumbprint}\n"}
        assert result["certificate"]["names"] == [NAME]
        assert not result.get("warnings")
    for name in ("again", "without the PFX"):
        assert (done.task(name, HOST)["changed"], done.task(name, HOST)["actions"]) == (False, [])
    assert seen(done, "before") == seen(done, "after check")
    assert shows(seen(done, "after check"), None)
    assert shows(seen(done, "after"), first.thumbprint)
    assert served(HOST) == first.thumbprint

    renewal: dict[str, Any] = {
        "thumbprint": second.thumbprint,
        "url": URL,
        "src": str(second.file),
        "pfx_password": PASSWORD,
    }
    renewed = run(
        playbook,
        https("check", check=True, **renewal),
        https("apply", **renewal),
        look("after"),
        https("again", **renewal),
        {"name": "left", "ansible.windows.win_find": {"paths": [r"C:\users"], "patterns": ["*.pfx"], "recurse": True}},
    )
    for name in ("check", "apply"):
        result = renewed.task(name, HOST)
        assert result["changed"] and [step["action"] for step in result["actions"]] == ["import", "rebind"]
        assert result["actions"][1]["before"] == first.thumbprint
    for name in ("apply", "again"):
        (note,) = renewed.task(name, HOST)["notes"]
        assert "expires in 20 days" in note and note in renewed.task(name, HOST)["warnings"]
    assert renewed.task("again", HOST)["changed"] is False
    assert shows(seen(renewed, "after"), second.thumbprint)
    assert renewed.task("left", HOST)["matched"] == 0, "the PFX of the controller is gone"
    assert served(HOST) == second.thumbprint

    gone = run(
        playbook,
        https("check", check=True, state="absent"),
        look("after check"),
        https("absent", state="absent"),
        look("after"),
        https("again", state="absent"),
        https("once more", thumbprint=first.thumbprint, url=URL),
        look("in the end"),
    )
    for name in ("check", "absent"):
        assert [step["action"] for step in gone.task(name, HOST)["actions"]] == ["unbind"]
        assert gone.task(name, HOST)["changed"]
    assert gone.task("again", HOST)["changed"] is False
    assert shows(seen(gone, "after check"), second.thumbprint)
    assert shows(seen(gone, "after"), None)
    assert any(second.thumbprint in line for line in seen(gone, "after")["store"]), "the certificate stays"
    assert [step["action"] for step in gone.task("once more", HOST)["actions"]] == ["bind"], "it is in the store"
    assert shows(seen(gone, "in the end"), first.thumbprint)


@pytest.mark.usefixtures("new_host")
def test_refusals(playbook: AnsiblePlaybook, tmp_path: Path) -> None:
    """Each names its reason, and nothing is changed."""
    sound = make_certificate(tmp_path, "sound")
    expired = make_certificate(tmp_path, "expired", days=-1, since=30)
    early = make_certificate(tmp_path, "early", since=-2)
    other_name = make_certificate(tmp_path, "other_name", host="*.fabrikam.com")
    client = make_certificate(tmp_path, "client", usage=ExtendedKeyUsageOID.CLIENT_AUTH, days=-1, since=30)
    broken = Certificate("C" * 40, tmp_path / "broken.pfx", b"")
    broken.file.write_bytes(b"no PFX")
    files = (sound, expired, early, other_name, client, broken)

    def from_pfx(name: str, certificate: Certificate, **changed: Any) -> dict[str, Any]:
        options = {"thumbprint": certificate.thumbprint, "url": URL, "pfx": on_host(certificate)}
        return refused(name, **(options | {"pfx_password": PASSWORD} | changed))

    keyless = f"""
        $store = [Security.Cryptography.X509Certificates.X509Store]::new('My', 'LocalMachine')
        $store.Open('ReadWrite')
        $der = [byte[]]({",".join(map(str, sound.der))})
        $store.Add([Security.Cryptography.X509Certificates.X509Certificate2]::new($der))
        $store.Close()
    """
    taken = (
        f"netsh.exe http add sslcert ipport=0.0.0.0:8443 certhash={sound.thumbprint} appid={FOREIGN} certstorename=MY"
    )
    cases: dict[str, tuple[Any, ...]] = {
        "no PFX": (refused("no PFX", thumbprint=sound.thumbprint), "and no PFX is given"),
        "no file": (
            from_pfx("no file", sound, pfx=r"C:\Windows\Temp\none.pfx"),
            r"the PFX C:\Windows\Temp\none.pfx cannot be opened",
        ),
        "wrong password": (
            from_pfx("wrong password", sound, pfx_password="wrong-Passwort-99"),
            "The specified network password is not correct",
        ),
        "broken": (from_pfx("broken", broken), r"the PFX C:\Windows\Temp\broken.pfx cannot be opened"),
        "another one": (
            from_pfx("another one", expired, thumbprint=sound.thumbprint),
            f"the PFX has {expired.thumbprint} (CN=expired): expected {sound.thumbprint}",
        ),
        "expired": (from_pfx("expired", expired), f"the certificate {expired.thumbprint} expired at 20"),
        "early": (from_pfx("early", early), f"the certificate {early.thumbprint} is valid from 20"),
        "other name": (
            from_pfx("other name", other_name),
            f"the certificate {other_name.thumbprint} is for *.fabrikam.com: expected {NAME}, the name in url",
        ),
        "client": (from_pfx("client", client), "expired at 20", "is not for server authentication"),
        "no thumbprint": (refused("no thumbprint"), "missing: thumbprint"),
        "bad url": (refused("bad url", thumbprint=sound.thumbprint, url="http://x"), "expected https://HOST"),
    }
    with no_secret_shows(HOST, PASSWORD, "wrong-Passwort-99"):
        plain = run(
            playbook,
            *(copy(one) for one in files),
            look("before"),
            *(task for task, *_messages in cases.values()),
            look("after"),
            arguments=("-vvv",),
        )
    for name, (_task, *messages) in cases.items():
        result = plain.task(name, HOST)
        assert result.get("failed") and not result["changed"], name
        assert all(message in result["msg"] for message in messages), result["msg"]
    assert seen(plain, "before") == seen(plain, "after")
    for secret in (PASSWORD, "wrong-Passwort-99"):
        assert secret not in plain.stdout + plain.stderr

    bound: dict[str, Any] = {"thumbprint": sound.thumbprint, "pfx": on_host(sound), "pfx_password": PASSWORD}
    with no_secret_shows(HOST, PASSWORD):
        states = run(
            playbook,
            {"name": "keyless", "ansible.windows.win_powershell": {"script": keyless}},
            refused("no key", thumbprint=sound.thumbprint),
            https("import", **bound),
            {"name": "take the port", "ansible.windows.win_command": taken},
            look("before"),
            refused("taken", thumbprint=sound.thumbprint, port=8443),
            https("not ours", state="absent", port=8443),
            look("after"),
            https("absent", state="absent"),
        )
    assert "has no private key, and no PFX is given" in states.task("no key", HOST)["msg"]
    assert states.task("import", HOST)["changed"]
    taken_by = f"http.sys has the certificate {sound.thumbprint} at 0.0.0.0:8443 for the application {FOREIGN}"
    assert taken_by in states.task("taken", HOST)["msg"]
    assert states.task("not ours", HOST)["changed"] is False
    assert seen(states, "before") == seen(states, "after")

    inventories = [f"--inventory={path}" for path in INVENTORIES]
    subprocess.run([str(ROOT / "bin/fleet"), *inventories, "sign-in", HOST, "--remove"], check=True)
    removed = run(playbook, refused("no connector", **bound), https("nothing to remove", state="absent"))
    assert "the connector is not installed" in removed.task("no connector", HOST)["msg"]
    assert removed.task("nothing to remove", HOST)["changed"] is False


def netsh(name: str, command: str) -> dict[str, Any]:
    return {"name": name, "ansible.windows.win_command": f"netsh.exe http {command}"}


@pytest.mark.full
@pytest.mark.usefixtures("new_host")
def test_entries_of_other_applications(playbook: AnsiblePlaybook, tmp_path: Path) -> None:
    """One that wins over that of all addresses is found, and shown to clients; none of them is taken or removed."""
    own, other = make_certificate(tmp_path, "own"), make_certificate(tmp_path, "other")
    bind: dict[str, Any] = {"thumbprint": own.thumbprint, "url": URL, "src": str(own.file), "pfx_password": PASSWORD}
    foreign = f"certhash={other.thumbprint} appid={FOREIGN} certstorename=MY"
    by_name, by_all = f"hostnameport={NAME}:443", "ipport=0.0.0.0:443"
    run(
        playbook,
        https("other", thumbprint=other.thumbprint, port=8443, src=str(other.file), pfx_password=PASSWORD),
        https("no longer", state="absent", port=8443),
        https("own", **bind),
        netsh("of the name", f"add sslcert {by_name} {foreign}"),
    )
    assert served(HOST) == other.thumbprint, "the stand-in chooses as Windows does"
    done = run(
        playbook,
        look("before"),
        https("check", check=True, **bind) | {"ignore_errors": True},
        refused("won", **bind),
        look("after"),
        netsh("shown", "show sslcert"),
        netsh("free the name", f"delete sslcert {by_name}"),
        https("again", **bind),
        # the certificate of all addresses belongs to another application, and the site has its binding there
        netsh("free all", f"delete sslcert {by_all}"),
        netsh("of all", f"add sslcert {by_all} {foreign}"),
        refused("taken", **bind),
        https("away", state="absent"),
        look("in the end"),
        https("away again", state="absent"),
    )
    for name in ("check", "won"):
        message = done.task(name, HOST)["msg"]
        assert f"http.sys has the certificate {other.thumbprint} at {NAME}:443 for the application {FOREIGN}" in message
        assert "It wins over 0.0.0.0:443" in message
    assert seen(done, "before") == seen(done, "after")
    assert f"Hostname:port                : {NAME}:443" in done.task("shown", HOST)["stdout"]
    assert done.task("again", HOST)["changed"] is False and not done.task("again", HOST)["notes"]
    assert "It is not the connector's or IIS'" in done.task("taken", HOST)["msg"]
    (note,) = done.task("away", HOST)["notes"]
    assert note.endswith("It belongs to another application and stays")
    state = seen(done, "in the end")
    assert not any("https/*:443:" in line for line in state["site"])
    assert any(line.startswith("SslCertHash") and other.thumbprint in line for line in state["entries"])
    assert done.task("away again", HOST)["changed"] is False


@pytest.mark.full
@pytest.mark.usefixtures("new_host")
def test_a_logon_that_may_not_look_into_a_pfx(playbook: AnsiblePlaybook, tmp_path: Path) -> None:
    """It is imported, and what was imported is compared; another one is not bound.

    That it is taken out of the store again only Windows can show: Wine keeps it.
    """
    own, other = make_certificate(tmp_path, "own"), make_certificate(tmp_path, "other", host="x.test")
    key = {"path": r"HKLM:\SOFTWARE\winfleet\pki", "name": "RefuseNetworkLogon", "data": "1", "type": "string"}
    from_pfx: dict[str, Any] = {"url": URL, "pfx_password": PASSWORD}
    done = run(
        playbook,
        {"name": "refuse", "ansible.windows.win_regedit": key},
        copy(own),
        look("before"),
        https("check", check=True, thumbprint=own.thumbprint, pfx=on_host(own), **from_pfx),
        refused("another one", thumbprint=own.thumbprint, src=str(other.file), **from_pfx),
        refused("of no use", thumbprint=other.thumbprint, src=str(other.file), **from_pfx),
        refused(
            "wrong password", thumbprint=own.thumbprint, src=str(own.file), url=URL, pfx_password="wrong-Passwort-99"
        ),
        look("after"),
        https("apply", thumbprint=own.thumbprint, src=str(own.file), **from_pfx),
        look("in the end"),
    )
    (note,) = done.task("check", HOST)["notes"]
    assert note.startswith("The PFX is verified when it is imported, since this logon may not look into it: Access is")
    assert (
        f"the PFX has {other.thumbprint} (CN=other): expected {own.thumbprint}" in done.task("another one", HOST)["msg"]
    )
    assert f"is for x.test: expected {NAME}, the name in url" in done.task("of no use", HOST)["msg"]
    assert "cannot be opened: The specified network password is not correct" in done.task("wrong password", HOST)["msg"]
    for name in ("another one", "of no use", "wrong password"):
        assert done.task(name, HOST)["changed"] is False, name
    for part in ("entries", "site"):
        assert seen(done, "before")[part] == seen(done, "after")[part]
    assert done.task("apply", HOST)["changed"]
    assert shows(seen(done, "in the end"), own.thumbprint)
    assert served(HOST) == own.thumbprint


@pytest.mark.usefixtures("new_host")
def test_failures_are_undone(playbook: AnsiblePlaybook, tmp_path: Path) -> None:
    """A program in the place of appcmd.exe that refuses everything; a key that http.sys cannot use."""
    first, second = make_certificate(tmp_path, "first"), make_certificate(tmp_path, "second")
    folder = r"C:\Windows\System32\inetsrv"
    broken = (
        rf"Move-Item {folder}\appcmd.exe {folder}\kept.exe; Copy-Item C:\Windows\System32\reg.exe {folder}\appcmd.exe"
    )
    whole = rf"Move-Item -Force {folder}\kept.exe {folder}\appcmd.exe"
    wanted: dict[str, Any] = {"thumbprint": first.thumbprint, "src": str(first.file), "pfx_password": PASSWORD}
    done = run(
        playbook,
        {"name": "break", "ansible.windows.win_powershell": {"script": broken}},
        refused("fails", **wanted),
        {"name": "mend", "ansible.windows.win_powershell": {"script": whole}},
        look("after"),
        https("again", **wanted),
        look("in the end"),
    )
    message = done.task("fails", HOST)["msg"]
    assert "appcmd.exe ended with exit code" in message
    assert "The binding is as it was before." in message and "The certificate stays in the store" in message
    assert done.task("fails", HOST)["changed"], "the certificate was imported"
    assert shows(seen(done, "after"), None), "no entry without its binding"
    assert [step["action"] for step in done.task("again", HOST)["actions"]] == ["bind"]
    assert shows(seen(done, "in the end"), first.thumbprint)

    (key,) = (state_directory() / "hosts" / HOST).rglob(f"{first.thumbprint}.pem")
    imported: dict[str, Any] = {"thumbprint": second.thumbprint, "src": str(second.file), "pfx_password": PASSWORD}
    run(playbook, https("renew", **imported))
    content = key.read_bytes()
    key.unlink()
    back: dict[str, Any] = {"thumbprint": first.thumbprint}
    try:
        failed = run(playbook, refused("fails", **back), look("after"))
    finally:
        key.write_bytes(content)
    message = failed.task("fails", HOST)["msg"]
    assert "netsh.exe ended with exit code 1" in message and "The binding is as it was before." in message
    assert failed.task("fails", HOST)["changed"] is False
    assert shows(seen(failed, "after"), second.thumbprint)
    assert served(HOST) == second.thumbprint


@pytest.mark.full
@pytest.mark.usefixtures("new_host")
def test_settings_of_the_address_are_kept(playbook: AnsiblePlaybook, tmp_path: Path) -> None:
    """What an administrator has set for the address stays with the next certificate, or there is none."""
    first, second = make_certificate(tmp_path, "first"), make_certificate(tmp_path, "second")
    from_pfx = {"pfx_password": PASSWORD}
    renewal: dict[str, Any] = {"thumbprint": second.thumbprint, "src": str(second.file), **from_pfx}
    kept = (
        "clientcertnegotiation=enable disablelegacytls=enable verifyclientcertrevocation=disable "
        'revocationfreshnesstime=3600 sslctlstorename="Our Issuers"'
    )
    again = f"netsh.exe http add sslcert ipport=0.0.0.0:443 certhash={first.thumbprint} appid={IIS} certstorename=MY"

    def flags(name: str, data: int) -> dict[str, Any]:
        options = {"path": rf"{STORED.replace('HKLM', 'HKLM:')}\0.0.0.0:443", "name": "DefaultFlags"}
        return {"name": name, "ansible.windows.win_regedit": options | {"data": data, "type": "dword"}}

    def settings(state: dict[str, list[str]]) -> set[tuple[str, ...]]:
        lines = [tuple(line.split(maxsplit=2)) for line in state["entries"] if line.startswith("Default")]
        return {line for line in lines if line[2] != "0x0"}

    done = run(
        playbook,
        https("first", thumbprint=first.thumbprint, src=str(first.file), **from_pfx),
        {"name": "clear", "ansible.windows.win_command": "netsh.exe http delete sslcert ipport=0.0.0.0:443"},
        {"name": "set", "ansible.windows.win_command": f"{again} {kept}"},
        look("before"),
        https("check", check=True, **renewal),
        https("renew", **renewal),
        look("after"),
        # what netsh has no word for
        flags("unknown", 0x406),
        look("before refusal"),
        https("check refused", check=True, thumbprint=first.thumbprint) | {"ignore_errors": True},
        refused("refused", thumbprint=first.thumbprint),
        look("after refusal"),
        https("nothing to do", thumbprint=second.thumbprint),
        # what netsh of this Windows has no word for
        flags("too new", 0x442),
        refused("too new for it", thumbprint=first.thumbprint),
        flags("known", 0x402),
    )
    assert settings(seen(done, "before")) == {
        ("DefaultFlags", "REG_DWORD", "0x402"),
        ("DefaultSslCertCheckMode", "REG_DWORD", "0x5"),
        ("DefaultSslRevocationFreshnessTime", "REG_DWORD", "0xe10"),
        ("DefaultSslCtlStoreName", "REG_SZ", "Our Issuers"),
    }
    assert [step["action"] for step in done.task("check", HOST)["actions"]] == ["import", "rebind"]
    assert shows(seen(done, "after"), second.thumbprint)
    assert settings(seen(done, "after")) == settings(seen(done, "before"))
    for name in ("check refused", "refused"):
        assert (
            "netsh of this host cannot give back with another certificate: DefaultFlags 0x4."
            in done.task(name, HOST)["msg"]
        )
    assert seen(done, "before refusal") == seen(done, "after refusal")
    assert done.task("nothing to do", HOST)["changed"] is False
    assert "certificate: disabletls13=enable." in done.task("too new for it", HOST)["msg"]

    (key,) = (state_directory() / "hosts" / HOST).rglob(f"{first.thumbprint}.pem")
    content = key.read_bytes()
    key.unlink()
    try:
        failed = run(playbook, refused("fails", thumbprint=first.thumbprint), look("after"))
    finally:
        key.write_bytes(content)
    assert "The binding is as it was before." in failed.task("fails", HOST)["msg"]
    assert shows(seen(failed, "after"), second.thumbprint)
    assert settings(seen(failed, "after")) == settings(seen(done, "before"))
