# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""Which accounts may use the Rights Management connector: groups of Active Directory, and the connector's own list."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

#: The roles of the connector's administration tool, and what it calls them.
ROLES = {"exchange": "Exchange Server", "sharepoint": "SharePoint Server", "fci": "FCI Server"}
#: Classes of the directory that members of a role's group are of, and how they are called.
KINDS: dict[str, dict[str, str]] = {
    "exchange": {"computer": "a computer", "group": "a group of Exchange servers"},
    "sharepoint": {
        "user": "a service account",
        "msDS-GroupManagedServiceAccount": "a managed service account",
        "msDS-ManagedServiceAccount": "a managed service account",
    },
    "fci": {"computer": "a computer"},
}
#: Exchange's own group, which Exchange keeps.
EXCHANGE_SERVERS = "exchange servers"
SCOPES = {"global": 2, "domainlocal": 4, "universal": 8}
LIST, EMPTY_LIST, NOT_AUTHORIZED = 1004, 2003, 2001
#: The manual step that corrects the list
LIST_TITLE = "Authorize the servers that use the connectors"
#: Characters of an event that are searched for an account.
MOST_READ = 2000


class AuthorizationError(ValueError):
    """What was given cannot be understood; the message says what was expected."""


@dataclass(frozen=True)
class Account:
    """An account as somebody wrote it: `DOMAIN\\name`, `name`, `name@domain` or a distinguished name."""

    text: str
    server: str = ""

    @classmethod
    def of(cls, value: Any) -> Account:
        """Read a variable: a text, or a dictionary with name and server (for an account of another domain)."""
        if isinstance(value, Mapping):
            if set(value) - {"name", "server"} or not value.get("name"):
                raise AuthorizationError(f"a member is {dict(value)}: expected name, and server for another domain")
            return cls(str(value["name"]).strip(), str(value.get("server") or "").strip())
        if not isinstance(value, str) or not value.strip():
            raise AuthorizationError(f"a member is {value!r}: expected the name of an account, such as EX01$")
        return cls(value.strip())

    @property
    def is_dn(self) -> bool:
        return re.match(r"(?i)(cn|ou)=", self.text) is not None

    @property
    def domain(self) -> str:
        """The domain in front of the name, or ''."""
        return self.text.partition("\\")[0].lower() if "\\" in self.text and not self.is_dn else ""

    @property
    def name(self) -> str:
        """The name alone, in lower case; of a distinguished name its first part."""
        if self.is_dn:
            return re.split(r"(?<!\\),", self.text)[0].partition("=")[2].replace("\\,", ",").lower()
        return self.text.rpartition("\\")[2].lower()

    @property
    def condition(self) -> str:
        """The condition of an LDAP filter that finds it."""
        if self.is_dn:
            attribute, value = "distinguishedName", self.text
        elif re.fullmatch(r"[^@\\]+@[^@\\]+\.[^@\\]+", self.text):
            attribute, value = "userPrincipalName", self.text
        else:
            attribute, value = "sAMAccountName", self.text.rpartition("\\")[2]
        escaped = re.sub(r"[\\*()\0]", lambda found: f"\\{ord(found[0]):02x}", value)
        return f"({attribute}={escaped})"

    def is_entry(self, entry: Entry) -> bool:
        text = self.text.lower()
        if self.is_dn:
            return entry.dn.lower() == text
        return text == entry.principal.lower() or self.name == entry.account.lower()


@dataclass(frozen=True)
class Entry:
    """An object of the directory, as microsoft.ad.object_info returns it."""

    dn: str
    kind: str
    account: str
    principal: str = ""
    group_type: int = 0
    members: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Entry:
        if not isinstance(values, Mapping):
            raise AuthorizationError(f"an object of the directory is {values!r}: expected a dictionary of attributes")
        lower = {str(name).lower(): value for name, value in values.items()}

        def texts(name: str) -> tuple[str, ...]:
            value = lower.get(name)
            if value is None:
                return ()
            return tuple(map(str, value)) if isinstance(value, (list, tuple)) else (str(value),)

        dn = str(lower.get("distinguishedname") or "")
        return cls(
            dn=dn,
            kind=(texts("objectclass") or ("",))[-1],
            account=str(lower.get("samaccountname") or ""),
            principal=str(lower.get("userprincipalname") or ""),
            group_type=_number(lower.get("grouptype")),
            members=texts("member"),
            groups=texts("memberof"),
        )

    @property
    def scope(self) -> str:
        return next((name for name, bit in SCOPES.items() if self.group_type & bit), "")

    @property
    def is_security_group(self) -> bool:
        # the highest bit, of a number with or without sign
        return self.kind == "group" and bool(self.group_type & 0x80000000)


