// Windows PowerShell's command line. The engine's own runs a script file where Windows PowerShell runs a command, has other abbreviations,
// and gives -Version another meaning. A startup hook cannot change the arguments of Main, so PowerShell is run from here with others.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Management.Automation;
using System.Reflection;
using System.Reflection.Emit;
using System.Runtime.CompilerServices;

internal static class CommandLine
{
    /// <summary>The command line or -File is wrong.</summary>
    const int BadCommandLine = unchecked((int)0xFFFD0000), EngineBadCommandLine = 64;

    // Name, and its shortest unambiguous abbreviation
    static readonly string[][] alone =
    {
        new[] { "help", "h" }, new[] { "?", "?" }, new[] { "noexit", "noe" }, new[] { "noninteractive", "noni" }, new[] { "servermode", "s" },
        new[] { "noprofile", "nop" }, new[] { "nologo", "nol" }, new[] { "sta", "st" }, new[] { "mta", "mta" },
    };
    static readonly string[][] withValue =
    {
        new[] { "windowstyle", "w" }, new[] { "outputformat", "o", "of" }, new[] { "inputformat", "i", "if" }, new[] { "executionpolicy", "ex", "ep" },
        new[] { "encodedcommand", "e", "ec" }, new[] { "encodedarguments", "encodeda", "ea" }, new[] { "configurationname", "config" },
        new[] { "workingdirectory", "workingdirectory", "wd" },  // Windows PowerShell has no such option; the engine's jobs give it
    };
    // They choose an engine or a console, of which there is one here
    static readonly string[][] ignored = { new[] { "version", "v" }, new[] { "psconsolefile", "p" } };
    static readonly string[][] last = { new[] { "command", "c" }, new[] { "file", "f" } };

    /// <summary>Runs PowerShell and ends the process, unless this is another program.</summary>
    public static void Run()
    {
        if (Assembly.GetEntryAssembly().GetName().Name != "pwsh") { return; }
        StartJobsWithPowerShell();
        var console = Assembly.Load("Microsoft.PowerShell.ConsoleHost");
        var start = console.GetType("Microsoft.PowerShell.UnmanagedPSEntry").GetMethod("Start", new[] { typeof(string[]), typeof(int) });
        string mistake;
        var arguments = Translate(Environment.GetCommandLineArgs().Skip(1).ToArray(), out mistake);
        if (mistake != null)
        {
            Console.Error.WriteLine(mistake);
            Environment.Exit(BadCommandLine);
        }
        int code = (int)start.Invoke(null, new object[] { arguments, arguments.Length });
        Environment.Exit(code == EngineBadCommandLine && Refused(console) ? BadCommandLine : code);
    }

    // The engine starts pwsh.exe for a job; Windows has only powershell.exe.
    static void StartJobsWithPowerShell()
    {
        var type = typeof(PSObject).Assembly.GetType("System.Management.Automation.Runspaces.PowerShellProcessInstance");
        var field = type.GetField("PwshExePath", BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.Public);
        RuntimeHelpers.RunClassConstructor(type.TypeHandle);
        // Reflection does not write a field that is read-only
        var setter = new DynamicMethod("SetPath", null, new[] { typeof(string) }, type.Module, true);
        var code = setter.GetILGenerator();
        code.Emit(OpCodes.Ldarg_0);
        code.Emit(OpCodes.Stsfld, field);
        code.Emit(OpCodes.Ret);
        setter.Invoke(null, new object[] { Environment.ProcessPath });
    }

    // A script may end with 64, too.
    static bool Refused(Assembly console)
    {
        const BindingFlags hidden = BindingFlags.Static | BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.Public;
        var parser = console.GetType("Microsoft.PowerShell.ConsoleHost").GetField("s_cpp", hidden).GetValue(null);
        return (bool)parser.GetType().GetProperty("AbortStartup", hidden).GetValue(parser);
    }

    /// <summary>Returns what the engine has to be given for the arguments of powershell.exe.</summary>
    static string[] Translate(string[] given, out string mistake)
    {
        mistake = null;
        var result = new List<string>();
        for (int at = 0; at < given.Length; at++)
        {
            var text = given[at].Trim();
            if (text.Length == 0) { continue; }
            var option = "-/".IndexOf(text[0]) < 0 ? "" : text.Substring(text.StartsWith("--", StringComparison.Ordinal) ? 2 : 1).ToLowerInvariant();
            string name;
            if (Find(alone, option, out name)) { result.Add("-" + name); }
            else if (Find(withValue, option, out name))
            {
                result.Add("-" + name);
                if (++at < given.Length) { result.Add(given[at]); }
            }
            else if (Find(ignored, option, out name)) { at++; }
            else
            {
                // What is no option begins the command
                bool known = Find(last, option, out name);
                result.Add("-" + (known ? name : "command"));
                var rest = given.Skip(known ? at + 1 : at).ToArray();
                if (name == "file" && rest.Length > 0) { mistake = Mistake(rest[0]); }
                return result.Concat(rest).ToArray();
            }
        }
        return result.ToArray();
    }

    static bool Find(string[][] options, string text, out string name)
    {
        name = options.Where(option => text.Length > 0 && (option.Skip(2).Contains(text)
            || text.Length >= option[1].Length && option[0].StartsWith(text, StringComparison.Ordinal))).Select(option => option[0]).FirstOrDefault();
        return name != null;
    }

    static string Mistake(string script)
    {
        if (script == "-") { return null; }
        if (!File.Exists(script))
        {
            return "The argument '" + script + "' to the -File parameter does not exist. "
                + "Provide the path to an existing '.ps1' file as an argument to the -File parameter.";
        }
        return script.EndsWith(".ps1", StringComparison.OrdinalIgnoreCase) ? null
            : "Processing -File '" + script + "' failed because the file does not have a '.ps1' extension. "
                + "Specify a valid Windows PowerShell script file name, and then try again.";
    }
}
