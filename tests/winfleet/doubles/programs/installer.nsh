; What the stand-ins of installers share: the faults a test tells them, the command line, exit codes, a restart that is due.
;
; Faults are values below HKLM\SOFTWARE\winfleet\installers\NAME, NAME being the file's name, or `any`:
;   exit_codes   the next runs do nothing and end with these, one after the other ("1618,1618")
;   hang         seconds to wait before anything is done
;   child_hang   the same in the msiexec that a bundle starts
;   exit_code    to end with after the work was done; 1641 restarts the host
;   die          how far to get before the process ends (see each program)
!include LogicLib.nsh
!define FAULTS "SOFTWARE\winfleet\installers"
!define DIED 1067 ; ERROR_PROCESS_ABORTED

Var FaultName
Var Arguments ; argv
Var Count     ; argc
Var At        ; the argument that NextArgument returns

; Value $0 of the fault's key -> $0, "" when there is none; $1 is the key it stands in
Function Fault
  SetRegView 64
  StrCpy $1 "${FAULTS}\$FaultName"
  ReadRegStr $2 HKLM $1 $0
  ${If} $2 == ""
    StrCpy $1 "${FAULTS}\any"
    ReadRegStr $2 HKLM $1 $0
  ${EndIf}
  StrCpy $0 $2
FunctionEnd

; Waits and ends as told; returns when the work is to be done
Function FaultsBefore
  StrCpy $0 "hang"
  Call Fault
  ${If} $0 != ""
    IntOp $0 $0 * 1000
    Sleep $0
  ${EndIf}
  StrCpy $0 "exit_codes"
  Call Fault
  ${If} $0 != ""
    StrCpy $3 0
    ${Do}
      StrCpy $4 $0 1 $3
      ${If} $4 == ","
      ${OrIf} $4 == ""
        ${ExitDo}
      ${EndIf}
      IntOp $3 $3 + 1
    ${Loop}
    StrCpy $5 $0 $3
    IntOp $3 $3 + 1
    StrCpy $0 $0 "" $3
    ${If} $0 == ""
      DeleteRegValue HKLM $1 "exit_codes"
    ${Else}
      WriteRegStr HKLM $1 "exit_codes" $0
    ${EndIf}
    SetErrorLevel $5
    Quit
  ${EndIf}
FunctionEnd

; Ends with exit code $0, or with the one that is told
Function End
  StrCpy $9 $0
  ${If} $9 == 0
  ${OrIf} $9 == 3010
    StrCpy $0 "exit_code"
    Call Fault
    ${If} $0 != ""
      StrCpy $9 $0
    ${EndIf}
  ${EndIf}
  ${If} $9 == 1641
    ExecWait '"$SYSDIR\shutdown.exe" /r /t 2'
  ${EndIf}
  SetErrorLevel $9
  Quit
FunctionEnd

Function ReadArguments
  System::Call 'kernel32::GetCommandLineW() p .r0'
  System::Call 'shell32::CommandLineToArgvW(p r0, *i .r1) p .r2'
  StrCpy $Arguments $2
  StrCpy $Count $1
  StrCpy $At 1
FunctionEnd

; The next argument -> $0, "" after the last
Function NextArgument
  StrCpy $0 ""
  ${If} $At < $Count
    IntPtrOp $1 $At * 8
    IntPtrOp $1 $Arguments + $1
    System::Call '*$1(w .r0)'
    IntOp $At $At + 1
  ${EndIf}
FunctionEnd
