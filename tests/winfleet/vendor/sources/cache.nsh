; The folder that a bundle keeps itself in: CACHE, BUNDLE (a GUID).

; Files of a program that runs can be renamed, not deleted; and NSIS holds its own open
Function RemoveCache
  ${If} $EXEDIR == "${CACHE}\${BUNDLE}"
    StrCpy $1 4
    ${Do}
      System::Call 'kernel32::GetFinalPathNameByHandleW(p r1, w .r2, i 1024, i 0) i .r3'
      StrCpy $4 $2 "" 4
      ${If} $3 != 0
      ${AndIf} $4 == $EXEPATH
        System::Call 'kernel32::CloseHandle(p r1)'
      ${EndIf}
      IntOp $1 $1 + 4
    ${LoopUntil} $1 > 1024
    System::Call 'kernel32::GetTickCount() i .r1'
    Rename $EXEPATH "C:\windows\temp\$1.tmp"
    Delete /REBOOTOK "C:\windows\temp\$1.tmp"
  ${EndIf}
  RMDir /r "${CACHE}\${BUNDLE}"
FunctionEnd
