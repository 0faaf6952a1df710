; RMSConnectorSetup.exe: a wizard, in which somebody has to sign in. VERSION, KEY (of Uninstall).
; Microsoft documents no options; those of this one are ours: /quiet SIGNIN=1 [/log FILE] installs, /quiet /uninstall removes, and /quiet alone
; ends with 1602, as nobody signs in. Without /quiet the wizard waits: for ever, but for an operator at the screen (WINFLEET_LOGON is
; `interactive`, WINFLEET_WIZARD what they want: install or remove; see host.py).
; Faults: installer.nsh; die=files: the files are there and nothing is registered.
Unicode true
Target amd64-unicode
!define TITLE "Microsoft Rights Management connector"
Name "${TITLE}"
OutFile "${OUTPUT}"
RequestExecutionLevel user
SilentInstall silent
CRCCheck off
!include installer.nsh
!include FileFunc.nsh
!include version.nsh

!define CACHE "C:\ProgramData\Package Cache"
!define BUNDLE "${KEY}"
!define FILE "RMSConnectorSetup.exe"
!define UNINSTALL "SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall\${KEY}"
!define CONNECTOR "SOFTWARE\Microsoft\AADRM\Connector"
!define SOURCE "SYSTEM\CurrentControlSet\Services\EventLog\Application\Microsoft RMS connector"
!define FOLDER "C:\Program Files\${TITLE}"
!include cache.nsh
!include versions.nsh

Var Quiet
Var SignIn
Var Uninstall
Var Log
Var Installed ; the version that was there

Function Say ; a line of the log: $0
  ${GetTime} "" "L" $1 $2 $3 $4 $5 $6 $7
  FileOpen $8 $Log a
  FileSeek $8 0 END
  FileWrite $8 "[$3-$2-$1T$5:$6:$7] $0$\r$\n"
  FileClose $8
FunctionEnd
!macro Say TEXT
  StrCpy $0 `${TEXT}`
  Call Say
!macroend
!define Say "!insertmacro Say"

; A program of IIS; it has to succeed, or find its work done (183, 1168)
!macro Iis COMMAND
  ExecWait `"$SYSDIR\${COMMAND}` $0
  ${If} $0 != 0
  ${AndIf} $0 != 183
  ${AndIf} $0 != 1168
    ${Say} 'Error: ${COMMAND} ended with $0'
    StrCpy $0 1603
    Call End
  ${EndIf}
!macroend
!define Iis "!insertmacro Iis"

Function Parse
  Call ReadArguments
  ${Do}
    Call NextArgument
    ${If} $0 == ""
      ${ExitDo}
    ${ElseIf} $0 == "/quiet"
      StrCpy $Quiet 1
    ${ElseIf} $0 == "/uninstall"
      StrCpy $Uninstall 1
    ${ElseIf} $0 == "/log"
      Call NextArgument
      StrCpy $Log $0
    ${ElseIf} $0 == "SIGNIN=1"
      StrCpy $SignIn 1
    ${EndIf}
  ${Loop}
  ${If} $Log == ""
    CreateDirectory "$LOCALAPPDATA\Temp"
    ${GetTime} "" "L" $1 $2 $3 $4 $5 $6 $7
    StrCpy $Log "$LOCALAPPDATA\Temp\${TITLE}_$3$2$1$5$6$7.log"
  ${EndIf}
FunctionEnd

; The wizard: an operator goes through it, or it waits
Function Wizard
  ReadEnvStr $0 WINFLEET_LOGON
  ${If} $0 != "interactive"
    ${Do}
      Sleep 60000
    ${Loop}
  ${EndIf}
  ReadEnvStr $0 WINFLEET_WIZARD
  ${If} $0 == "remove"
    StrCpy $Uninstall 1
  ${Else}
    ReadEnvStr $1 WINFLEET_CLOUD
    ReadEnvStr $2 WINFLEET_ACCOUNT
    ${Say} "Signed in as $2 ($1)"
    StrCpy $SignIn 1
  ${EndIf}
FunctionEnd

!macro AddApplication PATH
  ${Iis} 'inetsrv\appcmd.exe" add app "/site.name:Default Web Site" "/path:${PATH}" "/physicalPath:${FOLDER}\Web Service"'