@dataclass
class Group:
    """The group of one role: what is wanted, what there is, and what has to be done.

    Attributes:
        members: None: they are not managed.
        kept_by_exchange: it is "Exchange Servers", which is only read.
        new, surplus: names for people; what is added, and what is there and nobody named.
    """

    role: str
    account: Account
    members: list[Account] | None
    entry: Entry | None = None
    kept_by_exchange: bool = False
    add: list[Any] = field(default_factory=list)
    remove: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    surplus: list[str] = field(default_factory=list)

    def as_result(self, scope: str, domain: str) -> dict[str, Any]:
        entry = self.entry
        right = entry is not None and entry.is_security_group and entry.scope == scope
        name = _name(self.account.text) if self.account.is_dn else self.account.text.rpartition("\\")[2]
        name = entry.account if entry else name
        domain = self.account.domain.upper() or domain
        return {
            "role": self.role,
            "group": name,
            "account": f"{domain}\\{name}" if domain else name,
            "title": ROLES[self.role],
            "dn": entry.dn if entry else "",
            "kept_by_exchange": self.kept_by_exchange,
            "differs": not self.kept_by_exchange and (not right or bool(self.add or self.remove)),
            "add": self.add,
            "remove": self.remove,
            "new": self.new,
            "surplus": self.surplus,
        }


def read_groups(wanted: Mapping[str, Any]) -> list[Group]:
    """Read what is wanted: by role, each with `group` and perhaps `members`."""
    groups = []
    for role, values in wanted.items():
        if role not in ROLES:
            raise AuthorizationError(f"the role {role!r} is none: expected {', '.join(ROLES)}")
        if not isinstance(values, Mapping):
            raise AuthorizationError(f"{role} is {values!r}: expected a dictionary with group and members")
        members = values.get("members")
        if members is not None and (isinstance(members, (str, Mapping)) or not isinstance(members, Iterable)):
            raise AuthorizationError(f"the members of {role} are {members!r}: expected a list")
        if not values.get("group"):
            raise AuthorizationError(f"{role}: members are given and no group to have them")
        account = Account.of(values["group"])
        if members is not None:
            members = list(dict.fromkeys(map(Account.of, members)))
        groups.append(Group(role, account, members, kept_by_exchange=account.name == EXCHANGE_SERVERS))
    return groups


def search(wanted: Mapping[str, Any]) -> list[dict[str, str]]:
    """LDAP filters, one for each server, that find the groups and all members that are wanted."""
    conditions: dict[str, list[str]] = {}
    for group in read_groups(wanted):
        for account in (group.account, *(group.members or ())):
            found = conditions.setdefault(account.server, [])
            if account.condition not in found:
                found.append(account.condition)
    return [{"server": server, "ldap_filter": f"(|{''.join(items)})"} for server, items in conditions.items()]


