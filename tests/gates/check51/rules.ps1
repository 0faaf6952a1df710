# What is wrong with one node or token. Add-Finding takes: the place, the rule's name, the text, and 'warning' where it may be meant so.
using namespace System.Management.Automation.Language

$encodingCommands = 'Add-Content', 'Export-Clixml', 'Export-Csv', 'Export-PSSession', 'Format-Hex', 'Get-Content', 'Import-Csv', 'New-Item',
    'Out-File', 'Select-String', 'Set-Content'
# An "if" whose condition has one of these asks first what it runs on.
$askingCondition = 'is_?coreclr|PSVersion|PSEdition|\$Is(Windows|Linux|MacOS)\b|Get-Command|-as \[type\]|' +
    '\.Get(Type|Member|Method|Property|Field)\(|ImplicitRemoting|\[Environment\]::Version'

# True under an "if" that asks for the edition, version or platform, or for the member itself.
function Test-Guarded($Node, $Member) {
    for ($child = $Node; $parent = $child.Parent; $child = $parent) {
        if ($parent -isnot [IfStatementAst] -or $parent.Clauses.Item1 -contains $child) { continue }
        foreach ($clause in $parent.Clauses) {
            $condition = $clause.Item1.Extent.Text
            if ($condition -match $askingCondition -or ($Member -and $condition -match "::$Member\b")) { return $true }
        }
    }
    $false
}

function Get-Excerpt($Node) {
    $text = $Node.Extent.Text -replace '\s+', ' '
    if ($text.Length -gt 60) { $text.Substring(0, 57) + '...' } else { $text }
}

function Test-Constant($Node) { $Node -is [StringConstantExpressionAst] }

# ---- tokens

function Test-Token($Tokens, $Index) {
    $token = $Tokens[$Index]
    switch ($token.Kind) {
        'Number' {
            $new = '^[+-]?(0b[01]|(?:0x[0-9a-f]+|[0-9.]+(?:e[+-]?\d+)?)(?:u[ysl]?|[ysn])(?:[kmgtp]b)?$)'
            $hexadecimal = '^[+-]?0x[0-9a-f]+l?([kmgtp]b)?$'  # whose digits look like a suffix
            if ($token.Text -match $new -and $token.Text -notmatch $hexadecimal) { Add-Finding $token.Extent syntax "numeric literal $($token.Text)" }
        }
        { $_ -in 'StringExpandable', 'HereStringExpandable', 'Generic' } {
            if ($token.Text -match '(?<!`)(?:``)*`(e|u\{)') { Add-Finding $token.Extent syntax "escape ``$($Matches[1])" }
        }
        'Pipe' {
            $before = $Index - 1
            while ($before -ge 0 -and $Tokens[$before].Kind -eq 'Comment') { $before-- }
            if ($before -ge 0 -and $Tokens[$before].Kind -eq 'NewLine') { Add-Finding $token.Extent syntax 'line that begins with |' }
        }
    }
}

# ---- types and members

function Test-TypeName($TypeName, $Node) {
    if ($TypeName -is [ArrayTypeName]) {
        Test-TypeName $TypeName.ElementType $Node
        return
    }
    if ($TypeName -is [GenericTypeName]) {
        Test-TypeName $TypeName.TypeName $Node
        foreach ($argument in $TypeName.GenericArguments) { Test-TypeName $argument $Node }
        return
    }
    if ($current.OwnTypes.ContainsKey($TypeName.Name)) { return }
    if ($newAccelerators.ContainsKey($TypeName.Name)) {
        if (-not (Test-Guarded $Node)) { Add-Finding $Node.Extent type "Windows PowerShell has no [$($TypeName.Name)]" }
        return
    }
    $type = if ($Node -is [AttributeAst]) { $TypeName.GetReflectionAttributeType() } else { $TypeName.GetReflectionType() }
    $names = if ($type) { , $type.FullName } else { $TypeName.FullName, "System.$($TypeName.FullName)" }
    Test-TypeFullName $names $Node $Node.Extent
}

