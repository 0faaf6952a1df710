// Loaded by .NET before the main program of every PowerShell process on an emulated host (DOTNET_STARTUP_HOOKS): makes it say
// what Windows PowerShell on that host would say.
using System;
using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Runspaces;
using System.Reflection;
using System.Runtime.InteropServices;
using Microsoft.Win32;

internal static class StartupHook
{
    [DllImport("kernel32.dll")]
    static extern bool SetConsoleOutputCP(uint page);
    [DllImport("kernel32.dll")]
    static extern bool SetConsoleCP(uint page);

    public static void Initialize()
    {
        try
        {
            UseCodePage();
            ReportVersion();
            PreferDoubles();
            // Scripts find System.Data.SqlClient in any assembly that is loaded
            Assembly.LoadFrom(@"C:\windows\winfleet\Winfleet.Sql.dll");
            OfferExchangeSessions();
            WritePlainly();
            Services.Complete();
            Domain.Complete();
            Shares.Complete();
            Files.Complete();
            Jobs.Complete();
            CommandLine.Run();
        }
        catch (Exception error)
        {
            Console.Error.WriteLine("winfleet: " + error);  // a process that cannot be adapted still runs
        }
    }

    // A shell of WinRM has the code page its client asked for.
    static void UseCodePage()
    {
        uint page;
        if (uint.TryParse(Environment.GetEnvironmentVariable("WINFLEET_CODEPAGE"), out page) && page != 0)
        {
            SetConsoleOutputCP(page);
            SetConsoleCP(page);
        }
    }

    // $PSVersionTable as the host's registry has it; the table is one object for all runspaces of the process.
    static void ReportVersion()
    {
        string text;
        using (var key = Registry.LocalMachine.OpenSubKey(@"SOFTWARE\Microsoft\PowerShell\3\PowerShellEngine"))
        {
            text = key == null ? null : key.GetValue("PowerShellVersion") as string;
        }
        Version version;
        if (!Version.TryParse(text, out version)) { return; }
        var type = typeof(PSObject).Assembly.GetType("System.Management.Automation.PSVersionInfo");
        var table = (IDictionary)type.GetMethod("GetPSVersionTable", BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.Public).Invoke(null, null);
        table["PSVersion"] = version;
        table["BuildVersion"] = new Version(10, 0, version.Build < 0 ? 0 : version.Build, version.Revision < 0 ? 0 : version.Revision);
        table["CLRVersion"] = new Version(4, 0, 30319, 42000);
        if (version.Major >= 5) { table["PSEdition"] = "Desktop"; }
        else { table.Remove("PSEdition"); }
    }

    // A runspace that [PowerShell]::Create() makes, as ansible-core before 2.20 does, has the engine's own cmdlets of these built in.
    // Without them the modules are loaded when they are needed, and with these the doubles of prefix.py (NESTED).
    static void PreferDoubles()
    {
        var reader = typeof(PSObject).Assembly.GetType("System.Management.Automation.PSSnapInReader");
        var snapIns = (IList)reader.GetProperty("DefaultMshSnapins", BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.Public).GetValue(null);
        for (int i = snapIns.Count - 1; i >= 0; i--)
        {
            var name = (string)snapIns[i].GetType().GetField("PSSnapInName", BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.Public).GetValue(snapIns[i]);
            if (name == "Microsoft.PowerShell.Diagnostics" || name == "Microsoft.PowerShell.Security") { snapIns.RemoveAt(i); }
        }
    }

    // On Exchange servers scripts open a management session with functions of ours. A function goes before a cmdlet, and these are built into every
    // runspace: they take the places of those that change to drives which no host has.
    static void OfferExchangeSessions()
    {
        const string module = "Winfleet.Exchange";
        var home = System.IO.Path.GetDirectoryName(typeof(PSObject).Assembly.Location);
        if (!System.IO.Directory.Exists(System.IO.Path.Combine(home, "Modules", module))) { return; }
        var names = new[] { "New-PSSession", "Import-PSSession", "Remove-PSSession" };
        var functions = (SessionStateFunctionEntry[])typeof(InitialSessionState)
            .GetField("BuiltInFunctions", BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.Public).GetValue(null);
        for (int i = 0; i < names.Length; i++)
        {
            functions[functions.Length - 1 - i] = new SessionStateFunctionEntry(names[i], module + "\\" + names[i] + " @args");
        }
    }

    // Windows PowerShell knows neither colours in its output nor the short form of errors.
    static void WritePlainly()
    {
        PSStyle.Instance.OutputRendering = OutputRendering.PlainText;
        // Errors on a redirected standard error are coloured all the same
        Clear(PSStyle.Instance.Formatting, null);
        Clear(PSStyle.Instance, "<Reset>k__BackingField");
        var variables = (Array)typeof(InitialSessionState).GetField("BuiltInVariables", BindingFlags.Static | BindingFlags.NonPublic).GetValue(null);
        foreach (SessionStateVariableEntry variable in variables)
        {
            if (variable.Name == "ErrorView")
            {
                typeof(SessionStateVariableEntry).GetField("<Value>k__BackingField", BindingFlags.Instance | BindingFlags.NonPublic)
                    .SetValue(variable, ErrorView.NormalView);
            }
        }
    }

    static void Clear(object style, string name)
    {
        foreach (var field in style.GetType().GetFields(BindingFlags.Instance | BindingFlags.NonPublic))
        {
            if (field.FieldType == typeof(string) && (name == null || field.Name == name)) { field.SetValue(style, ""); }
        }
    }
}
