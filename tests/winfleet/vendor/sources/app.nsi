; MSIP.App.exe: there to be found, with its version. TITLE, VERSION
Unicode true
Target amd64-unicode
Name "${TITLE}"
OutFile "${OUTPUT}"
RequestExecutionLevel user
SilentInstall silent
!include version.nsh
Section
SectionEnd
