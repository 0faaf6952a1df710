# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""The service plans of Rights Management, as Microsoft Graph names them.

Without graph.py, whose packages take long to load.
"""

from __future__ import annotations

#: The service plan of Azure Rights Management, and what the licenses of users call it, the second for a government
RIGHTS_MANAGEMENT = "RMS_S_ENTERPRISE"
RIGHTS_MANAGEMENT_IDS = ("bea4c11e-220a-4e6d-8eb8-8ea15d019f90", "6a76346d-5d6e-4051-9fe3-ed3f312b5597")
#: The service plans of Azure Information Protection, P1 and P2
INFORMATION_PROTECTION = ("RMS_S_PREMIUM", "RMS_S_PREMIUM2")
PLANS = (RIGHTS_MANAGEMENT, *INFORMATION_PROTECTION)
#: How their names end in subscriptions of the government of the United States
GOVERNMENT = "_GOV"
#: Of subscriptions and of licenses: in use, the second during the grace period after the end
IN_USE = ("Enabled", "Warning")
#: Of a service plan in a subscription
NOT_THERE = ("Disabled", "Error")
#: RMS for individuals. Microsoft asks not to use it for an organization.
INDIVIDUALS = "RIGHTSMANAGEMENT_ADHOC"
