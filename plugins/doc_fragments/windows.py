# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation of several modules has in common."""

from __future__ import annotations


class ModuleDocFragment:
    """Shared documentation.

    Every module has DOCUMENTATION, those that refuse empty texts TEXT, those that sign in to the protection service
    SIGN_IN, those that write registry values REGISTRY, those that run an installer INSTALLER.
    """

    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Can run in check mode and says what would change, without changing anything.
    support: full
  diff_mode:
    description: Returns what changed, or in check mode would change, when run in diff mode.
    support: full
  platform:
    description: The kind of host that the module runs on.
    support: full
    platforms: windows
notes:
  - The host needs Windows PowerShell 5.1. It is part of Windows Server 2016 and later; on 2012 and 2012 R2 it comes
    with Windows Management Framework 5.1.
author:
  - infoprotect.aip maintainers (@infoprotect)
"""

    TEXT = r"""
options: {}
notes:
  - An empty or blank text in an option, or in an element of its list, is an error. To leave the option out in a
    template, use C(default(omit, true)).
"""

    SIGN_IN = r"""
options:
  username:
    description:
      - The account that signs in to the protection service, a global administrator of the service or of Microsoft
        Entra ID, or one of the directory roles that may administer the service. It must not need multi-factor
        authentication.
    type: str
  password:
    description:
      - The password of O(username).
    type: str
  application_id:
    description:
      - The application (service principal) that signs in, instead of O(username), with O(client_secret) or
        O(certificate_thumbprint). It needs the API permission C(Application.Read.All), and C(AIPService) 1.0.0.5 or
        later.
      - Microsoft does not say what an application may change.
    type: str
  client_secret:
    description:
      - The secret of the application.
    type: str
  certificate_thumbprint:
    description:
      - The thumbprint of the application's certificate, which is on the host with its private key. Quote it, since
        YAML reads one of digits only as a number. That is refused, as it is for the other texts.
    type: str
  access_token:
    description:
      - An access token for C(https://api.aadrm.com/) instead of O(username), gotten with the client id
        C(90f610bf-206d-4950-b61d-37fa6fd1b224).
    type: str
  tenant_id:
    description:
      - The id of the tenant in Microsoft Entra ID, a GUID. Needed with O(application_id); otherwise the account's.
    type: str
  cloud:
    description:
      - The cloud of the tenant.
      - Microsoft documents another cloud than V(AzureCloud) only for a sign-in at the screen. A version of
        C(AIPService) that does not take it together with O(username), O(application_id) or O(access_token) is an
        error, before anybody signs in.
    type: str
    choices: [AzureCloud, AzureChinaCloud, AzureUSGovernment]
    default: AzureCloud
notes:
  - The host needs Microsoft's PowerShell module C(AIPService) and a way to the protection service. One task signs in
    once, and signs out again whatever happens.
  - Passwords, secrets and tokens reach the host within the module's encrypted session only, never on a command line,
    and are in no result, log or error.
"""

    REGISTRY = r"""
options: {}
notes:
  - Keys are opened for reading only until a value really has to be written. Check mode never opens a key for writing
    and so needs no more than the right to read.
  - Before the first write, the values as they were are kept in a receipt below C(%ProgramData%\infoprotect\receipts).
    Only administrators and the system account can open that folder. The first receipt and the newest 50 are kept.
    M(infoprotect.aip.restore) brings the values back.
  - Every value is read back after it was written. If a write fails, or reads back differently, everything that the
    task wrote is undone, and the task fails with each value and the reason.
"""

    INSTALLER = r"""
options:
  src:
    description:
      - The installer on the controller, MSI or EXE; a relative path is looked for in C(files) of the role or
        playbook.
      - It is copied only to a host that needs it, and removed there afterwards.
      - Exclusive with O(path).
    type: str
  path:
    description:
      - The installer on the host, on a share (C(\\server\share\file)) or at a URL that starts with C(https://)
        or C(http://).
      - A session of WinRM cannot sign in to other hosts, so that a share needs O(share_username), or a connection
        that delegates (CredSSP, Kerberos with delegation).
      - It is brought into a folder that only administrators can write, checked there and run from there. A
        download lands whole or not at all.
      - A URL with a query, in which there may be a signature, is shown nowhere; names and passwords belong into
        O(url_username) and O(url_password).
      - Exclusive with O(src).
    type: str
  checksum:
    description:
      - The SHA-256 checksum of the installer, 64 hexadecimal digits. Another file is refused.
      - Microsoft replaces the file at an address by a newer one. So a checksum belongs to a copy that you keep
        yourself; for Microsoft's own addresses rely on the version and the signature.
    type: str
  validate_signature:
    description:
      - Whether the installer has to have a valid signature of the O(publisher).
      - A host without internet access may lack the root certificate that the signature needs.
      - When V(false), an installer that comes by plain C(http://) needs a O(checksum).
    type: bool
    default: true
  publisher:
    description:
      - The name (CN) in the certificate that signed the installer.
    type: str
    default: Microsoft Corporation
  arguments:
    description:
      - More arguments for the installer, as they stand on its command line. They are visible in the list of
        processes and must hold no secret.
    type: list
    elements: str
    default: []
  log_path:
    description:
      - Where the log of the installation is kept, in a folder that exists.
      - By default it is a new file in C(%ProgramData%\infoprotect\logs). The newest 20 logs in that folder are kept,
        each with those that the installer wrote beside it. Logs in a folder of your own are never removed.
    type: str
  timeout:
    description:
      - Seconds that an installer may take. Then it is ended with the processes that it has started, and the task fails.
      - What services do for it, Windows Installer's for instance, cannot be ended and may go on. The next run waits for
        it as O(busy_timeout) says.
    type: int
    default: 3600
  busy_timeout:
    description:
      - Seconds to wait for another installation on the host to end, of this collection or of Windows Installer
        (exit code 1618).
    type: int
    default: 600
  share_username:
    description:
      - The account that opens the share in O(path), C(DOMAIN\user) or C(user@domain).
    type: str
  share_password:
    description:
      - The password of O(share_username).
    type: str
  url_username:
    description:
      - The account for the URL in O(path).
    type: str
  url_password:
    description:
      - The password of O(url_username).
    type: str
  url_timeout:
    description:
      - Seconds to wait for the web server to answer.
    type: int
    default: 30
  validate_certs:
    description:
      - Whether the certificate of the web server has to be valid.
    type: bool
    default: true
  use_proxy:
    description:
      - Whether the proxy of the host's settings is used, when O(proxy_url) is not given.
    type: bool
    default: true
  proxy_url:
    description:
      - The proxy for the download.
    type: str
  proxy_username:
    description:
      - The account for the proxy.
    type: str
  proxy_password:
    description:
      - The password of O(proxy_username).
    type: str
  reboot:
    description:
      - Whether the host is restarted when a restart is due for what this module has installed or removed. Otherwise
        RV(reboot_required) says so.
    type: bool
    default: false
  reboot_timeout:
    description:
      - Seconds to wait for the host to come back, as in M(ansible.windows.win_reboot).
    type: int
    default: 600
notes:
  - Exit codes 0, 3010 (a restart is due) and 1641 (the installer restarts the host) are success. On 1618 the
    installer is started again until O(busy_timeout) is over. Any other is an error with its meaning and the last
    lines of the log.
  - Two runs at once on a host install one after the other.
  - Does not support C(async).
"""
