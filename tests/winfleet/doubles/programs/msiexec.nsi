; msiexec.exe: Wine's, made to answer as Windows' does. One installation at a time (1618), 1619 and 1620 for packages that are not there or
; not readable, 1605 for the removal of what is not installed, 1602 where a dialog would wait for somebody; the log says whether it went well, what condition was not met, and is UTF-16. Faults of the package's name (installer.nsh).
Unicode true
Target amd64-unicode
Name "msiexec"
OutFile "${OUTPUT}"
RequestExecutionLevel user
SilentInstall silent
CRCCheck off
!include installer.nsh
!include FileFunc.nsh

Var Line    ; what Wine's is given
Var Verb    ; i, x, or another letter
Var Target  ; package or product code
Var Log
Var Append
Var Quiet
Var Remove
Var Package ; the handle of the opened package
Var Title
Var Code
Var Caller ; what started this: "bundle", "msiexec", or somebody else

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
      StrCpy $3 $2 1
      ${If} $2 == "quiet"
      ${OrIf} $2 == "passive"
        StrCpy $Quiet 1
      ${ElseIf} $2 == "log"
      ${OrIf} $3 == "l"
        StrCpy $4 $2 1 -1
        ${If} $4 == "+"
          StrCpy $Append 1
        ${EndIf}
        Call NextArgument
        StrCpy $Log $0
      ${ElseIf} $2 == "package"
        StrCpy $Verb "i"
        Call NextArgument
        StrCpy $Target $0
      ${ElseIf} $2 == "uninstall"
        StrCpy $Verb "x"
        Call NextArgument
        StrCpy $Target $0
      ${ElseIf} $3 == "i"
      ${OrIf} $3 == "x"
        StrCpy $Verb $3
        StrCpy $Target $2 "" 1
        ${If} $Target == ""
          Call NextArgument
          StrCpy $Target $0
        ${EndIf}
      ${ElseIf} $3 == "q"
        StrCpy $Quiet 1
      ${EndIf}
    ${ElseIf} $0 == "REMOVE=ALL"
      StrCpy $Remove 1
    ${EndIf}
  ${Loop}
FunctionEnd

; Property $0 of the package -> $0
Function PackageProperty
  StrCpy $0 "SELECT `Value` FROM `Property` WHERE `Property`='$0'"
  System::Call 'msi::MsiDatabaseOpenViewW(i $Package, w r0, *i .r1)'
  System::Call 'msi::MsiViewExecute(i r1, i 0)'
  System::Call 'msi::MsiViewFetch(i r1, *i .r2)'
  System::Call 'msi::MsiRecordGetStringW(i r2, i 1, w .r0, *i 1024)'
FunctionEnd

Function Refuse ; exit code in $0, before anything was done
  SetErrorLevel $0
  Quit
FunctionEnd

Function CheckPackage
  ${IfNot} ${FileExists} $Target
    StrCpy $0 1619
    Call Refuse
  ${EndIf}
  System::Call 'msi::MsiSetInternalUI(i 2, p 0)'
  System::Call 'msi::MsiOpenDatabaseW(w "$Target", p 0, *i .r1) i .r0'
  StrCpy $Package $1
  ${If} $0 != 0
    StrCpy $0 1620
    Call Refuse
  ${EndIf}
  StrCpy $0 "ProductName"
  Call PackageProperty
  StrCpy $Title $0
  StrCpy $0 "ProductCode"
  Call PackageProperty
  System::Call 'msi::MsiGetProductInfoW(w r0, w "PackageCode", w .r2, *i 64) i .r1'
  ${If} $1 != 0
  ${AndIf} $Verb == "x"
    StrCpy $0 1605
    Call Refuse
  ${EndIf}
  System::Call 'msi::MsiCloseAllHandles()' ; Wine's msiexec wants the package for itself
FunctionEnd

; A line of Windows Installer's in the log that is open as $8
Function Say
  FileWriteUTF16LE $8 "MSI (s) Product: $Title -- $0$\r$\n"
FunctionEnd

