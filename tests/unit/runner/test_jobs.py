"""Jobs that pass, fail, crash, hang and leave processes behind; each is a real pytest below a warden."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from runner import jobs
from runner.jobs import Result, RunningJob, Scheduler
from runner.plan import Job

TESTS = Path(jobs.__file__).parents[1]
CONFTEST = f"""
import sys
sys.path.insert(0, {str(TESTS)!r})
from runner.recorder import Recorder
from pathlib import Path

def pytest_addoption(parser):
    parser.addoption("--record", type=Path)

def pytest_configure(config):
    config.pluginmanager.register(Recorder(config.getoption("--record")))

"""
#: Starts a daemon, which has a session of its own and outlives its parent.
DAEMON = """
import subprocess, sys
subprocess.run(["sh", "-c", "setsid sleep 600 & echo $! >{file}"])
"""
BURN = "import time; end = time.process_time() + {seconds}\nwhile time.process_time() < end: pass"


@pytest.fixture(autouse=True)
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    monkeypatch.setattr(jobs, "LOGS", folder)
    return folder


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., tuple[Job, list[str]]]:
    """A job of one file with this text, and its command; `tests` are those that were collected."""

    def make(text: str, *tests: str, name: str = "it") -> tuple[Job, list[str]]:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "test_it.py").write_text(text)
        (folder / "conftest.py").write_text(CONFTEST)
        (folder / "pytest.ini").write_text("[pytest]\n")
        nodeids = tuple(f"test_it.py::{test}" for test in tests)
        job = Job(name, "unit", "default", ("test_it.py",), nodeids)
        record = tmp_path / "logs" / f"{name}.jsonl"
        return job, [sys.executable, "-m", "pytest", f"--rootdir={folder}", f"--record={record}", str(folder)]

    return make


def finish(job: Job, command: list[str]) -> Result:
    running = RunningJob(job, command, os.environ)
    while not running.poll():
        time.sleep(0.05)
    return running.result


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(file: Path, patience: float = 30) -> int:
    """The number that a process writes into a file."""
    deadline = time.monotonic() + patience
    while not (file.exists() and file.read_text().strip()):
        assert time.monotonic() < deadline, f"{file} has not been written"
        time.sleep(0.05)
    return int(file.read_text())


def assert_ends(process: int, patience: float = 15) -> None:
    deadline = time.monotonic() + patience
    while is_alive(process):
        assert time.monotonic() < deadline, f"{process} still runs"
        time.sleep(0.05)


def test_outcomes(make: Callable[..., tuple[Job, list[str]]]) -> None:
    text = """
import pytest
def test_good(): pass
def test_bad(): assert 1 == 2, "numbers differ"
@pytest.mark.skip
def test_left_out(): pass
@pytest.fixture
def broken():
    yield
    raise OSError("cleanup failed")
def test_cleanup(broken): print("it ran")
"""
    result = finish(*make(text, "test_good", "test_bad", "test_left_out", "test_cleanup"))
    assert {test.nodeid.partition("::")[2]: test.outcome for test in result.tests.values()} == {
        "test_good": "passed",
        "test_bad": "failed",
        "test_left_out": "skipped",
        "test_cleanup": "failed",
    }
    bad, cleanup = result.of("failed")
    assert "numbers differ" in bad.text and "cleanup failed" in cleanup.text and "it ran" in cleanup.text
    assert result.failed == 2 and result.complete and result.problem == ""


@pytest.mark.parametrize(
    ("text", "tests", "problem"),
    [
        ("", [], "pytest ended with 5; no test ran"),
        ("import os\ndef test_it(): os._exit(0)", ["test_it"], "1 of 1 tests did not run"),
        ("import os\ndef test_it(): os.kill(os.getpid(), 9)", ["test_it"], "pytest ended with -9; 1 of 1 tests"),
        ("def test_it(): pass", ["test_it", "test_other"], "1 of 2 tests did not run, the first is test_it.py::test_o"),
        ("import nothing_like_it", ["test_it"], "pytest ended with 2"),
        ("import os\nos._exit(1)", ["test_it"], "pytest ended with 1"),
    ],
)
def test_ends_that_are_failures(
    make: Callable[..., tuple[Job, list[str]]], text: str, tests: list[str], problem: str
) -> None:
    """pytest itself reports none of them in a way that counts."""
    result = finish(*make(text, *tests))
    assert problem in result.problem
    assert result.failed >= 1 and not result.complete


def test_a_job_that_hangs_is_stopped(
    make: Callable[..., tuple[Job, list[str]]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(jobs, "SILENCE", 4.0)
    file = tmp_path / "pid"
    text = f"import os, time\ndef test_it():\n    open({str(file)!r}, 'w').write(str(os.getpid()))\n    time.sleep(600)"
    result = finish(*make(text, "test_it"))
    assert "no test ended for 4 s" in result.problem and result.failed == 1
    assert not is_alive(wait_for(file))


def test_what_a_job_leaves_running_is_ended(make: Callable[..., tuple[Job, list[str]]], tmp_path: Path) -> None:
    file = tmp_path / "pid"
    result = finish(*make(f"def test_it():\n    exec({DAEMON.format(file=file)!r})", "test_it"))
    assert result.complete and result.failed == 0
    assert not is_alive(wait_for(file))
    assert "left running, killed: sleep 600" in (tmp_path / "logs/it.log").read_text()


def test_cpu_of_every_process_counts(make: Callable[..., tuple[Job, list[str]]]) -> None:
    """That of pytest, of a child, and of a daemon that ends by itself."""
    child = [sys.executable, "-c", BURN.format(seconds=0.5)]
    text = f"""
