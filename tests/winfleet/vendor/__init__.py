"""Stand-ins of Microsoft's installers, built here: the clients, .NET Framework, Windows Management Framework.

`packages()` builds them once (half a minute), with wixl, NSIS and osslsigncode, and returns where they are:

    from winfleet import vendor
    vendor.packages()["AzInfoProtection_UL-2.18.26.msi"]      # a Path
"""

from winfleet.vendor.packages import Packages, VendorError, packages

__all__ = ["Packages", "VendorError", "packages"]
