# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The steps of the role aip_bootstrap on a host where no module runs; plugin_utils/bootstrap.py decides."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from ansible_collections.infoprotect.aip.plugins.plugin_utils import bootstrap
from ansible_collections.infoprotect.aip.plugins.plugin_utils._old_powershell_action import OldPowerShellAction
from ansible_collections.infoprotect.aip.plugins.plugin_utils.old_powershell import OldPowerShellError, answer_of
from ansible_collections.infoprotect.aip.plugins.plugin_utils.requirements import plain

Result = dict[str, Any]
#: Seconds between two attempts to start a job while another one runs
DELAY = 10
#: Seconds that poll.ps1 waits for the end of the job
POLL = 20


class ActionModule(OldPowerShellAction):
    """Does one step."""

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        """See ActionBase."""
        del tmp
        result: Result = super().run(None, task_vars)
        arguments = {
            "step": {"type": "str", "required": True, "choices": list(STEPS)},
            "packages": {"type": "dict", "default": {}},
            "allow_http": {"type": "bool", "default": False},
            "free_mb": {"type": "int", "default": 5000},
            "look": {"type": "dict", "default": {}},
            "package": {"type": "str", "choices": list(bootstrap.INSTALLERS)},
            "busy_timeout": {"type": "int", "default": 900},
            "timeout": {"type": "int", "default": 3600},
        }
        required = [("step", "fetch", ["look"]), ("step", "install", ["package"])]
        _validation, given = self.validate_argument_spec(argument_spec=arguments, required_if=required)
        given = plain(given)
        if self._task.check_mode and given["step"] != "look":
            return {**result, "skipped": True}
        try:
            return {**result, "changed": False, **STEPS[given["step"]](self, given)}
        except OldPowerShellError as error:
            return {**result, "failed": True, "msg": str(error)}

    def _look(self, given: Result) -> Result:
        packages = bootstrap.packages_of(given["packages"])
        if wrong := bootstrap.wrong_packages(packages, given["allow_http"]):
            raise OldPowerShellError(
                f"Wrong variables of {', '.join(wrong)}: _url has to be an address https://HOST/FILE (or http:// with"
                " aip_bootstrap_allow_http), of at most 250 characters behind the host and without a user's name or"
                " password, _checksum the SHA-256 of the file."
            )
        host = bootstrap.Host(**answer_of(self.ask(bootstrap.script("look"))))
        obstacles, missing = (
            bootstrap.obstacles(host, packages, given["free_mb"]),
            bootstrap.missing(host, packages),
        )
        return {
            "host": asdict(host),
            "obstacles": obstacles,
            "missing": missing,
            "files": [
                {**asdict(packages[bootstrap.package_for(kind, host)]), "file": bootstrap.INSTALLERS[kind].file}
                for kind in missing
                if not obstacles
            ],
            "summary": bootstrap.summary(obstacles, missing),
        }

    def _wait(self, given: Result) -> Result:
        self._ended("Waiting for another run", given["timeout"])
        return {}

    def _fetch(self, given: Result) -> Result:
        return self._job("Fetching the packages", "fetch", {"packages": given["look"]["files"]}, given["timeout"], "")

    def _install(self, given: Result) -> Result:
        installer = bootstrap.INSTALLERS[given["package"]]
        parameters = {**asdict(installer), "wait": given["busy_timeout"]}
        done = self._job(f"Installing {installer.title}", "install", parameters, given["timeout"], "code")
        return {**done, "restart": given["package"] == "wmf" or done["result"]["code"] != 0}

    def _clean(self, _given: Result) -> Result:
        return answer_of(self.ask(bootstrap.script("clean")))

    def _job(self, title: str, name: str, parameters: Result, timeout: int, returns: str) -> Result:
        """Leave the job on the host, start it as SYSTEM when no other one runs, and wait for its end.

        returns: what its result has. A result without it is that of the job before, which was started twice.
        """
        job = bootstrap.job_text(name, parameters)
        self.ask(bootstrap.script("put", job))
        result: Result = {}
        for _start in range(2):
            self._start(job, timeout)
            result = self._ended(title, timeout)
            if "error" in result or not returns or returns in result:
                break
        else:
            raise OldPowerShellError(f"{title} failed: the job on the host ended without a result of its own.")
        if problem := bootstrap.failure(title, result):
            raise OldPowerShellError(problem)
        return {"changed": True, "result": result}

    def _start(self, job: str, timeout: int) -> None:
        for _attempt in range(timeout // DELAY + 1):
            if not answer_of(self.ask(bootstrap.script("start", job)))["busy"]:
                return
            time.sleep(DELAY)

    def _ended(self, title: str, timeout: int) -> Result:
        """The result of the job, once it has ended."""
        try:
            for _attempt in range(timeout // POLL + 1):
                answer = answer_of(self.ask(bootstrap.script("poll")))
                if not answer["running"]:
                    return dict(answer["result"])
        except OldPowerShellError as error:
            raise OldPowerShellError(f"{title} failed: {error}") from error
        raise OldPowerShellError(
            f"{title} failed: a job runs on the host and did not end within {timeout} s"
            " (aip_bootstrap_install_timeout). It is left alone; another run will wait for it."
        )


STEPS = {
    "look": ActionModule._look,
    "wait": ActionModule._wait,
    "fetch": ActionModule._fetch,
    "install": ActionModule._install,
    "clean": ActionModule._clean,
}
