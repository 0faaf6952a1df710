"""The objects of extensions/awx as AWX gets them, and the modules of awx.awx in this process."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from actions import load_action
from ansible.module_utils.testing import patch_module_args
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.infoprotect.aip.plugins.plugin_utils.awx_objects import VARIABLES
from ansible_collections.infoprotect.aip.plugins.plugin_utils.requirements import plain
from awx_stub.data import MINE, OBJECTS
from awx_stub.server import TOKEN, Store, serve

Json = dict[str, Any]


@pytest.fixture(scope="session")
def variables() -> Json:
    """All variables of the data, as the playbook loads them."""
    loader = DataLoader()
    found: Json = {}
    for path in sorted(OBJECTS.glob("*.yml")):
        found |= loader.load_from_file(str(path), trusted_as_template=True)
    return {**found, **MINE}


@pytest.fixture(scope="session")
def objects(variables: Json) -> dict[str, list[Json]]:
    """The objects, by the variables of infra.aap_configuration, with the settings in them."""
    templar = Templar(loader=DataLoader(), variables=variables)
    return {name: plain(templar.template(variables[name])) for name in VARIABLES if name in variables}


def run_module(name: str, arguments: Json) -> Json:
    """Run a module of awx.awx in this process."""
    module = importlib.import_module(f"ansible_collections.awx.awx.plugins.modules.{name}")
    output = io.StringIO()
    with patch_module_args(arguments), contextlib.redirect_stdout(output), contextlib.suppress(SystemExit):
        module.main()
    return dict(json.loads(output.getvalue().strip().splitlines()[-1]))


@pytest.fixture
def apply(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., Json]]:
    """Apply objects to a stub: apply(store, objects) returns what the action returns."""
    monkeypatch.setenv("CONTROLLER_OAUTH_TOKEN", TOKEN)
    # each request would read all authorities of the system, and there is no TLS
    monkeypatch.setenv("SSL_CERT_FILE", os.devnull)
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    with contextlib.ExitStack() as servers:
        addresses: dict[int, str] = {}

        def run(store: Store, objects: Json) -> Json:
            if id(store) not in addresses:
                addresses[id(store)] = servers.enter_context(serve(store))
            monkeypatch.setenv("CONTROLLER_HOST", addresses[id(store)])
            action = load_action("awx_objects", objects)
            action._execute_module = lambda name, module_args, task_vars: run_module(
                name.removeprefix("awx.awx."), module_args
            )
            return dict(action.run(task_vars={}))

        yield run