!macroend
!macro DeleteApplication PATH
  ${Iis} 'inetsrv\appcmd.exe" delete app "Default Web Site${PATH}"'
!macroend
!macro AddApplications
  !insertmacro AddApplication "/_wmcs"
  !insertmacro AddApplication "/_wmcs/certification"
  !insertmacro AddApplication "/_wmcs/licensing"
!macroend
!macro DeleteApplications
  !insertmacro DeleteApplication "/_wmcs/licensing"
  !insertmacro DeleteApplication "/_wmcs/certification"
  !insertmacro DeleteApplication "/_wmcs"
!macroend

Function Install
  ReadRegStr $Installed HKLM "${UNINSTALL}" "DisplayVersion"
  ${If} $Installed != ""
    StrCpy $0 $Installed
    StrCpy $1 "${VERSION}"
    Call CompareVersions
    ${If} $0 == 1
      ${Say} "Error: version $Installed is installed, which is newer"
      StrCpy $0 1603
      Call End
    ${EndIf}
  ${EndIf}
  ${Iis} 'inetsrv\iissetup.exe" /install'
  ${If} $Installed != "" ; nobody is served meanwhile
    ${Iis} 'iisreset.exe" /stop'
  ${EndIf}
  SetOutPath "${FOLDER}\Web Service"
  FileOpen $8 "$OUTDIR\web.config" w
  FileWrite $8 '<?xml version="1.0" encoding="utf-8"?>$\r$\n<configuration>$\r$\n'
  FileWrite $8 '  <system.diagnostics>$\r$\n    <trace autoflush="true" />$\r$\n  </system.diagnostics>$\r$\n</configuration>$\r$\n'
  FileClose $8
  StrCpy $0 "die"
  Call Fault
  ${If} $0 == "files"
    SetErrorLevel ${DIED}
    Quit
  ${EndIf}
  SetOutPath "${CACHE}\${KEY}"
  ${If} $EXEPATH != "$OUTDIR\${FILE}"
    CopyFiles /SILENT $EXEPATH "$OUTDIR\${FILE}"
  ${EndIf}
  SetOutPath "$TEMP"
  SetRegView 64
  WriteRegStr HKLM "${SOURCE}" "EventMessageFile" "${FOLDER}\Web Service\bin\Events.dll"
  WriteRegDWORD HKLM "${SOURCE}" "TypesSupported" 7
  WriteRegStr HKLM "${CONNECTOR}" "" ""
  WriteRegStr HKLM "${UNINSTALL}" "DisplayName" "${TITLE}"
  WriteRegStr HKLM "${UNINSTALL}" "DisplayVersion" "${VERSION}"
  WriteRegStr HKLM "${UNINSTALL}" "Publisher" "Microsoft Corporation"
  WriteRegStr HKLM "${UNINSTALL}" "InstallLocation" "${FOLDER}\"
  WriteRegStr HKLM "${UNINSTALL}" "UninstallString" '"${CACHE}\${KEY}\${FILE}" /uninstall'
  !insertmacro AddApplications
  ${Iis} 'iisreset.exe" /restart'
  ${Say} "Installation of version ${VERSION} completed successfully"
  StrCpy $0 0
  Call End
FunctionEnd

Function Remove
  ReadRegStr $Installed HKLM "${UNINSTALL}" "DisplayVersion"
  ${If} $Installed == ""
    ${Say} "Error: the connector is not installed"
    StrCpy $0 1603
    Call End
  ${EndIf}
  !insertmacro DeleteApplications
  DeleteRegKey HKLM "${CONNECTOR}"
  DeleteRegKey HKLM "${UNINSTALL}"
  RMDir /r "${FOLDER}"
  ${Say} "Removal completed successfully"
  Call RemoveCache
  StrCpy $0 0
  Call End
FunctionEnd

Section
  SetRegView 64
  Call Parse
  StrCpy $FaultName $EXEFILE
  ${If} $Quiet == ""
    Call Wizard
  ${EndIf}
  Call FaultsBefore
  SetRegView 64
  ${If} $Uninstall != ""
    Call Remove
  ${EndIf}
  ${If} $SignIn == ""
    ${Say} "Error: nobody has signed in"
    StrCpy $0 1602
    Call End
  ${EndIf}
  Call Install
SectionEnd
