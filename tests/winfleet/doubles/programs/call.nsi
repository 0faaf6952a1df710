; A program of Windows that the host's supervisor plays (programs.py). It writes its path, how it was logged on and its command line to
; a file, waits for the answer, prints that and ends with its exit code. Strings of NSIS are short, so pointers are used.
Unicode true
Target amd64-unicode
Name "winfleet"
OutFile "${OUTPUT}"
RequestExecutionLevel user
SilentInstall silent
CRCCheck off
!define CALLS "C:\windows\winfleet\calls"

Section
  System::Call 'kernel32::GetCurrentProcessId() i .r0'
  System::Call 'kernel32::GetCommandLineW() p .r1'
  System::Call 'kernel32::lstrlenW(p r1) i .r2'
  IntOp $2 $2 * 2
  ReadEnvStr $3 WINFLEET_LOGON
  StrCpy $4 "$EXEPATH$\n$3$\n"
  StrLen $5 $4
  IntOp $5 $5 * 2
  System::Call 'kernel32::CreateFileW(w "${CALLS}\$0.new", i 0x40000000, i 0, p 0, i 2, i 0, p 0) p .r6'
  System::Call 'kernel32::WriteFile(p r6, w r4, i r5, *i .r7, p 0)'
  System::Call 'kernel32::WriteFile(p r6, p r1, i r2, *i .r7, p 0)'
  System::Call 'kernel32::CloseHandle(p r6)'
  Rename "${CALLS}\$0.new" "${CALLS}\$0.call"
  wait:
    Sleep 50
    IfFileExists "${CALLS}\$0.answer" 0 wait
  System::Call 'kernel32::CreateFileW(w "${CALLS}\$0.answer", i 0x80000000, i 1, p 0, i 3, i 0, p 0) p .r6'
  System::Call 'kernel32::GetFileSize(p r6, p 0) i .r2'
  System::Alloc $2
  Pop $1
  System::Call 'kernel32::ReadFile(p r6, p r1, i r2, *i .r7, p 0)'
  System::Call 'kernel32::CloseHandle(p r6)'
  System::Call '*$1(i .r3)'
  IntOp $2 $2 - 4
  IntPtrOp $4 $1 + 4
  System::Call 'kernel32::GetStdHandle(i -11) p .r5'
  System::Call 'kernel32::WriteFile(p r5, p r4, i r2, *i .r7, p 0)'
  System::Free $1
  Delete "${CALLS}\$0.answer"
  SetErrorLevel $3
SectionEnd
