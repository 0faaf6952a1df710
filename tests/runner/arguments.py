"""The command line of bin/test. Standard library only: --help and errors install nothing."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass

from runner.plan import DEFAULT, PARTS, STAGES


@dataclass(frozen=True)
class Options:
    """What the command line asks for: parts in their order, stages, jobs at a time."""

    full: bool
    parts: tuple[str, ...]
    only: tuple[str, ...]
    jobs: int


def parse(arguments: list[str]) -> Options:
    """Return the options; --help and a wrong argument end the process."""
    parser = argparse.ArgumentParser(
        prog="bin/test",
        description="Run the project's tests, the same that CI runs. Everything they need is installed first.",
        epilog="parts of --full:\n" + "\n".join(f"  {name:<11} {text}" for name, text in PARTS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--full", action="store_true", help="run the whole matrices: all parts, one after the other")
    parser.add_argument("--part", action="append", choices=list(PARTS), help="with --full: this part (repeatable)")
    parser.add_argument("--only", action="append", choices=list(STAGES), help="run this stage only (repeatable)")
    # a job waits for its hosts about a third of its time
    jobs = min((os.cpu_count() or 2) + 1, 5)
    parser.add_argument("--jobs", type=int, default=jobs, help="jobs that run at the same time (here: %(default)s)")
    options = parser.parse_args(arguments)
    if options.part and not options.full:
        parser.error("--part goes with --full")
    if options.jobs < 1:
        parser.error("--jobs needs a number above 0")
    parts = tuple(options.part or PARTS) if options.full else (DEFAULT,)
    return Options(options.full, parts, tuple(options.only or ()), options.jobs)