# Reports the first of the names that is a type which 5.1 lacks or does not load by itself.
function Test-TypeFullName($Names, $Node, $Extent) {
    foreach ($name in $Names) {
        if ($newTypes.ContainsKey($name)) {
            if (-not (Test-Guarded $Node)) { Add-Finding $Extent type "[$name]: $($newTypes[$name]) this type" }
            return
        }
        $assembly = $assemblyOf[$name]
        if ($assembly -and $current.Text -notmatch [regex]::Escape($assembly) -and -not (Test-Guarded $Node)) {
            Add-Finding $Extent assembly "[$name] is in $assembly, which 5.1 loads only by Add-Type -AssemblyName" warning
            return
        }
    }
}

# What the tables say of a member of a type or its base types: @(its name, the reason), or nothing. Kind: i(nstance) or s(tatic).
function Find-NewMember($Type, $Kind, $Name, $Count) {
    for ($t = $Type; $t; $t = $t.BaseType) {
        $full = if ($t.IsGenericType) { $t.GetGenericTypeDefinition().FullName } else { $t.FullName }
        if (-not $full -or -not $newMembers.ContainsKey($full)) { continue }
        if ($newMembers[$full] -is [string]) {
            $table = New-Table
            Add-Lacking $table '' $newMembers[$full]
            $newMembers[$full] = $table
        }
        $table = $newMembers[$full]
        # an override or overload in the engine of what the base type has anyway
        if ($t.BaseType -and $Name -ne '.ctor') {
            $inherited = $t.BaseType.GetMember($Name, 'Public,IgnoreCase,FlattenHierarchy,Static,Instance')
            if ($inherited.Where({ $null -eq $Count -or $_ -isnot [Reflection.MethodInfo] -or $_.GetParameters().Count -eq $Count })) { continue }
        }
        if ($table.ContainsKey("${Kind}:$Name")) { return "[$full] $Name", $table["${Kind}:$Name"] }
        if ($null -ne $Count -and $table.ContainsKey("${Kind}:$Name/$Count")) {
            return "[$full] $Name with $Count arguments", $table["${Kind}:$Name/$Count"]
        }
        if ($Name -eq '.ctor') { return }
    }
}

function Test-Member($Node) {
    $isCall = $Node -is [InvokeMemberExpressionAst]
    if ($Node.NullConditional) { Add-Finding $Node.Extent syntax "null-conditional ?. ($(Get-Excerpt $Node))" }
    if ($isCall -and $Node.GenericTypeArguments) { Add-Finding $Node.Extent syntax "type arguments of a method ($(Get-Excerpt $Node))" }
    if (-not (Test-Constant $Node.Member)) { return }
    $name = $Node.Member.Value
    $count = Get-ArgumentCount $Node
    $new = $null
    if ($Node.Static) {
        if ($Node.Expression -isnot [TypeExpressionAst]) { return }
        $type = $Node.Expression.TypeName.GetReflectionType()
        if (-not $type) { return }
        if ($name -ne 'new' -or -not $isCall) {
            $new = Find-NewMember $type 's' $name $count
        } elseif ($count) {
            $new = Find-NewMember $type 'i' '.ctor' $count
        }
        $isQuestion = -not $isCall -and $Node.Parent.Parent.Parent -is [IfStatementAst]  # if ([Type]::Member) asks for it
        if ($isQuestion) { return }
    } else {
        $type = if ($Node.Expression -is [TypeExpressionAst]) { [type] } else { Get-ExpressionType $Node.Expression }
        if ($type) {
            $new = Find-NewMember $type 'i' $name $count
        } elseif ($isCall -and $newMethodNames.ContainsKey($name) -and $current.Text -notmatch "\b$name\s*\([^)]*\)\s*\{" -and -not (Test-Guarded $Node)) {
            Add-Finding $Node.Member.Extent member ".$name(): no type of .NET Framework has such a method" warning
        }
        if ($name -in 'OS', 'Platform', 'GitCommitId' -and $Node.Expression.Extent.Text -eq '$PSVersionTable' -and -not (Test-Guarded $Node)) {
            Add-Finding $Node.Extent variable "`$PSVersionTable of 5.1 has no $name" warning
        }
    }
    if ($new -and -not (Test-Guarded $Node $name)) { Add-Finding $Node.Member.Extent member "$($new[0]): $($new[1]) it" }
}