def plan(
    wanted: Mapping[str, Any], found: Iterable[Mapping[str, Any]], scope: str, exclusive: bool, domain: str
) -> dict[str, Any]:
    """Compare the directory with what is wanted.

    Args:
        wanted: see `read_groups`.
        found: what the directory has: the results of microsoft.ad.object_info, looped over what `search` returned.
        scope: that of the groups.
        exclusive: whether members that nobody named are removed.
        domain: the NetBIOS name of the groups' domain, where it is known.

    Returns:
        `errors`, each of which forbids to write anything, and `groups`.
    """
    if scope not in ("universal", "domainlocal"):
        raise AuthorizationError(f"the scope is {scope!r}: expected universal or domainlocal")
    entries = dict(map(_found_on_server, found))
    groups = read_groups(wanted)
    errors: list[str] = []

    def look_up(account: Account) -> Entry | None:
        return next((entry for entry in entries.get(account.server, ()) if account.is_entry(entry)), None)

    # role -> dn in lower case -> name: who will have the role
    holders: dict[str, dict[str, str]] = {}
    nested: dict[str, set[str]] = {}
    for group in groups:
        group.entry = look_up(group.account)
        errors += _group_errors(group, scope)
        present = {dn.lower(): dn for dn in (group.entry.members if group.entry else ())}
        holders[group.role] = {} if exclusive and group.members is not None and not group.kept_by_exchange else {
            key: _name(dn) for key, dn in present.items()
        }  # fmt: skip
        named: set[str] = set()
        for member in group.members or ():
            entry = look_up(member)
            if entry is None:
                errors.append(f"{group.role}: there is no {member.text} in the directory{_hint(group.role, member)}")
                continue
            if entry.kind not in KINDS[group.role]:
                expected = " or ".join(dict.fromkeys(KINDS[group.role].values()))
                errors.append(f"{group.role}: {member.text} is a {entry.kind}; expected {expected}")
            key = entry.dn.lower()
            named.add(key)
            holders[group.role][key] = member.text
            nested.setdefault(key, set()).update(dn.lower() for dn in entry.groups)
            if key not in present:
                group.add.append({"name": entry.dn, "server": member.server} if member.server else entry.dn)
                group.new.append(member.text)
        if group.members is not None:
            rest = [dn for key, dn in present.items() if key not in named]
            if exclusive:
                group.remove = rest
            group.surplus = [_name(dn) for dn in rest]
    errors += _shared_errors(groups, holders, nested)
    return {"errors": errors, "groups": [group.as_result(scope, domain) for group in groups]}


def _found_on_server(item: Any) -> tuple[str, list[Entry]]:
    """The server that was asked, and what it has, of one result of microsoft.ad.object_info."""
    objects = item.get("objects") if isinstance(item, Mapping) else item
    asked = item.get("item") if isinstance(item, Mapping) else None
    if not isinstance(objects, (list, tuple)) and objects is not None:
        raise AuthorizationError(f"a result of the directory is {item!r}: expected one of microsoft.ad.object_info")
    server = asked.get("server") if isinstance(asked, Mapping) else ""
    return str(server or ""), [Entry.of(one) for one in objects or ()]


def _group_errors(group: Group, scope: str) -> list[str]:
    name, entry = group.account.text, group.entry
    if group.kept_by_exchange:
        if group.role != "exchange":
            return [f'{group.role}: "{name}" is the group of the Exchange servers; expected a group of its own']
        if group.members is not None:
            return [f'exchange: "{name}" is kept by Exchange, and its members are never set; leave members out']
        if entry is None:
            return [f'exchange: there is no "{name}" in the directory; the setup of Exchange makes it']
        return []
    if entry is None:
        return []
    if entry.kind != "group":
        return [f"{group.role}: {name} is a {entry.kind}; expected a group"]
    if {entry.scope, scope} == {"global", "domainlocal"}:
        return [
            f"{group.role}: {name} is a global group, which cannot become {scope} in one step; make it universal first"
        ]
    return []


def _shared_errors(
    groups: Sequence[Group], holders: Mapping[str, Mapping[str, str]], nested: Mapping[str, set[str]]
) -> list[str]:
    """Accounts and groups that would have two roles, of which the connector takes one."""
    errors = []
    for index, first in enumerate(groups):
        for second in groups[index + 1 :]:
            if first.account.name == second.account.name:
                errors.append(f"{first.account.text} is the group of {first.role} and of {second.role}")
                continue
            mine, others = holders[first.role], holders[second.role]
            twice = {key: mine[key] for key in mine if key in others}
            for one, other in ((mine, others), (others, mine)):
                twice |= {key: one[key] for key in one if nested.get(key, set()) & set(other)}
                # the group of a role as a member of another's
            for one, group in ((mine, second), (others, first)):
                if group.entry and group.entry.dn.lower() in one:
                    twice[group.entry.dn.lower()] = group.account.text
            errors += [
                f"{name} would be in the groups of {first.role} and of {second.role}; an account may have one role"
                for name in twice.values()
            ]
    return errors


