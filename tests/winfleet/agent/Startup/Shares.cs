// Connections to file shares, which Wine has none of: the supervisor (shares.py) is asked, in the way of the programs that it plays.
using System;
using System.IO;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using System.Threading;

internal static class Shares
{
    const string Calls = @"C:\windows\winfleet\calls\";
    const int NoNetwork = 1222;
    static int count;

    [UnmanagedFunctionPointer(CallingConvention.Winapi)]
    delegate int Add(IntPtr resource, IntPtr password, IntPtr user, uint flags);
    [UnmanagedFunctionPointer(CallingConvention.Winapi)]
    delegate int Cancel(IntPtr name, uint flags, int force);

    public static void Complete()
    {
        Exports.Replace<Add>("mpr.dll", "WNetAddConnection2W", (resource, password, user, flags) =>
        {
            var name = Marshal.ReadIntPtr(resource, 24);  // lpRemoteName
            return Ask("connect", Marshal.PtrToStringUni(name), Marshal.PtrToStringUni(user), Marshal.PtrToStringUni(password));
        });
        Exports.Replace<Cancel>("mpr.dll", "WNetCancelConnection2W", (name, flags, force) => Ask("disconnect", Marshal.PtrToStringUni(name)));
    }

    static int Ask(string verb, params string[] arguments)
    {
        var path = Calls + "share-" + Environment.ProcessId + "-" + Interlocked.Increment(ref count);
        File.WriteAllText(path + ".new", verb + "\n\n" + JsonSerializer.Serialize(arguments), new UnicodeEncoding(false, false));
        File.Move(path + ".new", path + ".call");
        for (int i = 0; i < 200; i++)
        {
            Thread.Sleep(50);
            if (!File.Exists(path + ".answer")) { continue; }
            int code = BitConverter.ToInt32(File.ReadAllBytes(path + ".answer"), 0);
            File.Delete(path + ".answer");
            return code;
        }
        return NoNetwork;
    }
}
