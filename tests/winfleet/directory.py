"""What a fleet's hosts share beside the network: an Active Directory domain, and a tenant of the protection service.

Both are JSON files in the folder `shared` of the fleet's state, which hosts find as C:\\windows\\winfleet\\shared.
The modules ActiveDirectory and AIPService (doubles/modules) read and write them there, under a lock that they and this
module take.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from winfleet.identity import Identity

Json = dict[str, Any]

DIRECTORY = "directory"
TENANT = "tenant"
_EXCHANGE_UNIT = "OU=Microsoft Exchange Security Groups"
_UNIVERSAL_SECURITY = -2147483640  # groupType as the directory keeps it
_USERS_CONTAINER = "A9D1CA15768811D1ADED00C04FD8D5CD"

_ID = "5c6bb73b-1038-4eec-863d-49bded473437"
_URL = f"https://{_ID}.rms.na.aadrm.com/_wmcs"
#: What Microsoft Entra ID answers, by the codes that it publishes; AIPService.psm1 has the same
_UNKNOWN_ACCOUNT = "AADSTS50034: The user account {0} does not exist in the directory."
_SECOND_FACTOR = (
    "AADSTS50076: Due to a configuration change made by your administrator, or because you moved to a new location, "
    "you must use multi-factor authentication to access this resource."
)
_NO_ROLE = "The account {0} has no role that may set up a connector."  # ours


def _template(template: str, name: str, **differs: Any) -> Json:
    """A template as AIPService.psm1 keeps it."""
    return {
        "id": template,
        "names": {"1033": name},
        "descriptions": {"1033": f"{name} content"},
        "rights": [{"holder": "AllStaff-7184AB3F-CCD1-46F3-8233-3E09E9CF0E66@contoso.test", "granted": ["VIEW"]}],
        "status": "Published",
        "expiration": "Never",
        "content_days": 0,
        "license_days": 7,
        "scope": [],
        "legacy": False,
        "read_only": False,
        "label": "",
        **differs,
    }


#: The tenant as it is when it is new; throwaway passwords of accounts that exist nowhere else.
NEW_TENANT: Json = {
    "protection_service_id": _ID,
    "tenant_id": "0b4b5b3e-2f6c-4f0d-9a55-3b8b3b6c1f10",
    "state": "Enabled",
    "licensing_url": f"{_URL}/licensing",
    "certification_url": f"{_URL}/certification",
    "accounts": [
        {"id": "10000000-0000-4000-8000-000000000001", "email": "admin@contoso.test", "password": "Winfleet!tenant",
         "administrator": True},
        {"id": "10000000-0000-4000-8000-000000000002", "email": "mfa@contoso.test", "password": "Winfleet!tenant",
         "administrator": True, "mfa": True},
        {"id": "10000000-0000-4000-8000-000000000003", "email": "user@contoso.test", "password": "Winfleet!tenant"},
        {"id": "10000000-0000-4000-8000-000000000004", "email": "connector@contoso.test"},
        {"id": "10000000-0000-4000-8000-000000000005", "email": "", "name": "RMS Connector Administrators",
         "kind": "security"},
        {"id": "10000000-0000-4000-8000-000000000006", "application_id": "20000000-0000-4000-8000-000000000001",
         "password": "Winfleet!secret", "certificate": "00112233445566778899AABBCCDDEEFF00112233",
         "token": "winfleet.access.token", "administrator": True},
        {"id": "10000000-0000-4000-8000-000000000007", "email": "superusers@contoso.test", "name": "Super Users",
         "kind": "security"},
        {"id": "10000000-0000-4000-8000-000000000008", "email": "everyone@contoso.test", "name": "Everyone",
         "kind": "distribution"},
    ],
    "roles": [],
    "sessions": [],
    "onboarding": {"licensed": False, "group": "", "scope": ""},
    "super_user_feature": "Disabled",
    "super_users": [],
    "super_user_group": "",
    "document_tracking": "Enabled",
    "do_not_track_group": "",
    "platforms": dict.fromkeys(
        ("Windows", "WindowsStore", "WindowsPhone", "Mac", "iOS", "Android", "Web"), True),
    "license_days": 30,
    "ipcv3": "Enabled",
    "keys": [{"id": "c46b5d49-1c4c-4a79-83d1-ec12a25f3134", "created": "2014-01-30T21:01:31Z", "status": "Active",
              "type": "Microsoft-managed"}],
    "templates": [
        _template("c46b5d49-1c4c-4a79-83d1-ec12a25f3134", "Confidential", read_only=True),
        _template("5c6d36f9-c24e-4222-786e-b1a8a1ecab60", "Confidential View Only", read_only=True),
        _template("7b1db17a-cb1a-41cf-bad7-b452f9d384c1", "Project", label="28168524-29c3-44f1-9e11-ea6c60bb6428"),
    ],
    "admin_log": [],
    "usage": {},
}  # fmt: skip


@contextlib.contextmanager
def opened(state: Path, name: str, new: Json | None = None) -> Iterator[Json]:
    """Read a file of the fleet, and write it back when it was changed; nobody else does meanwhile.

    Args:
        state: the fleet's folder.
        name: DIRECTORY or TENANT.
        new: what it is when it does not exist yet.
    """
    folder = state / "shared"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)  # the directory knows the accounts' passwords
    file = folder / f"{name}.json"
    with (folder / f"{name}.lock").open("a+b") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX, 1)  # a record lock, as Wine takes it for a program
        before = json.loads(file.read_text()) if file.exists() else None
        data = json.loads(json.dumps(before if before is not None else new or {}))
        yield data
        if data != before:
            draft = file.with_suffix(".new")
            draft.touch(mode=0o600)
            draft.write_text(json.dumps(data))
            draft.rename(file)


def sign_in_to_setup(state: Path, email: str) -> None:
    """Sign in to the connector's setup, as far as an account can be refused.

    Raises:
        ValueError: the directory or the service refuses it.
    """
    with opened(state, TENANT, NEW_TENANT) as tenant:
        account = next((one for one in tenant["accounts"] if one.get("email", "").lower() == email.lower()), None)
        if account is None:
            raise ValueError(_UNKNOWN_ACCOUNT.format(email))
        if account.get("mfa"):
            raise ValueError(_SECOND_FACTOR)
        # Either role that AIPService gives may set up a connector
        if not account.get("administrator") and account["id"] not in {role["id"] for role in tenant["roles"]}:
            raise ValueError(_NO_ROLE.format(email))


def prepare(state: Path, hosts: Iterable[Identity], users: Iterable[str] = ()) -> None:
    """Have the tenant, and an account in the directory for every host and user; what is there stays as it is."""
    with opened(state, TENANT, NEW_TENANT) as tenant:
        for name, value in NEW_TENANT.items():
            tenant.setdefault(name, value)
    members = [identity for identity in hosts if identity.domain]
    if not members:
        return
    domain = members[0].domain
    base = ",".join(f"DC={label}" for label in domain.split("."))
    with opened(state, DIRECTORY, _new_directory(domain, base)) as directory:
        known = {entry["dn"].lower(): entry for entry in directory["objects"]}

        def add(dn: str, kind: str, **attributes: Any) -> Json:
            if dn.lower() not in known:
                sid = f"{directory['sid']}-{directory['next_rid']}"
                directory["next_rid"] += 1
                entry = {"dn": dn, "guid": str(uuid.uuid4()), "sid": sid, "class": kind, "attributes": attributes}
                directory["objects"].append(entry)
                known[dn.lower()] = entry
            return known[dn.lower()]

        for user in users:
            add(f"CN={user},CN=Users,{base}", "user", sAMAccountName=user, userPrincipalName=f"{user}@{domain}")
        for identity in members:
            if identity.domain != domain:
                continue
            name = identity.computer_name
            controller = "domain_controller" in identity.roles
            place = f"OU=Domain Controllers,{base}" if controller else f"CN=Computers,{base}"
            computer = add(f"CN={name},{place}", "computer", sAMAccountName=f"{name}$")
            if controller and name not in directory["controllers"]:
                directory["controllers"].append(name)
            directory["accounts"] |= identity.accounts
            if "exchange" in identity.roles:  # what the setup of Exchange does
                add(f"{_EXCHANGE_UNIT},{base}", "organizationalUnit")
                group = add(
                    f"CN=Exchange Servers,{_EXCHANGE_UNIT},{base}",
                    "group",
                    sAMAccountName="Exchange Servers",
                    groupType=_UNIVERSAL_SECURITY,
                    member=[],
                )
                if computer["dn"] not in group["attributes"]["member"]:
                    group["attributes"]["member"].append(computer["dn"])


def forget(state: Path) -> None:
    """Directory and tenant are new again at the next start."""
    for name in (DIRECTORY, TENANT):
        (state / "shared" / f"{name}.json").unlink(missing_ok=True)


def _new_directory(domain: str, base: str) -> Json:
    def container(dn: str, kind: str, attributes: Mapping[str, Any] | None = None) -> Json:
        return {"dn": dn, "guid": str(uuid.uuid4()), "sid": "", "class": kind, "attributes": dict(attributes or {})}

    users = f"CN=Users,{base}"
    return {
        "domain": domain,
        "netbios": domain.split(".")[0].upper(),
        "base": base,
        "sid": "S-1-5-21-1004336348-1177238915-682003330",
        "next_rid": 1105,
        "accounts": {},
        "controllers": [],
        "objects": [
            container(base, "domainDNS", {"wellKnownObjects": [f"B:32:{_USERS_CONTAINER}:{users}"]}),
            container(users, "container"),
            container(f"CN=Computers,{base}", "container"),
            container(f"OU=Domain Controllers,{base}", "organizationalUnit"),
        ],
    }
