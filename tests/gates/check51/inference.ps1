# The .NET type of an expression, as far as it can be told without running it: from literals, casts, declared parameters, variables that
# are assigned one type only, and what methods and properties return. Nothing comes out where that is not certain.
using namespace System.Management.Automation.Language

# Where a variable lives: the offset of the function around the node, -1 for the script.
function Get-Scope($Node) {
    for ($parent = $Node.Parent; $parent; $parent = $parent.Parent) {
        if ($parent -is [FunctionDefinitionAst] -or $parent -is [FunctionMemberAst]) { return $parent.Extent.StartOffset }
    }
    -1
}

function Get-VariableKey($Variable, $Scope = (Get-Scope $Variable)) { "$Scope $($Variable.VariablePath.UserPath)" }

# Notes what a file assigns: $current.Typed (key -> declared type), .Assigned (key -> values; $null for an unknown one) and
# .Keyed (key -> entries @(name, $null, node) set by $table.name = or $table['name'] =).
function Read-Assignment($Node) {
    switch ($Node) {
        { $_ -is [ParameterAst] } {
            if ($_.StaticType -ne [object]) { $current.Typed["$(Get-Scope $_) $($_.Name.VariablePath.UserPath)"] = $_.StaticType }
            Add-Assigned $_.Name $null (Get-Scope $_)
        }
        { $_ -is [ForEachStatementAst] } { Add-Assigned $_.Variable $null (Get-Scope $_) }
        { $_ -is [AssignmentStatementAst] } {
            $scope = Get-Scope $_
            $left = $_.Left
            $type = $null
            while ($left -is [AttributedExpressionAst]) {
                if ($left -is [ConvertExpressionAst]) { $type = $left.Type.TypeName.GetReflectionType() }
                $left = $left.Child
            }
            if ($type -and $type -ne [object] -and $left -is [VariableExpressionAst]) { $current.Typed[(Get-VariableKey $left $scope)] = $type }
            if ($left -is [VariableExpressionAst]) {
                Add-Assigned $left $(if ($_.Operator -in 'Equals', 'QuestionQuestionEquals') { $_.Right }) $scope
            } elseif ($left -is [ArrayLiteralAst]) {
                foreach ($element in $left.Elements) { if ($element -is [VariableExpressionAst]) { Add-Assigned $element $null $scope } }
            } elseif ($left -is [MemberExpressionAst] -and $left.Expression -is [VariableExpressionAst] -and $left.Member -is [StringConstantExpressionAst]) {
                $current.Keyed[(Get-VariableKey $left.Expression $scope)] += , @($left.Member.Value, $null, $left)
            } elseif ($left -is [IndexExpressionAst] -and $left.Target -is [VariableExpressionAst] -and $left.Index -is [StringConstantExpressionAst]) {
                $current.Keyed[(Get-VariableKey $left.Target $scope)] += , @($left.Index.Value, $null, $left)
            }
        }
    }
}

function Add-Assigned($Variable, $Value, $Scope) {
    $key = Get-VariableKey $Variable $Scope
    if (-not $current.Assigned[$key]) { $current.Assigned[$key] = [Collections.Generic.List[object]]::new() }
    $current.Assigned[$key].Add($Value)
    $current.AssignedNames[$Variable.VariablePath.UserPath] = $true
}

# The type that a method (with that many arguments), property or field gives; nothing when overloads disagree.
function Get-MemberType($Type, $Name, [bool]$Static, $Count) {
    $flags = [Reflection.BindingFlags]'Public,IgnoreCase,FlattenHierarchy' -bor $(if ($Static) { 'Static' } else { 'Instance' })
    $types = @(
        foreach ($member in $Type.GetMember($Name, $flags)) {
            if ($member -is [Reflection.MethodInfo]) {
                # PowerShell cannot call methods that take a Span
                if (@($member.GetParameters().ParameterType.IsByRefLike) -contains $true) { continue }
                if ($null -eq $Count -or $member.GetParameters().Count -eq $Count) { $member.ReturnType }
            } elseif ($member -is [Reflection.PropertyInfo]) {
                $member.PropertyType
            } elseif ($member -is [Reflection.FieldInfo]) {
                $member.FieldType
            }
        }
    ) | Select-Object -Unique
    if (@($types).Count -ne 1) { return }
    if ($types.ContainsGenericParameters -or $types.IsGenericParameter -or $types -in [object], [void]) { return }
    $types
}