def _hint(role: str, member: Account) -> str:
    if "computer" in KINDS[role] and not member.is_dn and not member.name.endswith("$"):
        return f"; a computer is called {member.text}$"
    return ""


def _name(dn: str) -> str:
    return re.split(r"(?<!\\),", dn)[0].partition("=")[2].replace("\\,", ",")


# -- the connector's own list ------------------------------------------------------------------------------------------


def notes(groups: Iterable[Mapping[str, Any]], exclusive: bool = False) -> list[str]:
    """What the operator has to know about the groups of a plan."""
    found = list(groups)
    super_users = (
        "with this role, every member becomes a super user of the protection service, who can open all content"
    )
    lines = [f"{group['account']}: {super_users}." for group in found if group["role"] == "exchange"]
    kept = [group["account"] for group in found if group["kept_by_exchange"]]
    lines += [f"{account}: Exchange maintains this group; its members are only read." for account in kept]
    new = [member for group in found for member in group["new"]]
    surplus = [member for group in found for member in group["surplus"]]
    if new:
        lines.append(
            f"{', '.join(new)}: new members have their group from the next logon on. A computer needs a restart, or"
            ' "klist -li 0x3e7 purge" as an administrator. A service account needs its services to restart.'
        )
    if surplus and not exclusive:
        lines.append(f"{', '.join(surplus)}: unlisted members, kept because rms_authorization_exclusive is false.")
    return lines


def list_step(groups: Iterable[Mapping[str, Any]], host: str, cloud: str) -> dict[str, Any]:
    """The manual step that corrects the authorization list of the connectors."""
    accounts = {group["title"]: group["account"] for group in groups}
    return {
        "host": host,
        "title": LIST_TITLE,
        "program": "Microsoft RMS connector",
        "account_role": "ConnectorAdministrator",
        "cloud": cloud,
        "accounts": accounts,
        "steps": [
            f'Start the connector administration tool "Microsoft RMS connector" on {host}, or on a host that'
            " can browse the accounts of the forest.",
            f"Sign in to {cloud} with an account that has the role ConnectorAdministrator or GlobalAdministrator of the"
            " protection service.",
            *(f"Add {account} with the role {title}." for title, account in accounts.items()),
            'Close the tool. Every connector fetches the list within 15 minutes, or at once after "iisreset". Then run'
            " this again: it verifies the list.",
        ],
    }


@dataclass(frozen=True)
class List:
    """The wanted authorization list of a connector.

    Attributes:
        groups: as in what `plan` returns.
        ignore: accounts whose refusal means nothing.
        cloud: that an operator signs in to.
    """

    groups: list[dict[str, Any]]
    ignore: list[str]
    cloud: str

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> List | None:
        """Read the variables rms_authorization_*; None where they name no group, or none that can be read."""
        given = {role: values.get(f"rms_authorization_{role}_group") for role in ROLES}
        wanted = {role: {"group": group} for role, group in given.items() if group}
        cloud = values.get("rms_authorization_cloud") or values.get("rms_connector_cloud") or "AzureCloud"
        try:
            groups = plan(wanted, (), "universal", False, values.get("rms_authorization_domain", ""))["groups"]
        except AuthorizationError:
            return None
        return cls(groups, values.get("rms_authorization_ignore", []), cloud) if groups else None

    @property
    def accounts(self) -> list[str]:
        return [group["account"] for group in self.groups]

    def is_verified(self, connector: Mapping[str, Any]) -> bool:
        return bool(verify(connector, self.accounts, self.ignore)["status"] == "verified")

    def step(self, host: str) -> dict[str, Any]:
        """What an operator has to do."""
        return list_step(self.groups, host, self.cloud)


