; A client's EXE: what a bundle of WiX Burn does with the one MSI in it.
; TITLE, VERSION, FILE (its name), BUNDLE and UPGRADE (GUIDs of the bundle and of its line), UPGRADE_HEX (REG_MULTI_SZ), MSI (a path), PRODUCT
; (the MSI's product code). Faults: installer.nsh; die=files: the files are there and nothing is registered, die=msi: the MSI is, the bundle not.
Unicode true
Target amd64-unicode
Name "${TITLE}"
OutFile "${OUTPUT}"
RequestExecutionLevel user
SilentInstall silent
CRCCheck off
SetCompress off
!include installer.nsh
!include FileFunc.nsh
!include version.nsh

!define UNINSTALL "SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall"
!define CACHE "C:\ProgramData\Package Cache"
!define PACKAGE "MSIP.Setup.Main.msi"

Var Uninstall
Var Repair
Var Quiet
Var Log
Var PackageLog
Var Properties
Var Found ; how a related bundle stands to this one
Var Key

Function Say ; a line of Burn's log: $0
  ${If} $Log != ""
    ${GetTime} "" "L" $1 $2 $3 $4 $5 $6 $7
    FileOpen $8 $Log a
    FileSeek $8 0 END
    FileWrite $8 "[0974:0A2C][$3-$2-$1T$5:$6:$7]$0$\r$\n"
    FileClose $8
  ${EndIf}
FunctionEnd
!macro Say TEXT
  StrCpy $0 `${TEXT}`
  Call Say
!macroend
!define Say "!insertmacro Say"

Function Parse
  Call ReadArguments
  ${Do}
    Call NextArgument
    ${If} $0 == ""
      ${ExitDo}
    ${EndIf}
    StrCpy $2 $0 1
    ${If} $2 == "/"
    ${OrIf} $2 == "-"
      StrCpy $2 $0 "" 1
      ${If} $2 == "uninstall"
      ${OrIf} $2 == "x"
        StrCpy $Uninstall 1
      ${ElseIf} $2 == "repair"
        StrCpy $Repair 1
      ${ElseIf} $2 == "quiet"
      ${OrIf} $2 == "q"
      ${OrIf} $2 == "silent"
      ${OrIf} $2 == "s"
      ${OrIf} $2 == "passive"
        StrCpy $Quiet 1
      ${ElseIf} $2 == "log"
      ${OrIf} $2 == "l"
        Call NextArgument
        StrCpy $Log $0
      ${EndIf}
    ${ElseIf} $0 == "PowerShellOnly=true"
      StrCpy $Properties "$Properties POWERSHELLONLY=true"
    ${ElseIf} $0 == "AllowTelemetry=0"
      StrCpy $Properties "$Properties ENABLETELEMETRY=0"
    ${EndIf}
  ${Loop}
FunctionEnd

; The version of the MSI's product that is installed -> $0, "" when none is
Function InstalledVersion
  StrCpy $0 ""
  System::Call 'msi::MsiGetProductInfoW(w "${PRODUCT}", w "VersionString", w .r2, *i 64) i .r1'
  ${If} $1 == 0
    StrCpy $0 $2
  ${EndIf}
FunctionEnd

!include versions.nsh

; The next bundle of this line, other than this: from number $R0 on -> $Key, "" after the last; $Found: -1 older, 1 newer
Function NextRelated
  SetRegView 32
  ${Do}
    EnumRegKey $Key HKLM "${UNINSTALL}" $R0
    IntOp $R0 $R0 + 1
    ${If} $Key == ""
    ${OrIf} $Key == "${BUNDLE}"
      ${If} $Key == ""
        Return
      ${EndIf}
      ${Continue}
    ${EndIf}
    ; KEY_WOW64_32KEY, any type: it is a REG_MULTI_SZ
    System::Call 'advapi32::RegGetValueW(p 0x80000002, w "${UNINSTALL}\$Key", w "BundleUpgradeCode", i 0x2ffff, p 0, w .r1, *i 512) i .r0'
    ${If} $0 == 0
    ${AndIf} $1 == "${UPGRADE}"
      ReadRegStr $0 HKLM "${UNINSTALL}\$Key" "BundleVersion"
      StrCpy $1 "${VERSION}"
      Call CompareVersions
      StrCpy $Found $0
      Return
    ${EndIf}
  ${Loop}
FunctionEnd

Function Register
  SetRegView 32
  StrCpy $Key "${UNINSTALL}\${BUNDLE}"
  StrCpy $1 "${CACHE}\${BUNDLE}\${FILE}"
  WriteRegStr HKLM $Key "BundleCachePath" $1
  WriteRegMultiStr /REGEDIT5 HKLM $Key "BundleUpgradeCode" ${UPGRADE_HEX}
  WriteRegStr HKLM $Key "BundleVersion" "${VERSION}"
  WriteRegStr HKLM $Key "BundleProviderKey" "${BUNDLE}"
  WriteRegStr HKLM $Key "BundleTag" ""
  WriteRegDWORD HKLM $Key "VersionMajor" ${MAJOR}
  WriteRegDWORD HKLM $Key "VersionMinor" ${MINOR}
  WriteRegStr HKLM $Key "EngineVersion" "3.11.1.2318"
  WriteRegStr HKLM $Key "DisplayIcon" "$1,0"
  WriteRegStr HKLM $Key "DisplayName" "${TITLE}"
  WriteRegStr HKLM $Key "DisplayVersion" "${VERSION}"
  WriteRegStr HKLM $Key "Publisher" "Microsoft Corporation"
  WriteRegStr HKLM $Key "QuietUninstallString" '"$1" /uninstall /quiet'
  WriteRegStr HKLM $Key "UninstallString" '"$1" /uninstall'
  WriteRegDWORD HKLM $Key "Installed" 1
FunctionEnd

Function Msiexec ; arguments in $0 -> exit code in $0
  StrCpy $R3 "$0 /qn REBOOT=ReallySuppress"
  ${If} $Log != ""
    StrCpy $PackageLog "$Log_000_${PACKAGE}.log"
    StrCpy $R3 '$R3 /l*v "$PackageLog"'
  ${EndIf}
  ${Say} "i301: Applying execute package: ${PACKAGE}, arguments: '$R3'"
  System::Call 'kernel32::SetEnvironmentVariableW(w "WINFLEET_INSTALLER", w "bundle")'
  StrCpy $0 "child_hang"
  Call Fault
  System::Call 'kernel32::SetEnvironmentVariableW(w "WINFLEET_HANG", w r0)'
  ExecWait '"$SYSDIR\msiexec.exe" $R3' $R3
  StrCpy $R4 "0x0"
  ${If} $R3 != 0
    IntOp $R4 $R3 | 0x80070000
    IntFmt $R4 "0x%08x" $R4
    ${Say} "e000: Error $R4: Failed to execute MSI package, see $PackageLog"
  ${EndIf}
  ${Say} "i319: Applied execute package: ${PACKAGE}, result: $R4, restart: None"
  StrCpy $0 $R3
FunctionEnd

Function Install
  StrCpy $R0 0
  ${Do}
    Call NextRelated
    ${If} $Key == ""
      ${ExitDo}
    ${EndIf}
    ${If} $Found == 1
      ${Say} "e000: A newer version of this bundle is installed: $Key"
      StrCpy $0 1638
      Call End
    ${EndIf}
  ${Loop}
  SetOutPath "${CACHE}\${BUNDLE}"
  ${If} $EXEDIR != $OUTDIR
    CopyFiles /SILENT $EXEPATH "$OUTDIR\${FILE}"
  ${EndIf}
  File "/oname=${PACKAGE}" "${MSI}"
  SetOutPath "$TEMP"
  StrCpy $0 "die"
  Call Fault
  ${If} $0 == "files"
    SetOutPath "C:\Program Files (x86)\Microsoft Azure Information Protection"
    File "/oname=MSIP.App.exe" "${APP}"
    SetErrorLevel ${DIED}
    Quit
  ${EndIf}
  StrCpy $R1 $0
  Call InstalledVersion
  StrCpy $1 "${VERSION}"
  ${If} $0 == $1
  ${AndIf} $Repair == ""
    ${Say} "i102: ${PACKAGE} is present, nothing to execute"
    StrCpy $0 0
  ${Else}
    ${If} $0 == $1
      StrCpy $Properties '$Properties REINSTALL=ALL REINSTALLMODE="cmuse"'
    ${ElseIf} $0 != "" ; the same product code: Windows Installer calls that a minor upgrade
      StrCpy $Properties "$Properties REINSTALL=ALL REINSTALLMODE=vomus"
    ${EndIf}
    StrCpy $0 '/i "${CACHE}\${BUNDLE}\${PACKAGE}" ARPSYSTEMCOMPONENT=1$Properties'
    Call Msiexec
  ${EndIf}
  ${If} $0 != 0
  ${AndIf} $0 != 3010
    StrCpy $R1 $0
    SetRegView 32
    ReadRegStr $0 HKLM "${UNINSTALL}\${BUNDLE}" "DisplayName"
    ${If} $0 == ""
      RMDir /r "${CACHE}\${BUNDLE}"
    ${EndIf}
    StrCpy $0 $R1
    Call End
  ${EndIf}
  ${If} $R1 == "msi"
    SetErrorLevel ${DIED}
    Quit
  ${EndIf}
  StrCpy $R2 $0
  Call Register
  StrCpy $R0 0
  ${Do}
    Call NextRelated
    ${If} $Key == ""
      ${ExitDo}
    ${EndIf}
    DeleteRegKey HKLM "${UNINSTALL}\$Key"
    RMDir /r "${CACHE}\$Key"
    StrCpy $R0 0
  ${Loop}
  ${Say} "i399: Apply complete, result: 0x0, restart: None"
  StrCpy $0 $R2
  Call End
FunctionEnd

!include cache.nsh

Function Remove
  Call InstalledVersion
  ${If} $0 != ""
    StrCpy $0 "/x ${PRODUCT}"
    Call Msiexec
    ${If} $0 != 0
    ${AndIf} $0 != 1605
    ${AndIf} $0 != 3010
      Call End
    ${EndIf}
  ${EndIf}
  SetRegView 32
  DeleteRegKey HKLM "${UNINSTALL}\${BUNDLE}"
  ${Say} "i399: Apply complete, result: 0x0, restart: None"
  Call RemoveCache
  StrCpy $0 0
  Call End
FunctionEnd

Section
  Call Parse
  StrCpy $FaultName $EXEFILE
  ${If} $Log != ""
    Delete $Log
  ${EndIf}
  ${Say} "i001: Burn v3.11.1.2318, path: $EXEPATH"
  ${Say} "i000: Setting string variable 'WixBundleName' to value '${TITLE}'"
  ${Say} "i000: Setting version variable 'WixBundleVersion' to value '${VERSION}'"
  Call FaultsBefore
  ${If} $Quiet == "" ; nobody is there who could click
    ${Say} "e000: Error 0x80070642: The user cancelled"
    StrCpy $0 1602
    Call End
  ${EndIf}
  ${If} $Uninstall == ""
    Call Install
  ${Else}
    Call Remove
  ${EndIf}
SectionEnd