; The messages of the package's launch conditions that do not hold
Function SayConditions
  System::Call 'msi::MsiOpenPackageW(w "$Target", *i .r1)'
  StrCpy $Package $1
  System::Call 'msi::MsiDoActionW(i $Package, w "AppSearch")'
  System::Call 'msi::MsiDoActionW(i $Package, w "FindRelatedProducts")'
  System::Call 'msi::MsiGetActiveDatabase(i $Package) i .r5'
  System::Call 'msi::MsiDatabaseOpenViewW(i r5, w "SELECT `Condition`, `Description` FROM `LaunchCondition`", *i .r6) i .r0'
  ${If} $0 != 0
    Return
  ${EndIf}
  System::Call 'msi::MsiViewExecute(i r6, i 0)'
  ${Do}
    System::Call 'msi::MsiViewFetch(i r6, *i .r7) i .r0'
    ${If} $0 != 0
      ${ExitDo}
    ${EndIf}
    System::Call 'msi::MsiRecordGetStringW(i r7, i 1, w .r1, *i 1024)'
    System::Call 'msi::MsiEvaluateConditionW(i $Package, w r1) i .r2'
    ${If} $2 == 0
      System::Call 'msi::MsiRecordGetStringW(i r7, i 2, w .r1, *i 1024)'
      System::Call 'msi::MsiCreateRecord(i 0) i .r3'
      System::Call 'msi::MsiRecordSetStringW(i r3, i 0, w r1)'
      System::Call 'msi::MsiFormatRecordW(i $Package, i r3, w .r0, *i 1024)'
      Call Say
    ${EndIf}
  ${Loop}
FunctionEnd

Function FinishLog
  GetTempFileName $1
  ClearErrors
  FileOpen $7 $Log r
  ${If} ${Errors}
    Return
  ${EndIf}
  FileOpen $8 $1 w
  FileWriteUTF16LE /BOM $8 ""
  ${Do}
    ClearErrors
    FileRead $7 $0
    ${If} ${Errors}
      ${ExitDo}
    ${EndIf}
    FileWriteUTF16LE $8 $0
  ${Loop}
  FileClose $7
  StrCpy $9 $1
  StrCpy $R0 "Installation"
  ${If} $Remove != ""
    StrCpy $R0 "Removal"
  ${EndIf}
  ${If} $Code == 0
  ${OrIf} $Code == 3010
    StrCpy $0 "$R0 completed successfully."
    Call Say
  ${Else}
    ${If} $Package != ""
    ${AndIf} $Remove == ""
      Call SayConditions
    ${EndIf}
    StrCpy $0 "$R0 failed."
    Call Say
  ${EndIf}
  FileWriteUTF16LE $8 "=== Logging stopped ===$\r$\n"
  FileClose $8
  CopyFiles /SILENT $9 $Log
  Delete $9
FunctionEnd

Section
  System::Call 'kernel32::GetCommandLineW() p .r0'
  System::Call 'shlwapi::PathGetArgsW(p r0) w .r1'
  StrCpy $Line '"C:\windows\winfleet\installer.exe" $1'
  Call Parse
  ReadEnvStr $Caller WINFLEET_INSTALLER
  ${If} $Target == ""
  ${OrIf} $Caller == "msiexec" ; it removes an older version, within an installation
    ExecWait $Line $0
    SetErrorLevel $0
    Quit
  ${EndIf}
  ${If} $Verb == "x"
    StrCpy $Remove 1
  ${EndIf}
  System::Call 'kernel32::CreateMutexW(p 0, i 0, w "Global\_MSIExecute") p .r1'
  System::Call 'kernel32::WaitForSingleObject(p r1, i 0) i .r2'
  ${If} $2 == 258
    StrCpy $0 1618
    Call Refuse
  ${EndIf}
  ${If} $Caller != "bundle" ; whose own faults count
    ${GetFileName} $Target $FaultName
    Call FaultsBefore
  ${Else}
    ReadEnvStr $0 WINFLEET_HANG
    ${If} $0 != ""
      IntOp $0 $0 * 1000
      Sleep $0
    ${EndIf}
  ${EndIf}
  ${If} $Quiet == ""
    StrCpy $0 1602
    Call Refuse
  ${EndIf}
  StrCpy $0 $Target 1
  ${If} $0 == "{"
    StrCpy $1 $Target
    System::Call 'msi::MsiGetProductInfoW(w r1, w "ProductName", w .r0, *i 1024)'
    StrCpy $Title $0
  ${Else}
    Call CheckPackage
  ${EndIf}
  System::Call 'kernel32::SetEnvironmentVariableW(w "WINFLEET_INSTALLER", w "msiexec")'
  ExecWait $Line $Code
  ${If} $Log != ""
  ${AndIf} $Append == ""
    Call FinishLog
  ${EndIf}
  ${If} $Caller == "bundle"
    SetErrorLevel $Code
    Quit
  ${EndIf}
  StrCpy $0 $Code
  Call End
SectionEnd
