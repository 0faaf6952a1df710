"""pypsrp against an emulated host: its own client, and runspace pools whose state lives as long as they do."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from pypsrp.client import Client
from pypsrp.complex_objects import PSInvocationState
from pypsrp.exceptions import AuthenticationError
from pypsrp.powershell import PowerShell, RunspacePool
from pypsrp.wsman import WSMan

from .conftest import Fleet


def connection(fleet: Fleet, **options: object) -> dict[str, object]:
    settings: dict[str, object] = {
        "server": fleet.address("alpha"),
        "username": "Administrator",
        "password": fleet.password,
        "ssl": False,
        "auth": "ntlm",
        "no_proxy": True,
        "operation_timeout": 10,
    }
    return settings | options


@pytest.fixture
def pool(fleet: Fleet) -> Iterator[RunspacePool]:
    with WSMan(**connection(fleet)) as wsman, RunspacePool(wsman) as pool:
        yield pool


def run(pool: RunspacePool, script: str, data: list[object] | None = None, **options: object) -> PowerShell:
    shell = PowerShell(pool).add_script(script, **options)
    shell.invoke(data)
    return shell


def test_client_runs_commands_and_scripts(fleet: Fleet) -> None:
    with Client(**connection(fleet)) as client:
        out, err, code = client.execute_cmd("echo größe %COMPUTERNAME%& exit 4", encoding="437")
        assert (out.split(), err.strip(), code) == (["größe", "ALPHA"], "", 4)
        output, streams, had_errors = client.execute_ps("'größe 漢字'; Write-Warning 'careful'; 1 + 1")
        assert output.splitlines() == ["größe 漢字", "2"]
        assert [warning.message for warning in streams.warning] == ["careful"]
        assert not had_errors
        _output, streams, had_errors = client.execute_ps("throw 'no more'")
        assert had_errors
        assert "no more" in str(streams.error[0])


def test_client_copies_and_fetches(fleet: Fleet, tmp_path: Path) -> None:
    content = bytes(range(256)) * 4000 + "größe\r\n".encode()
    (tmp_path / "sent").write_bytes(content)
    target = rf"C:\windows\temp\{uuid.uuid4()} größe"
    with Client(**connection(fleet)) as client:
        client.copy(str(tmp_path / "sent"), target)
        client.fetch(target, str(tmp_path / "fetched"))
    assert (tmp_path / "fetched").read_bytes() == content


@pytest.mark.parametrize("scheme", [{"auth": "ntlm"}, {"auth": "basic", "ssl": True, "cert_validation": False}])
def test_a_wrong_password_is_refused(fleet: Fleet, scheme: dict[str, object]) -> None:
    with pytest.raises(AuthenticationError), Client(**connection(fleet, password="wrong", **scheme)) as client:
        client.execute_ps("1")


def test_a_pool_keeps_its_state(pool: RunspacePool) -> None:
    run(pool, "$kept = 1; function Get-Kept { $kept }; $env:KEPT = 'e'; Set-Location C:\\windows; $PWD | Out-Null")
    assert run(pool, "$kept++; Get-Kept; $env:KEPT; $PWD.Path").output == [2, "e", "C:\\windows"]
    run(pool, "$own = 1", use_local_scope=True)
    assert run(pool, '"<$own>"; exit 3').output == ["<>"]
    assert run(pool, "$kept").output == [2]


def test_pools_have_nothing_of_each_other(fleet: Fleet, pool: RunspacePool) -> None:
    run(pool, "$kept = 1; $env:KEPT = 1")
    with WSMan(**connection(fleet)) as wsman, RunspacePool(wsman) as other:
        assert run(other, '"<$kept$env:KEPT>"').output == ["<>"]
        run(other, "$kept = 2; $env:KEPT = 2")
    assert run(pool, '"$kept$env:KEPT"').output == ["11"]
    assert fleet.powershell("alpha", '"<$kept$env:KEPT>"').out.split() == ["<>"]


def test_a_closed_pool_leaves_nothing_running(fleet: Fleet) -> None:
    before = fleet.status("alpha")["processes"]
    with WSMan(**connection(fleet)) as wsman, RunspacePool(wsman) as pool:
        run(pool, "1")
    assert fleet.status("alpha")["processes"] <= max(before, 1)


def test_input_objects_stay_what_they_are(pool: RunspacePool) -> None:
    data = ["one\ntwo\r\nthree", "", "<Objs größe", 7, True]
    shell = run(pool, "$input | ForEach-Object { \"$($_.GetType().Name) $($_ -replace '[\\r\\n]', '.')\" }", data)
    assert shell.output == [
        "String one.two..three",
        "String ",
        "String <Objs größe",
        "Int32 7",
        "Boolean True",
    ]


def test_streams(pool: RunspacePool) -> None:
    shell = run(
        pool,
        "$VerbosePreference = $DebugPreference = 'Continue'; Write-Warning w; Write-Verbose v; Write-Debug d; "
        "Write-Error broken; Get-Item -LiteralPath C:\\nowhere; 'after'",
    )
    assert shell.output == ["after"]
    assert (shell.state, shell.had_errors) == (PSInvocationState.COMPLETED, False)
    assert [record.message for record in shell.streams.warning] == ["w"]
    assert [record.message for record in shell.streams.verbose] == ["v"]
    assert [record.message for record in shell.streams.debug] == ["d"]
    assert [record.fq_error.partition(",")[0] for record in shell.streams.error] == [
        "Microsoft.PowerShell.Commands.WriteErrorException",
        "PathNotFound",
    ]


def test_the_error_that_ends_a_script_fails_the_pipeline(pool: RunspacePool) -> None:
    shell = run(pool, "'before'; throw 'no more'; 'after'")
    assert shell.output == ["before"]
    assert (shell.state, shell.had_errors) == (PSInvocationState.FAILED, True)
    assert [str(record) for record in shell.streams.error] == ["no more"]
    assert run(pool, "'next'").output == ["next"]


def test_a_pool_whose_process_died_says_so(fleet: Fleet, pool: RunspacePool) -> None:
    run(pool, "$kept = 1")
    fleet.run("fault", "alpha", "kill_process", "seconds=0.3")
    for script in ("Start-Sleep 30", "$kept"):
        shell = run(pool, script)
        assert shell.state == PSInvocationState.FAILED
        assert "ended" in str(shell.streams.error[0])