# [Type]@{ Member = ... }
function Test-Conversion($Node) {
    if ($Node.Type.TypeName.FullName -eq 'ordered' -and $Node.Child -isnot [HashtableAst]) {
        Add-Finding $Node.Extent type '[ordered] of something else than @{...}'
        return
    }
    $type = $Node.Type.TypeName.GetReflectionType()
    if (-not $type -or $Node.Child -isnot [HashtableAst]) { return }
    foreach ($pair in $Node.Child.KeyValuePairs) {
        $new = Find-NewMember $type 'i' $pair.Item1.Extent.Text
        if ($new -and -not (Test-Guarded $Node)) { Add-Finding $pair.Item1.Extent member "$($new[0]): $($new[1]) it" }
    }
}

function Test-Attribute($Node) {
    Test-TypeName $Node.TypeName $Node
    $name = $Node.TypeName.Name -replace 'Attribute$'
    foreach ($argument in $Node.NamedArguments) {
        $isMessage = $argument.ArgumentName -eq 'ErrorMessage' -and $name -in 'ValidateSet', 'ValidatePattern', 'ValidateScript'
        if ($isMessage -or $argument.ArgumentName -in 'ExperimentName', 'ExperimentAction') {
            Add-Finding $argument.Extent attribute "[$name] of 5.1 has no $($argument.ArgumentName)"
        }
    }
    if ($name -eq 'ValidateSet' -and ($Node.PositionalArguments | Where-Object { $_ -is [TypeExpressionAst] })) {
        Add-Finding $Node.Extent attribute '[ValidateSet] of 5.1 takes no type'
    }
    if ($name -eq 'ValidateRange' -and $Node.PositionalArguments.Count -eq 1) {
        Add-Finding $Node.Extent attribute '[ValidateRange] of 5.1 takes two limits'
    }
}

# ---- commands

function Get-CmdletInfo($Name) {
    if (-not $cmdlets.ContainsKey($Name)) {
        $cmdlets[$Name] = Get-Command -Name $Name -CommandType Cmdlet -ErrorAction Ignore | Select-Object -First 1
    }
    $cmdlets[$Name]
}
$cmdlets = New-Table

# Parameters in a splatted table, from the literals and assignments of the same function: entries @(name, value, node).
function Get-SplattedParameter($Variable) {
    $key = Get-VariableKey $Variable
    foreach ($value in $current.Assigned[$key]) {
        while ($value -is [PipelineAst] -and $value.PipelineElements.Count -eq 1) { $value = $value.PipelineElements[0].Expression }
        if ($value -is [CommandExpressionAst]) { $value = $value.Expression }
        if ($value -is [ConvertExpressionAst]) { $value = $value.Child }
        if ($value -isnot [HashtableAst]) { continue }
        foreach ($pair in $value.KeyValuePairs) { if (Test-Constant $pair.Item1) { , @($pair.Item1.Value, $pair.Item2, $pair.Item1) } }
    }
    foreach ($entry in $current.Keyed[$key]) { , $entry }
}

