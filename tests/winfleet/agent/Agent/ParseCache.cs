// A script that Ansible's wrappers parse is parsed, compiled and jitted once in a process, not once for each module run.
// They find this class under the name of PowerShell's parser, by a type accelerator.
using System;
using System.Collections.Generic;
using System.Management.Automation;
using System.Management.Automation.Language;
using System.Reflection;

namespace Winfleet
{
    public static class CachedParser
    {
        sealed class Parsed
        {
            public PSObject Tree;
            public Token[] Tokens;
        }

        /// <summary>Texts whose parsed form is kept; Ansible's wrappers, modules and utilities are about a hundred.</summary>
        const int Most = 500;
        static readonly MethodInfo clone = typeof(ScriptBlock).GetMethod("Clone", BindingFlags.Instance | BindingFlags.NonPublic, null, Type.EmptyTypes, null);
        static readonly MethodInfo copy = typeof(CachedParser).GetMethod("CopyScriptBlock");
        static readonly Dictionary<Ast, ScriptBlock> blocks = new Dictionary<Ast, ScriptBlock>();
        static readonly Dictionary<string, Parsed> known = new Dictionary<string, Parsed>();

        public static void Install()
        {
            TypeNames.Replace("System.Management.Automation.Language.Parser", typeof(CachedParser));
            TypeNames.Replace("Parser", typeof(CachedParser));  // after "using namespace", as in ansible-core's wrappers
        }

        public static object ParseInput(string input, out Token[] tokens, out ParseError[] errors)
        {
            return ParseInput(input, null, out tokens, out errors);
        }

        /// <summary>As Parser.ParseInput; the script block of its tree is a copy that shares the compiled code.</summary>
        public static object ParseInput(string input, string fileName, out Token[] tokens, out ParseError[] errors)
        {
            var key = fileName + "\0" + input;
            lock (known)
            {
                Parsed parsed;
                if (known.TryGetValue(key, out parsed))
                {
                    tokens = parsed.Tokens;
                    errors = new ParseError[0];
                    return parsed.Tree;
                }
                var tree = Parser.ParseInput(input, fileName, out tokens, out errors);
                if (errors.Length > 0) { return tree; }
                if (known.Count == Most)
                {
                    known.Clear();
                    blocks.Clear();
                }
                blocks[tree] = tree.GetScriptBlock();
                parsed = new Parsed { Tree = new PSObject(tree), Tokens = tokens };
                parsed.Tree.Methods.Add(new PSCodeMethod("GetScriptBlock", copy));
                known[key] = parsed;
                return parsed.Tree;
            }
        }

        public static Ast ParseFile(string fileName, out Token[] tokens, out ParseError[] errors)
        {
            return Parser.ParseFile(fileName, out tokens, out errors);
        }

        public static ScriptBlock CopyScriptBlock(PSObject tree)
        {
            var ast = (ScriptBlockAst)tree.BaseObject;
            lock (known)
            {
                ScriptBlock block;
                return blocks.TryGetValue(ast, out block) ? (ScriptBlock)clone.Invoke(block, null) : ast.GetScriptBlock();
            }
        }
    }
}