def verify(connector: Any, wanted: Iterable[Any], ignore: Iterable[Any] = ()) -> dict[str, Any]:
    """Compare the authorization list of a connector, as its events tell it, with the accounts that are wanted on it.

    Args:
        connector: the fact `connector` of a host, or None.
        wanted: the accounts; those of the groups.
        ignore: accounts whose refusal means nothing, such as that of a probe.

    Returns:
        `status`: verified, differs, empty (the connector says that its list is), or unknown; `missing`, `extra` and
        `refused` accounts; `lines` for people.
    """
    accounts = [Account.of(value) for value in wanted]
    if not isinstance(connector, Mapping):
        return _verdict("unknown", ["there is no connector on this host"])
    if connector.get("installed") is False:
        return _verdict("unknown", ["the connector is not installed yet, somebody has to run its setup"])
    told = connector.get("events")
    events = [event for event in told if isinstance(event, Mapping)] if isinstance(told, (list, tuple)) else []
    updated = _time(connector.get("last_list_update"))
    emptied = [_time(event.get("time")) for event in events if _number(event.get("id")) == EMPTY_LIST]
    refused = _refused(events, [Account.of(value) for value in ignore])
    lines = [
        f"{name} asked and is not authorized (event {NOT_AUTHORIZED})" if name else f"event {NOT_AUTHORIZED}: {text}"
        for name, text in refused.items()
    ]
    if connector.get("status") == "stopped":
        lines.append("the connector is stopped; its list is the last that it had")
    names = [name for name in refused if name]
    listed = connector.get("authorized")
    emptied_last = any(updated is None or (time is not None and time > updated) for time in emptied)
    if emptied_last:
        return _verdict(
            "empty" if accounts else "verified", ["the connector's list is empty", *lines],
            missing=[account.text for account in accounts], refused=names,
        )  # fmt: skip
    if not listed or not isinstance(listed, (list, tuple)):
        why = (
            f"the connector's events name no list yet (event {LIST})"
            if updated is None
            else f"event {LIST} names no account that can be read here: look at it in the Application log of the host"
        )
        return _verdict("unknown", [why, *lines], refused=names)
    present = [Account(text) for item in listed if (text := str(item).strip())]
    missing = [account.text for account in accounts if not any(_same(account, one) for one in present)]
    extra = [one.text for one in present if not any(_same(account, one) for account in accounts)]
    lines = (
        [f"{name} is not on the connector's list" for name in missing]
        + [f"{name} is on the connector's list and nobody asked for it" for name in extra]
        + lines
    )
    return _verdict("differs" if missing else "verified", lines, missing=missing, extra=extra, refused=names)


def _verdict(status: str, lines: list[str], **names: list[str]) -> dict[str, Any]:
    return {"status": status, "missing": [], "extra": [], "refused": [], **names, "lines": lines}


def _same(wanted: Account, listed: Account) -> bool:
    """Whether an entry of the list is an account; what stands behind the name (a role, a comma) is not known."""
    for text in (listed.text, re.split(r"[(\[,;\t]", listed.text, maxsplit=1)[0].rstrip()):
        one = Account(text)
        principal = re.fullmatch(r"([^@\\]+)@([^@\\]+)", one.text)
        name, domain = (principal[1].lower(), principal[2].lower()) if principal else (one.name, one.domain)
        if name == wanted.name:
            # CONTOSO and contoso.test are the same, as far as anybody can tell from the names
            labels = {part.partition(".")[0] for part in (domain, wanted.domain) if part}
            if len(labels) < 2:
                return True
    return False


def _refused(events: Iterable[Mapping[str, Any]], ignore: Sequence[Account]) -> dict[str, str]:
    """Account -> text of the event; an event without one has the key ''."""
    refused: dict[str, str] = {}
    for event in events:
        if _number(event.get("id")) != NOT_AUTHORIZED:
            continue
        text = str(event.get("text") or "")[:MOST_READ]
        named = str(event.get("account") or "")
        found = re.search(r"(?<![\w.\\-])([\w.-]+\\[\w.$-]*[\w$])", text) or re.search(
            r"(?<![\w.+-])([\w.+-]+@[\w-]+(?:\.[\w-]+)+)", text
        )
        name = named or (found[1] if found else "")
        if not (name and any(_same(account, Account(name)) for account in ignore)):
            refused.setdefault(name, text)
    return refused


def _number(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return 0


def _time(value: Any) -> datetime.datetime | None:
    try:
        time = datetime.datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=datetime.UTC)


def unverified(hosts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The hosts whose authorization list differs, by their variables; one that was not compared has no verdict."""
    found = {name: known.get("rms_authorization_verdict") for name, known in hosts.items()}
    return [
        name
        for name, verdict in found.items()
        if isinstance(verdict, Mapping) and not verdict.get("skipped") and verdict.get("status") != "verified"
    ]