import subprocess
def test_it():
    exec({BURN.format(seconds=0.5)!r})
    subprocess.run({child!r})
    subprocess.Popen(["setsid", "-f", *{child!r}]).wait()
"""
    assert 1.5 <= finish(*make(text, "test_it")).cpu < 15


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_outlives_a_runner_that_is_killed(
    make: Callable[..., tuple[Job, list[str]]], tmp_path: Path, number: signal.Signals
) -> None:
    file = tmp_path / "pid"
    _job, command = make(f"import time\ndef test_it():\n    exec({DAEMON.format(file=file)!r})\n    time.sleep(600)")
    script = f"import subprocess; subprocess.run([{sys.executable!r}, {str(jobs.WARDEN)!r}, *{['answer', *command]!r}])"
    with subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path) as runner:
        daemon = wait_for(file)
        runner.send_signal(number)
    assert_ends(daemon)


def test_jobs_at_a_time(make: Callable[..., tuple[Job, list[str]]]) -> None:
    """In their order, never more than allowed; those that run are stopped with what they had done."""
    made = {name: make("def test_it(): pass", "test_it", name=name) for name in ("first", "second")}
    slow = "import time\ndef test_it(): pass\ndef test_slow(): time.sleep(600)"
    made["third"] = make(slow, "test_it", "test_slow", name="third")
    made["fourth"] = make("", "test_it", name="fourth")
    scheduler = Scheduler(
        [job for job, _command in made.values()], 1, lambda job: made[job.name][1], lambda _: dict(os.environ)
    )
    ended: list[str] = []
    while "test_it.py::test_it" not in {n for job in scheduler.running for n in job.result.tests} or len(ended) < 2:
        ended += [job.result.job.name for job in scheduler.step()]
        assert len(scheduler.running) <= 1
        time.sleep(0.02)
    scheduler.stop()
    assert ended == ["first", "second"]
    assert [result.job.name for result in scheduler.results] == ["first", "second", "third"]
    stopped = scheduler.results[-1]
    assert len(stopped.of("passed")) == 1 and stopped.failed == 0 and not stopped.complete
    assert [job.name for job in scheduler.waiting] == ["fourth"]


def test_fleets_of_a_run_that_was_killed_are_stopped_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its supervisor, which still runs: here it is a process that sleeps."""
    monkeypatch.setattr(jobs, "FLEETS", tmp_path / "beside")
    host, nested = tmp_path / "beside/modules/hosts/alpha", tmp_path / "beside/emulation/beside/warm/hosts/beta"
    with subprocess.Popen(["sleep", "600"]) as one, subprocess.Popen(["sleep", "600"]) as other:
        for folder, process in ((host, one), (nested, other)):
            (folder / "prefix").mkdir(parents=True)
            (folder / "host.json").write_text("{}")
            started = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[19]
            (folder / "pid").write_text(f"{process.pid} {started}")
        try:
            jobs.clear_fleets()
            assert one.wait(1) == other.wait(1) == -signal.SIGTERM
        finally:
            one.kill()
            other.kill()
    assert list((tmp_path / "beside").iterdir()) == []


@pytest.mark.parametrize(
    ("cold", "full", "mode", "examples"),
    [(False, True, "warm", "60"), (True, True, "cold", None), (False, False, "warm", None)],
)
def test_what_a_job_is_told(
    cold: bool, full: bool, mode: str, examples: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A state of its own; more examples with --full, unless each takes half a minute."""
    monkeypatch.delenv("WINFLEET_EXAMPLES", raising=False)
    job = Job("modules/it", "modules", "default", (), (), cold)
    values = jobs.variables(job, full=full)
    assert (values["WINFLEET_MODE"], values.get("WINFLEET_EXAMPLES")) == (mode, examples)
    assert Path(values["WINFLEET_STATE"]) == jobs.FLEETS / job.file_name
