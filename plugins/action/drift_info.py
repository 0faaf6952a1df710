# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The look at a host for what variables say of its desired state: all of it in one task."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase
from ansible_collections.infoprotect.aip.plugins.plugin_utils.addresses import HIDDEN, has_account
from ansible_collections.infoprotect.aip.plugins.plugin_utils.option_types import mistyped
from ansible_collections.infoprotect.aip.plugins.plugin_utils.requirements import plain
from ansible_collections.infoprotect.aip.plugins.plugin_utils.role_variables import described_by

Result = dict[str, Any]
MODULE = "infoprotect.aip.desired_state"
#: What Ansible says of a host that can run no module, in the words of its versions
TOO_OLD = re.compile("requires (a minimum )?PowerShell v")


class ActionModule(ActionBase):
    """Checks the variables, makes options of desired_state of them, and runs it in check mode."""

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        """See ActionBase."""
        del tmp
        variables = task_vars or {}
        result: Result = super().run(None, variables)
        arguments = {
            "domains": {"type": "dict", "required": True},
            "unconditional": {"type": "list", "elements": "str", "default": []},
            "waiting": {"type": "dict", "default": {}},
            "roles": {"type": "list", "elements": "str", "default": []},
            "previous": {"type": "dict", "default": {}},
        }
        _validation, given = self.validate_argument_spec(argument_spec=arguments)
        specs = _specs(given["roles"])
        # each once, whether it is checked, an option, or both
        names = specs.keys() | {name for options in given["domains"].values() for name in options.values()}
        values = self._templar.template({name: variables[name] for name in names if name in variables})
        _check(specs, values)
        wanted = _wanted(given["domains"], given["unconditional"], values)
        waiting = {domain: reason for domain, reason in given["waiting"].items() if domain in wanted}
        wanted = {domain: options for domain, options in wanted.items() if domain not in waiting}
        previous = given["previous"]
        # one that failed says nothing of the host
        if "compliant" in previous and (previous["looked_for"], previous["waiting"]) == (wanted, waiting):
            return {**result, **previous, "looked": False}
        # whatever the play says: it changes nothing
        self._task.check_mode, self._task.diff = True, False
        # a copy, to which Ansible adds arguments of its own
        look = self._execute_module(module_name=MODULE, module_args=dict(wanted), task_vars=variables)
        if look.get("failed") and TOO_OLD.search(str(look.get("msg"))):
            look = _too_old(look["msg"])
        look.pop("diff", None)
        if "compliant" in look and waiting:
            look["compliant"] = False
            look["domains"] |= {domain: _not_yet(reason) for domain, reason in waiting.items()}
        result |= {**look, "changed": False, "looked": True}
        # what was refused may be what must not be shown
        return result if look.get("failed") else {**result, "looked_for": wanted, "waiting": waiting}


def _specs(roles: Sequence[str]) -> Result:
    """What is documented of the variables of the roles."""
    specs: Result = {}
    for role in roles:
        try:
            specs |= described_by(role)
        except OSError as error:
            raise AnsibleActionFail(f"roles has {role}: expected a role of this collection") from error
    return specs


def _check(specs: Result, values: Result) -> None:
    """Hold the variables against the argument specs of their roles."""
    described = {name: value for name, value in values.items() if name in specs}
    checked = ArgumentSpecValidator(specs).validate(described, validate_role_argument_spec=True)
    errors = [*checked.error_messages, *mistyped(specs, described)]
    for name, value in described.items():
        if isinstance(value, str) and not specs[name].get("no_log") and has_account(value):
            errors.append(f"{name} is {HIDDEN}: expected an address without them")
    if errors:
        raise AnsibleActionFail("\n".join(["Validation of arguments failed:", *errors]))


def _wanted(domains: Mapping[str, Any], unconditional: Sequence[str], values: Result) -> Result:
    """The options of each domain, as its variables have them."""
    wanted: Result = {}
    for domain, options in domains.items():
        given = {option: values[name] for option, name in options.items() if values.get(name) not in (None, "")}
        if given or domain in unconditional:
            wanted[str(domain)] = plain(given)
    return wanted


def _too_old(reason: str) -> Result:
    """What is known of a host whose PowerShell is too old for any module."""
    finding = f"PowerShell 5.1 is needed, install Windows Management Framework 5.1 ({reason})"
    return {
        "compliant": False,
        "domains": {},
        "finding": finding,
        "host": {},
        "reboot_required": False,
        "reboot_reasons": [],
    }


def _not_yet(reason: str) -> Result:
    """A domain that cannot be looked at yet."""
    restart: Result = {"reboot_required": False, "reboot_reasons": []}
    return {"compliant": False, "changes": [], "notes": [], **restart, "refused": [reason]}
