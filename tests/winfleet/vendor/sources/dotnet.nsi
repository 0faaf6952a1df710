; The offline installer of .NET Framework. TITLE, VERSION (of the file), RELEASE, PRODUCT (the version it registers), BUILDS (the Windows
; builds it is for, each between commas). Faults: installer.nsh; die=files: nothing is registered. Done, it wants a restart (3010).
Unicode true
Target amd64-unicode
Name "${TITLE}"
OutFile "${OUTPUT}"
RequestExecutionLevel user
SilentInstall silent
CRCCheck off
!include installer.nsh
!include version.nsh

!define NDP "SOFTWARE\Microsoft\NET Framework Setup\NDP\v4"
!define PACKAGES "SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\Packages"
!define UPDATE_2012R2 "${PACKAGES}\Package_for_KB2919355~31bf3856ad364e35~amd64~~6.3.1.14"
Var Quiet
Var Log

!macro Register VIEW PROFILE
  SetRegView ${VIEW}
  WriteRegDWORD HKLM "${NDP}\${PROFILE}" "Install" 1
  WriteRegDWORD HKLM "${NDP}\${PROFILE}" "Release" ${RELEASE}
  WriteRegStr HKLM "${NDP}\${PROFILE}" "Version" "${PRODUCT}"
!macroend

Function Say
  ${If} $Log != ""
    FileOpen $8 $Log a
    FileSeek $8 0 END
    FileWrite $8 "$0$\r$\n"
    FileClose $8
  ${EndIf}
FunctionEnd

Function Refuse ; exit code in $0
  StrCpy $1 $0
  StrCpy $0 "Final Result: Installation failed with error code: ($1)"
  Call Say
  SetErrorLevel $1
  Quit
FunctionEnd

; What the servicing stack leaves until the next boot: a key that is not kept
Function RestartIsDue
  System::Call 'advapi32::RegCreateKeyExW(p 0x80000002, w "SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\RebootPending", i 0, p 0, i 1, i 0x20119, p 0, *p .r1, p 0)'
  System::Call 'advapi32::RegCloseKey(p r1)'
FunctionEnd

Section
  Call ReadArguments
  ${Do}
    Call NextArgument
    ${If} $0 == ""
      ${ExitDo}
    ${ElseIf} $0 == "/q"
    ${OrIf} $0 == "/quiet"
    ${OrIf} $0 == "/passive"
      StrCpy $Quiet 1
    ${ElseIf} $0 == "/log"
      Call NextArgument
      StrCpy $Log $0
      Delete $Log
    ${EndIf}
  ${Loop}
  StrCpy $FaultName $EXEFILE
  ReadEnvStr $0 WINFLEET_LOGON
  ${If} $0 == "network" ; as the update agent, which it uses
    StrCpy $0 5
    Call Refuse
  ${EndIf}
  Call FaultsBefore
  ${If} $Quiet == ""
    StrCpy $0 1602
    Call Refuse
  ${EndIf}
  SetRegView 64
  ReadRegStr $0 HKLM "SOFTWARE\Microsoft\Windows NT\CurrentVersion" "CurrentBuildNumber"
  StrCpy $1 0
  ${Do} ; is ",$0," in BUILDS?
    StrLen $2 ",$0,"
    StrCpy $3 "${BUILDS}" $2 $1
    ${If} $3 == ",$0,"
      ${ExitDo}
    ${ElseIf} $3 == ""
      StrCpy $0 5100
      Call Refuse
    ${EndIf}
    IntOp $1 $1 + 1
  ${Loop}
  ReadRegStr $0 HKLM "SOFTWARE\Microsoft\Windows NT\CurrentVersion" "CurrentBuildNumber"
  ${If} $0 == 9600 ; Windows Server 2012 R2 needs its Update
    ReadRegDWORD $0 HKLM "${UPDATE_2012R2}" "CurrentState"
    ${If} $0 != 112
      StrCpy $0 5100
      Call Refuse
    ${EndIf}
  ${EndIf}
  ReadRegDWORD $0 HKLM "${NDP}\Full" "Release"
  ${If} $0 >= ${RELEASE} ; this version or a newer one is there
    StrCpy $0 5100
    Call Refuse
  ${EndIf}
  StrCpy $0 "die"
  Call Fault
  ${If} $0 == "files"
    SetErrorLevel ${DIED}
    Quit
  ${EndIf}
  !insertmacro Register 64 Full
  !insertmacro Register 64 Client
  !insertmacro Register 32 Full
  !insertmacro Register 32 Client
  StrCpy $0 "Final Result: Installation completed successfully with success code: (0x00000BC2)"
  Call Say
  StrCpy $0 "exit_code"
  Call Fault
  ${If} $0 != "0"
    SetRegView 64
    Call RestartIsDue
  ${EndIf}
  StrCpy $0 3010
  Call End
SectionEnd