function Get-VariableType($Variable, $Depth) {
    foreach ($scope in (Get-Scope $Variable), -1) {
        $key = Get-VariableKey $Variable $scope
        if ($current.Typed.ContainsKey($key)) { return $current.Typed[$key] }
        if (-not $current.Assigned.ContainsKey($key)) { continue }
        $values = $current.Assigned[$key]
        $types = @(foreach ($value in $values) { if ($value) { Get-ExpressionType $value $Depth } })
        if ($types.Count -ne $values.Count) { return }
        $types = @($types | Select-Object -Unique)
        if ($types.Count -eq 1) { return $types[0] }
        return
    }
}

function Get-MemberExpressionType($Expression, $Depth) {
    if ($Expression.Member -isnot [StringConstantExpressionAst]) { return }
    $name = $Expression.Member.Value
    $count = Get-ArgumentCount $Expression
    if ($Expression.Static) {
        if ($Expression.Expression -isnot [TypeExpressionAst]) { return }
        $type = $Expression.Expression.TypeName.GetReflectionType()
        if ($type -and $name -eq 'new' -and $null -ne $count) { return $type }
    } else {
        $type = Get-ExpressionType $Expression.Expression $Depth
    }
    if ($type -and -not $type.IsArray) { Get-MemberType $type $name $Expression.Static $count }
}

# How many arguments a call has; nothing for a property.
function Get-ArgumentCount($Expression) {
    if ($Expression -is [InvokeMemberExpressionAst]) { @($Expression.Arguments).Where({ $null -ne $_ }).Count }
}

function Get-ExpressionType($Expression, $Depth = 0) {
    if ($Depth -gt 8 -or $null -eq $Expression) { return }
    $deeper = $Depth + 1
    switch ($Expression.GetType().Name) {
        'StringConstantExpressionAst' { return [string] }
        'ExpandableStringExpressionAst' { return [string] }
        'ConstantExpressionAst' { return $Expression.StaticType }
        'ConvertExpressionAst' {
            if ($Expression.Type.TypeName.FullName -in 'ordered', 'pscustomobject', 'psobject', 'object') { return }
            return $Expression.Type.TypeName.GetReflectionType()
        }
        'ParenExpressionAst' { return Get-ExpressionType $Expression.Pipeline $deeper }
        'PipelineAst' { if ($Expression.PipelineElements.Count -eq 1) { return Get-ExpressionType $Expression.PipelineElements[0] $deeper } }
        'CommandExpressionAst' { return Get-ExpressionType $Expression.Expression $deeper }
        'CommandAst' {
            $name = $Expression.GetCommandName()
            if ($name -eq 'Get-Date' -and $Expression.Extent.Text -notmatch '-F|-U') { return [datetime] }
            if ($name -eq 'New-Object') {
                $words = @($Expression.CommandElements | Where-Object { $_ -is [StringConstantExpressionAst] })
                if ($words.Count -gt 1) { return $words[1].Value -as [type] }
            }
        }
        'BinaryExpressionAst' {
            if ($Expression.Operator -in 'Join', 'Format') { return [string] }
            if ($Expression.Operator -in 'Isplit', 'Csplit') { return [string[]] }
            if ($Expression.Operator -in 'Ireplace', 'Creplace', 'Plus' -and (Get-ExpressionType $Expression.Left $deeper) -eq [string]) { return [string] }
        }
        'UnaryExpressionAst' {
            if ($Expression.TokenKind -eq 'Join') { return [string] }
            if ($Expression.TokenKind -in 'Isplit', 'Csplit') { return [string[]] }
        }
        'MemberExpressionAst' { return Get-MemberExpressionType $Expression $deeper }
        'InvokeMemberExpressionAst' { return Get-MemberExpressionType $Expression $deeper }
        'VariableExpressionAst' { return Get-VariableType $Expression $deeper }
    }
}
