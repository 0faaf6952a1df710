"""A forked run is as one of ansible-playbook: exit code, output, environment, nothing left. On localhost, no fleet."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from integration.forked_ansible import Completed, ForkedAnsible

PLAY = """
- name: Test
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Say
      ansible.builtin.debug:
        msg: "<{{ lookup('ansible.builtin.env', 'WHO') }}>"
"""
Run = Callable[..., Completed]


@pytest.fixture(scope="module")
def ansible() -> ForkedAnsible:
    return ForkedAnsible()


@pytest.fixture
def run(ansible: ForkedAnsible, tmp_path: Path) -> Run:
    def play(tasks: str = "", timeout: float = 60, name: str = "play", **environment: str) -> Completed:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "play.yml").write_text(PLAY + tasks)
        variables = {**os.environ, "HOME": str(tmp_path), "ANSIBLE_LOCAL_TEMP": str(tmp_path / "local"), **environment}
        return ansible.run(["play.yml", "--connection=local", "-i", "/dev/null"], folder, variables, folder, timeout)

    return play


def test_output_exit_code_and_environment_are_the_run_s(run: Run) -> None:
    for who in ("first", "second"):
        done = run(name=who, WHO=who)
        assert (done.returncode, f"<{who}>" in done.stdout) == (0, True)


def test_a_failed_task_and_a_wrong_playbook_end_as_ansible_playbook_does(run: Run) -> None:
    assert run("    - ansible.builtin.fail: {msg: no}\n", name="fails").returncode == 2
    broken = run("    - nonsense: {}\n", name="broken")
    assert broken.returncode == 4
    assert "couldn't resolve module/action 'nonsense'" in broken.stderr


def test_nothing_is_left_in_the_local_temporary_folder(run: Run, tmp_path: Path) -> None:
    run("    - ansible.builtin.command: 'true'\n")
    left = [path for path in (tmp_path / "local").rglob("*") if path.is_file()]
    assert left == []


def cut_off(run: Run, folder: Path, command: str) -> str:
    """Return the error of a run whose time is up while a worker waits for a command."""
    for timeout in (4, 8, 16, 32):  # a busy machine may take longer to begin
        begun, start = folder / f"begun-{timeout}", time.time()
        with pytest.raises(TimeoutError, match=f"did not end within {timeout} s") as error:
            task = f"    - ansible.builtin.shell: touch {begun}; exec {command}\n"
            run(task, timeout=timeout, name=f"within-{timeout}")
        if begun.exists() and begun.stat().st_mtime < start + timeout:
            return str(error.value)
    raise AssertionError("no command was begun within 32 s")


def test_a_run_that_is_too_slow_is_killed_with_its_workers(run: Run, tmp_path: Path) -> None:
    mark = f"60.{os.getpid()}"
    cut_off(run, tmp_path, f"sleep {mark}")
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.parent.exists()]
    assert not [command for command in commands if mark.encode() in command]
    assert run(name="next").returncode == 0


def test_a_run_that_hangs_says_what_it_and_its_workers_wait_for(run: Run, tmp_path: Path) -> None:
    said = cut_off(run, tmp_path, "sleep 60")
    assert "run_handlers" in said or "_wait_on_pending_results" in said
    assert "in _low_level_execute_command" in said


def test_two_runs_at_once_do_not_wait_for_each_other(run: Run) -> None:
    began = time.monotonic()
    tasks = "    - ansible.builtin.wait_for: {path: ../there, timeout: 50}\n"
    with ThreadPoolExecutor() as pool:
        waits = pool.submit(run, tasks, name="waits")
        other = run("    - ansible.builtin.file: {path: ../there, state: touch}\n", name="other")
        assert (other.returncode, waits.result().returncode) == (0, 0)
    assert time.monotonic() - began < 50
