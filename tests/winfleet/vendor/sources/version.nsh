; The version resource of a program of Microsoft's: TITLE, VERSION (four numbers)
VIProductVersion "${VERSION}"
VIFileVersion "${VERSION}"
VIAddVersionKey /LANG=1033 "ProductName" "${TITLE}"
VIAddVersionKey /LANG=1033 "FileDescription" "${TITLE}"
VIAddVersionKey /LANG=1033 "CompanyName" "Microsoft Corporation"
VIAddVersionKey /LANG=1033 "LegalCopyright" "stand-in of winfleet"
VIAddVersionKey /LANG=1033 "FileVersion" "${VERSION}"
VIAddVersionKey /LANG=1033 "ProductVersion" "${VERSION}"
