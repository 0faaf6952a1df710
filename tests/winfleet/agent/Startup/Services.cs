// What the service functions of Wine lack: it knows the description and the pre-shutdown timeout of a service only. The rest is kept
// where Windows keeps it, in the service's registry key.
using System;
using System.Collections.Concurrent;
using System.Linq;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32;

internal static class Services
{
    const int InsufficientBuffer = 122, InvalidParameter = 87, InvalidLevel = 124;

    [UnmanagedFunctionPointer(CallingConvention.Winapi, CharSet = CharSet.Unicode, SetLastError = true)]
    delegate IntPtr OpenService(IntPtr manager, IntPtr name, uint access);
    [UnmanagedFunctionPointer(CallingConvention.Winapi, SetLastError = true)]
    delegate IntPtr CreateService(IntPtr manager, IntPtr name, IntPtr display, uint access, uint type, uint start, uint error, IntPtr path, IntPtr group, IntPtr tag, IntPtr dependencies, IntPtr user, IntPtr password);
    [UnmanagedFunctionPointer(CallingConvention.Winapi, SetLastError = true)]
    delegate int QueryConfig(IntPtr service, IntPtr buffer, uint size, IntPtr needed);
    [UnmanagedFunctionPointer(CallingConvention.Winapi, SetLastError = true)]
    delegate int QueryConfig2(IntPtr service, uint level, IntPtr buffer, uint size, IntPtr needed);
    [UnmanagedFunctionPointer(CallingConvention.Winapi, SetLastError = true)]
    delegate int ChangeConfig2(IntPtr service, uint level, IntPtr info);

    sealed class Originals
    {
        public OpenService Open;
        public CreateService Create;
        public QueryConfig Query;
        public QueryConfig2 Query2;
        public ChangeConfig2 Change2;
    }

    static readonly ConcurrentDictionary<IntPtr, string> names = new ConcurrentDictionary<IntPtr, string>();
    static readonly ConcurrentDictionary<string, IntPtr> displayNames = new ConcurrentDictionary<string, IntPtr>();
    static readonly IntPtr noStrings = Zeroed(16);

    static IntPtr Zeroed(int size)
    {
        var memory = Marshal.AllocHGlobal(size);
        Marshal.Copy(new byte[size], 0, memory, size);
        return memory;
    }

    public static void Complete()
    {
        // advapi32 has thunks of its own; everything else is forwarded to sechost
        foreach (var library in new[] { "sechost.dll", "advapi32.dll" })
        {
            var originals = new Originals();
            originals.Open = Exports.Replace<OpenService>(library, "OpenServiceW", (manager, name, access) =>
            {
                var handle = originals.Open(manager, name, access);
                return Remember(handle, name);
            });
            originals.Create = Exports.Replace<CreateService>(library, "CreateServiceW", (manager, name, display, access, type, start, error, path, group, tag, dependencies, user, password) =>
            {
                var handle = originals.Create(manager, name, display, access, type, start, error, path, group, tag, dependencies, user, password);
                return Remember(handle, name);
            });
            originals.Query = Exports.Replace<QueryConfig>(library, "QueryServiceConfigW", (service, buffer, size, needed) =>
            {
                int done = originals.Query(service, buffer, size, needed);
                int code = Marshal.GetLastPInvokeError();
                if (done != 0)
                {
                    // QUERY_SERVICE_CONFIGW.lpDependencies: an empty list has to end with two NULs
                    var list = Marshal.ReadIntPtr(buffer, 40);
                    if (list == IntPtr.Zero || Marshal.ReadInt16(list) == 0) { Marshal.WriteIntPtr(buffer, 40, noStrings); }
                    // lpDisplayName: without one the service's name
                    var display = Marshal.ReadIntPtr(buffer, 56);
                    string name;
                    if ((display == IntPtr.Zero || Marshal.ReadInt16(display) == 0) && names.TryGetValue(service, out name))
                    {
                        Marshal.WriteIntPtr(buffer, 56, displayNames.GetOrAdd(name, Marshal.StringToHGlobalUni));
                    }
                }
                Marshal.SetLastSystemError(code);
                return done;
            });
            originals.Query2 = Exports.Replace<QueryConfig2>(library, "QueryServiceConfig2W", (service, level, buffer, size, needed) =>
            {
                string name;
                if (level == 1 || level == 7 || !names.TryGetValue(service, out name))
                {
                    int done = originals.Query2(service, level, buffer, size, needed);
                    Marshal.SetLastSystemError(Marshal.GetLastPInvokeError());
                    return done;
                }
                return Result(Read(name, level, buffer, size, needed));
            });
            originals.Change2 = Exports.Replace<ChangeConfig2>(library, "ChangeServiceConfig2W", (service, level, info) =>
            {
                string name;
                if (level == 1 || level == 7 || !names.TryGetValue(service, out name))
                {
                    int done = originals.Change2(service, level, info);
                    Marshal.SetLastSystemError(Marshal.GetLastPInvokeError());
                    return done;
                }
                return Result(Write(name, level, info));
            });
        }
    }

    static IntPtr Remember(IntPtr handle, IntPtr name)
    {
        int code = Marshal.GetLastPInvokeError();
        if (handle != IntPtr.Zero) { names[handle] = Marshal.PtrToStringUni(name); }
        Marshal.SetLastSystemError(code);
        return handle;
    }

    static int Result(int code)
    {
        Marshal.SetLastSystemError(code);
        return code == 0 ? 1 : 0;
    }

