"""Random registry values with the names and data that break careless code."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

# What quoting, globbing, path joining, case folding and ordinal comparison stumble over.
NAMES = (
    "plain",
    "with space",
    "q'uo\"te",
    "[a-z]*?",
    "back\\slash",
    "per%cent%PATH%",
    "$env:TEMP",
    "`tick`",
    "é",
    "e\u0301",
    "soft\u00adhyphen",
    "\u200eleft",
    "emoji😀",
    "{braces}",
    "semi;colon",
    "-dash",
    "#hash",
    "(default)",
    "http://host:80/_wmcs",
    "n" * 255,
)
TEXTS = ("", " ", "é😀", "a'b\"c", "%SystemRoot%\\x", "line\nbreak", "\\", "[]{}", "\u00ad", "x" * 5000)

_dword = st.integers(0, 2**32 - 1)
_DATA: dict[str, st.SearchStrategy[Any]] = {
    "string": st.sampled_from(TEXTS),
    "expandstring": st.sampled_from(TEXTS),
    "dword": _dword,
    "qword": st.integers(0, 2**63 - 1),
    "binary": st.binary(max_size=64),
    "none": st.binary(max_size=16),
    "multistring": st.lists(st.sampled_from([text for text in TEXTS if text]), max_size=4),
}


@st.composite
def values(draw: st.DrawFn, root: str, count: int = 25) -> list[dict[str, Any]]:
    """A list of values below the key `root`, each name at most once in a key and view."""
    taken: set[tuple[str, str, str]] = set()
    found = []
    for _ in range(draw(st.integers(1, count))):
        key = root + draw(st.sampled_from(["", "\\sub", "\\sub\\deeper", "\\[k]'é", "\\k{2} $x"]))
        name = draw(st.sampled_from(("", *NAMES)))
        view = draw(st.sampled_from(["64", "32"]))
        if (key, name.lower(), view) in taken:
            continue
        taken.add((key, name.lower(), view))
        if draw(st.integers(0, 5)) == 0:
            found.append({"path": key, "name": name, "view": view, "state": "absent"})
            continue
        kind = draw(st.sampled_from(sorted(_DATA)))
        found.append({"path": key, "name": name, "view": view, "type": kind, "data": draw(_DATA[kind])})
    return found


def as_option(value: dict[str, Any]) -> dict[str, Any]:
    """The same value as a playbook gives it: bytes as a string of hex digits."""
    return {key: data.hex() if isinstance(data, bytes) else data for key, data in value.items()}