function Test-Command($Node) {
    $name = $Node.GetCommandName()
    if (-not $name) { return }
    $name = $name.Split('\')[-1]
    if ($ownFunctions.ContainsKey($name)) { return }
    if ($aliases.ContainsKey($name)) { $name = $aliases[$name] }
    if ($newCommands.ContainsKey($name) -or $name -match '^\w+-PSResource') {
        if (-not (Test-Guarded $Node)) { Add-Finding $Node.Extent command "5.1 has no $name" }
        return
    }
    if (-not (Test-Guarded $Node)) { Test-ParameterList $name $Node.CommandElements }
    switch ($name) {
        'Invoke-WebRequest' {
            if ($Node.Extent.Text -notmatch '-UseB' -and -not ($Node.CommandElements | Where-Object { $_.Splatted })) {
                Add-Finding $Node.Extent parameter 'Invoke-WebRequest of 5.1 needs -UseBasicParsing where Internet Explorer was never set up' warning
            }
        }
        'Join-Path' { Test-JoinPath $Node }
        'New-Object' { Test-NewObject $Node }
        'Start-Sleep' {
            if ($Node.CommandElements | Where-Object { $_ -is [ConstantExpressionAst] -and $_.StaticType -eq [double] }) {
                Add-Finding $Node.Extent parameter 'Start-Sleep of 5.1 takes whole seconds'
            }
        }
    }
}

function Test-ParameterList($Command, $Elements) {
    for ($i = 1; $i -lt $Elements.Count; $i++) {
        $element = $Elements[$i]
        if ($element -is [CommandParameterAst]) {
            $value = if ($element.Argument) { $element.Argument } elseif ($Elements[$i + 1] -isnot [CommandParameterAst]) { $Elements[$i + 1] }
            Test-Parameter $Command $element.ParameterName $value $element
        } elseif ($element -is [VariableExpressionAst] -and $element.Splatted) {
            foreach ($entry in Get-SplattedParameter $element) {
                if (-not (Test-Guarded $entry[2])) { Test-Parameter $Command $entry[0] $entry[1] $entry[2] }
            }
        }
    }
}

function Test-Parameter($Command, $Name, $Value, $Node) {
    if ($Name -in 'ErrorAction', 'ea', 'WarningAction', 'InformationAction' -and (Test-Constant $Value) -and $Value.Value -eq 'Break') {
        Add-Finding $Node.Extent parameter "-$Name Break"
    }
    if ($Name -in 'ProgressAction', 'proga') {
        Add-Finding $Node.Extent parameter '5.1 has no common parameter -ProgressAction'
        return
    }
    $info = Get-CmdletInfo $Command
    if ($Name -eq 'lp' -and $info -and $info.Parameters.ContainsKey('LiteralPath')) {
        Add-Finding $Node.Extent parameter "$Command of 5.1 has no -LP, only -LiteralPath"
        return
    }
    if ($Command -eq 'Write-Output' -and $Name -match '^no') {
        Add-Finding $Node.Extent parameter '5.1 takes the list of Write-Output -NoEnumerate -InputObject apart: use , $list' warning
    }
    $new = $newParameters[$Command]
    if ($new -and $new.ContainsKey($Name)) {
        Add-Finding $Node.Extent parameter "$Command of 5.1 has no -$Name"
        return
    }
    if ($new -and $info -and -not $info.Parameters.ContainsKey($Name) -and @($info.Parameters.Values.Aliases) -notcontains $Name) {
        $meant = @($info.Parameters.Keys | Where-Object { $_.StartsWith($Name, [StringComparison]::OrdinalIgnoreCase) })
        if ($meant -and -not ($meant | Where-Object { -not $new.ContainsKey($_) })) {
            Add-Finding $Node.Extent parameter "$Command of 5.1 has no -$($meant[0]) (as -$Name)"
            return
        }
    }
    if ($Value -and $Command -in $encodingCommands -and $Name -match '^enc') { Test-Encoding $Command $Value }
}

function Test-Encoding($Command, $Value) {
    $type = Get-ExpressionType $Value
    $isObject = -not (Test-Constant $Value) -and ($Value -is [ConstantExpressionAst] -or ($type -and [Text.Encoding].IsAssignableFrom($type)))
    $name = if (Test-Constant $Value) { $Value.Value }
    $isNew = $name -match '^(utf8(no)?bom|ansi)$' -or ($name -eq 'bigendianutf32' -and $Command -notmatch '-Content$')
    if ($isObject -or $isNew) { Add-Finding $Value.Extent parameter "$Command of 5.1 knows no -Encoding $(Get-Excerpt $Value)" }
}

function Test-JoinPath($Node) {
    $elements = $Node.CommandElements
    $paths = 0
    $isValue = $false  # of the parameter before it
    for ($i = 1; $i -lt $elements.Count; $i++) {
        $element = $elements[$i]
        if ($element -is [CommandParameterAst]) {
            $isSwitch = $element.ParameterName -match '^(r|verb|deb|use)'
            $isValue = -not $isSwitch -and -not $element.Argument
            if (-not $isValue -and $element.ParameterName -match '^[pc]') { $paths++ }
        } elseif ($element -is [VariableExpressionAst] -and $element.Splatted) {
            return
        } else {
            if (-not $isValue -or $elements[$i - 1].ParameterName -match '^(p|ch)') { $paths++ }
            $isValue = $false
        }
    }
    if ($paths -gt 2) { Add-Finding $Node.Extent parameter 'Join-Path of 5.1 takes one child path' }
}

function Test-NewObject($Node) {
    $elements = $Node.CommandElements
    # -ComObject, -Strict
    if ($elements | Where-Object { $_ -is [CommandParameterAst] -and $_.ParameterName -match '^[cs]' }) { return }
    $word = $elements | Select-Object -Skip 1 | Where-Object { Test-Constant $_ } | Select-Object -First 1
    if (-not $word) { return }
    $type = $word.Value -as [type]
    $name = if ($type) { $type.FullName } else { $word.Value }
    Test-TypeFullName $name, "System.$name" $Node $word.Extent
}

# ---- syntax and variables

function Test-BinaryExpression($Node) {
    switch ($Node.Operator) {
        'QuestionQuestion' { Add-Finding $Node.Extent syntax "?? ($(Get-Excerpt $Node))" }
        'DotDot' {
            foreach ($side in $Node.Left, $Node.Right) {
                $isLetter = (Test-Constant $side) -and $side.Value -notmatch '^\s*[+-]?\d'
                $isChar = $side -is [ConvertExpressionAst] -and $side.Type.TypeName.FullName -eq 'char'
                if ($isLetter -or $isChar) {
                    Add-Finding $Node.Extent syntax "range of characters ($(Get-Excerpt $Node))"
                    break
                }
            }
        }
        { $_ -in 'Ireplace', 'Creplace' } {
            if ($Node.Right -is [ArrayLiteralAst] -and $Node.Right.Elements[-1] -is [ScriptBlockExpressionAst]) {
                Add-Finding $Node.Extent syntax '-replace with a script block'
            }
        }
        { $_ -in 'Isplit', 'Csplit' } {
            if ($Node.Right -is [ArrayLiteralAst] -and $Node.Right.Elements[1].Extent.Text -match '^-[1-9]') {
                Add-Finding $Node.Extent syntax '-split with a negative number'
            }
        }
    }
}

function Test-Index($Node) {
    if ($Node.NullConditional) { Add-Finding $Node.Extent syntax "null-conditional ?[] ($(Get-Excerpt $Node))" }
    if ($Node.Index -isnot [ArrayLiteralAst]) { return }
    $child = $Node
    for ($parent = $Node.Parent; $parent; $parent = $parent.Parent) {
        if ($parent -is [ParenExpressionAst] -or $parent -is [StatementBlockAst] -or $parent -is [StatementAst]) { return }
        if ($parent -is [InvokeMemberExpressionAst] -and $parent.Arguments -contains $child) {
            Add-Finding $Node.Extent syntax "list as an index in the arguments of a method ($(Get-Excerpt $Node))"
            return
        }
        $child = $parent
    }
}

function Test-Variable($Node) {
    $name = $Node.VariablePath.UserPath
    if (-not $newVariables.ContainsKey($name) -or $current.AssignedNames.ContainsKey($name) -or (Test-Guarded $Node)) { return }
    # without strict mode an unknown variable is false, and so right for all but $IsWindows
    if ($name -in 'IsLinux', 'IsMacOS', 'IsCoreCLR' -and $current.Text -notmatch 'Set-StrictMode') { return }
    $statement = $Node
    while ($statement.Parent -and ($statement.Parent -isnot [StatementAst] -or $statement.Parent -is [PipelineBaseAst])) { $statement = $statement.Parent }
    if ($statement.Extent.Text -match 'PSVersion|PSEdition|Get-Variable|Test-Path') { return }
    Add-Finding $Node.Extent variable "5.1 has no `$$name" $newVariables[$name]
}

function Test-Assignment($Node) {
    if ($Node.Operator -eq 'QuestionQuestionEquals') { Add-Finding $Node.Extent syntax '??=' }
    if ($Node.Left.Extent.Text -match '^\$(\w+:)?\w+Preference$' -and $Node.Right.Extent.Text -match "^['`"]Break['`"]$") {
        Add-Finding $Node.Extent variable $Node.Extent.Text
    }
}

# C# in a here-string of a file that compiles some.
function Test-HereString($Node) {
    if ($Node.StringConstantType -notin 'SingleQuotedHereString', 'DoubleQuotedHereString') { return }
    if ($current.Text -notmatch 'Add-Type|AddType|CSharp') { return }
    if ($Node.Value -match '(?m)^\s*(using System|namespace \w|(public|internal|static|sealed)[\w ]* (class|struct|enum|interface) \w)') {
        Test-CSharp $Node.Value ($Node.Extent.StartLineNumber + 1)
    }
}

function Test-Node($Node) {
    switch ($Node.GetType().Name) {
        'AssignmentStatementAst' { Test-Assignment $Node }
        'AttributeAst' { Test-Attribute $Node }
        'BinaryExpressionAst' { Test-BinaryExpression $Node }
        'CommandAst' { Test-Command $Node }
        'ConvertExpressionAst' { Test-Conversion $Node }
        'IndexExpressionAst' { Test-Index $Node }
        'InvokeMemberExpressionAst' { Test-Member $Node }
        'MemberExpressionAst' { Test-Member $Node }
        'PipelineAst' { if ($Node.Background) { Add-Finding $Node.Extent syntax 'background &' } }
        'PipelineChainAst' {
            Add-Finding $Node.Extent syntax "pipeline chain $(if ($Node.Operator -eq 'AndAnd') { '&&' } else { '||' })"
            if ($Node.Background) { Add-Finding $Node.Extent syntax 'background &' }
        }
        'ScriptBlockAst' { if ($Node.CleanBlock) { Add-Finding $Node.CleanBlock.Extent syntax 'clean block' } }
        'StringConstantExpressionAst' { Test-HereString $Node }
        'TernaryExpressionAst' { Add-Finding $Node.Extent syntax "ternary ? : ($(Get-Excerpt $Node))" }
        'TypeConstraintAst' { Test-TypeName $Node.TypeName $Node }
        'TypeDefinitionAst' {
            if ($Node.IsEnum -and $Node.BaseTypes.Count) { Add-Finding $Node.Extent syntax "enum $($Node.Name) with an underlying type" }
        }
        'TypeExpressionAst' { Test-TypeName $Node.TypeName $Node }
        'VariableExpressionAst' { Test-Variable $Node }
    }
}

# ---- C#

$csharp = $null  # how to parse and compile it, made when there is some

function Test-CSharp($Text, $FirstLine) {
    if (-not $csharp) {
        foreach ($name in 'Microsoft.CodeAnalysis', 'Microsoft.CodeAnalysis.CSharp') { $null = [Reflection.Assembly]::LoadFrom("$PSHOME\$name.dll") }
        $script:csharp = New-CSharp5
    }
    $tree = [Microsoft.CodeAnalysis.CSharp.CSharpSyntaxTree]::ParseText($Text, $csharp.Parse)
    $trees = [Microsoft.CodeAnalysis.SyntaxTree[]]@($tree)
    $compilation = [Microsoft.CodeAnalysis.CSharp.CSharpCompilation]::Create('x', $trees, $csharp.References, $csharp.Compile)
    # the parser tells wrong syntax, the compiler what is newer than C# 5 (CS8026); what it says of missing references does not matter
    foreach ($diagnostic in @($tree.GetDiagnostics()) + @($compilation.GetDiagnostics()).Where({ $_.Id -eq 'CS8026' })) {
        if ($diagnostic.Severity -ne 'Error') { continue }
        $start = $diagnostic.Location.GetLineSpan().StartLinePosition
        Add-Finding (New-Place ($FirstLine + $start.Line) ($start.Character + 1)) csharp $diagnostic.GetMessage()
    }
}

function New-CSharp5 {
    $symbols = [string[]]('WINDOWS', 'AMD64')
    $corelib = [Microsoft.CodeAnalysis.MetadataReference]::CreateFromFile([object].Assembly.Location)
    @{
        Parse = [Microsoft.CodeAnalysis.CSharp.CSharpParseOptions]::Default.WithLanguageVersion('CSharp5').WithPreprocessorSymbols($symbols)
        Compile = [Microsoft.CodeAnalysis.CSharp.CSharpCompilationOptions]::new('DynamicallyLinkedLibrary').WithAllowUnsafe($true)
        References = [Microsoft.CodeAnalysis.MetadataReference[]]@($corelib)
    }
}
