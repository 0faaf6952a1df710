"""What the registry has of an MSI: its entry in the list of installed programs, and what Windows Installer keeps."""

from __future__ import annotations

UNINSTALL = r"SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall"
#: Below HKLM, the 64-bit view; the name of the key is a squashed product code.
KNOWN = (
    r"SOFTWARE\Classes\Installer\Products",
    r"SOFTWARE\Microsoft\Windows\CurrentVersion\Installer\UserData\S-1-5-18\Products",
)

Value = tuple[str, str, str | int]


def squashed(code: str) -> str:
    """A product code as Windows Installer names its keys: the parts backwards, the last two by pairs of digits."""
    first, second, third, *rest = code.strip("{}").upper().split("-")
    pairs = "".join(rest)
    return first[::-1] + second[::-1] + third[::-1] + "".join(pairs[i + 1] + pairs[i] for i in range(0, 16, 2))


def entry(code: str, name: str, version: str, *, msi: bool = True) -> list[Value]:
    """The entry alone: key below the Uninstall key's parent, name and data. Without `known` it is an orphaned one."""
    key = rf"{UNINSTALL}\{code}"
    values: list[Value] = [(key, "DisplayName", name), (key, "DisplayVersion", version)]
    return [*values, (key, "WindowsInstaller", 1)] if msi else values


def known(code: str) -> list[Value]:
    """What Windows Installer keeps of a product, as far as its state needs it."""
    return [
        (rf"{KNOWN[0]}\{squashed(code)}", "ProductName", "x"),
        (rf"{KNOWN[1]}\{squashed(code)}\InstallProperties", "WindowsInstaller", 1),
    ]
