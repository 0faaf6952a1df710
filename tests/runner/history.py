"""What earlier runs have left: how long each job took, and what the emulation's tests have last passed with."""

from __future__ import annotations

import contextlib
import hashlib
import json
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path

from runner.plan import ROOT, STAGES, Job

FILE = ROOT / ".cache" / "test-history.json"
#: What a clone knows before its first run: how long jobs take on two cores, and what the emulation last passed with.
#: Copy FILE here after a whole run.
FIRST_RUN = Path(__file__).with_name("first_run.json")
#: What the emulation's tests depend on, beside the engine and Wine
EMULATION = ("tests/winfleet", "tests/integration/winfleet", "requirements")
ENGINE = ROOT.parent / "shared/engine/SHA256SUMS"


@dataclass
class History:
    """Seconds of each job by its key; the digest of each stage's last pass."""

    seconds: dict[str, float] = field(default_factory=dict)
    passes: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, file: Path = FILE) -> History:
        with contextlib.suppress(OSError, ValueError, TypeError):
            return cls(**json.loads(file.read_text()))
        return cls(**json.loads(FIRST_RUN.read_text()))

    def save(self, file: Path = FILE) -> None:
        draft = file.with_suffix(".new")
        draft.write_text(json.dumps(asdict(self), indent=2) + "\n")
        draft.rename(file)

    def estimate(self, job: Job) -> float:
        """Return how long a job will take."""
        return self.seconds.get(job.key, len(job.tests) * STAGES[job.stage].seconds)


def emulation_digest(root: Path = ROOT, engine: Path = ENGINE) -> str:
    """Return a digest of everything that the emulation's tests depend on."""
    digest = hashlib.sha256(engine.read_bytes() if engine.exists() else b"")
    with contextlib.suppress(OSError):
        digest.update(subprocess.run(["wine", "--version"], capture_output=True, check=False).stdout)
    for folder in EMULATION:
        for file in sorted((root / folder).rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(f"{file.relative_to(root)}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()