    static RegistryKey Key(string name, bool writable)
    {
        return Registry.LocalMachine.OpenSubKey(@"SYSTEM\CurrentControlSet\Services\" + name, writable);
    }

    // Levels that are one DWORD in the structure and in the registry.
    static string Number(uint level)
    {
        switch (level)
        {
            case 3: return "DelayedAutostart";
            case 4: return "FailureActionsOnNonCrashFailures";
            case 5: return "ServiceSidType";
            case 12: return "LaunchProtected";
            default: return null;
        }
    }

    static int Read(string name, uint level, IntPtr buffer, uint size, IntPtr needed)
    {
        using (var key = Key(name, false))
        {
            byte[] fixedPart, strings = new byte[0];
            int pointerAt = -1, messageAt = -1, commandAt = -1;
            if (Number(level) != null)
            {
                fixedPart = BitConverter.GetBytes(Convert.ToInt32(Value(key, Number(level), 0)));
            }
            else if (level == 6)
            {
                fixedPart = new byte[8];
                var privileges = (string[])Value(key, "RequiredPrivileges", new string[0]);
                if (privileges.Length > 0)
                {
                    pointerAt = 0;
                    strings = Encoding.Unicode.GetBytes(string.Concat(privileges.Select(item => item + "\0")) + "\0");
                }
            }
            else if (level == 8)
            {
                fixedPart = new byte[24];  // no triggers
            }
            else if (level == 2)
            {
                fixedPart = new byte[40];
                var stored = (byte[])Value(key, "FailureActions", new byte[20]);
                Buffer.BlockCopy(stored, 0, fixedPart, 0, 4);
                int actions = BitConverter.ToInt32(stored, 12);
                BitConverter.GetBytes(actions).CopyTo(fixedPart, 24);
                if (actions > 0)
                {
                    pointerAt = 32;
                    strings = stored.Skip(20).Take(8 * actions).ToArray();
                }
                var message = Value(key, "RebootMessage", null) as string;
                var command = Value(key, "FailureCommand", null) as string;
                if (message != null) { messageAt = strings.Length; strings = strings.Concat(Encoding.Unicode.GetBytes(message + "\0")).ToArray(); }
                if (command != null) { commandAt = strings.Length; strings = strings.Concat(Encoding.Unicode.GetBytes(command + "\0")).ToArray(); }
            }
            else
            {
                return level == 9 ? InvalidParameter : InvalidLevel;  // 9: a machine without NUMA
            }
            int all = fixedPart.Length + strings.Length;
            if (needed != IntPtr.Zero) { Marshal.WriteInt32(needed, all); }
            if (size < all || buffer == IntPtr.Zero) { return InsufficientBuffer; }
            Marshal.Copy(fixedPart, 0, buffer, fixedPart.Length);
            var text = buffer + fixedPart.Length;
            Marshal.Copy(strings, 0, text, strings.Length);
            if (pointerAt >= 0) { Marshal.WriteIntPtr(buffer, pointerAt, text); }
            if (messageAt >= 0) { Marshal.WriteIntPtr(buffer, 8, text + messageAt); }
            if (commandAt >= 0) { Marshal.WriteIntPtr(buffer, 16, text + commandAt); }
            return 0;
        }
    }

    static object Value(RegistryKey key, string name, object without)
    {
        return key == null ? without : key.GetValue(name, without);
    }

    static int Write(string name, uint level, IntPtr info)
    {
        using (var key = Key(name, true))
        {
            if (key == null) { return InvalidParameter; }
            if (Number(level) != null)
            {
                key.SetValue(Number(level), Marshal.ReadInt32(info), RegistryValueKind.DWord);
                return 0;
            }
            if (level == 6)
            {
                var privileges = Strings(Marshal.ReadIntPtr(info));
                if (privileges.Length == 0) { key.DeleteValue("RequiredPrivileges", false); }
                else { key.SetValue("RequiredPrivileges", privileges, RegistryValueKind.MultiString); }
                return 0;
            }
            if (level == 2)
            {
                var list = Marshal.ReadIntPtr(info, 32);
                int actions = Marshal.ReadInt32(info, 24);
                // An empty list removes the actions and the reset period; no list leaves both
                if (list != IntPtr.Zero && actions == 0) { key.DeleteValue("FailureActions", false); }
                else if (list != IntPtr.Zero)
                {
                    var stored = new byte[20 + 8 * actions];
                    BitConverter.GetBytes(Marshal.ReadInt32(info)).CopyTo(stored, 0);
                    BitConverter.GetBytes(actions).CopyTo(stored, 12);
                    BitConverter.GetBytes(20).CopyTo(stored, 16);
                    Marshal.Copy(list, stored, 20, 8 * actions);
                    key.SetValue("FailureActions", stored, RegistryValueKind.Binary);
                }
                Text(key, "RebootMessage", Marshal.ReadIntPtr(info, 8));
                Text(key, "FailureCommand", Marshal.ReadIntPtr(info, 16));
                return 0;
            }
            return level == 9 ? InvalidParameter : InvalidLevel;
        }
    }

    // A null pointer leaves the text, an empty one removes it.
    static void Text(RegistryKey key, string name, IntPtr text)
    {
        if (text == IntPtr.Zero) { return; }
        var value = Marshal.PtrToStringUni(text);
        if (value.Length == 0) { key.DeleteValue(name, false); }
        else { key.SetValue(name, value, RegistryValueKind.String); }
    }

    static string[] Strings(IntPtr list)
    {
        var result = new System.Collections.Generic.List<string>();
        while (list != IntPtr.Zero)
        {
            var item = Marshal.PtrToStringUni(list);
            if (item.Length == 0) { break; }
            result.Add(item);
            list += 2 * (item.Length + 1);
        }
        return result.ToArray();
    }
}
