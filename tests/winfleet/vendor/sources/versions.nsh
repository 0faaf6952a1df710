; Versions $0 and $1 of four numbers: -> $0, -1, 0 or 1
Function CompareVersions
  StrCpy $2 4
  ${Do}
    Push $0
    Call Split
    Pop $3
    Pop $0
    Push $1
    Call Split
    Pop $4
    Pop $1
    ${If} $3 > $4
      StrCpy $0 1
      Return
    ${ElseIf} $3 < $4
      StrCpy $0 -1
      Return
    ${EndIf}
    IntOp $2 $2 - 1
  ${LoopUntil} $2 == 0
  StrCpy $0 0
FunctionEnd

; A version on the stack -> its first number, and below it the rest
Function Split
  Exch $5
  StrCpy $6 0
  ${Do}
    StrCpy $7 $5 1 $6
    ${If} $7 == "."
    ${OrIf} $7 == ""
      ${ExitDo}
    ${EndIf}
    IntOp $6 $6 + 1
  ${Loop}
  StrCpy $7 $5 $6
  IntOp $6 $6 + 1
  StrCpy $5 $5 "" $6
  Exch $5
  Push $7
FunctionEnd
