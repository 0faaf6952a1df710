// Replaces functions that a library of Wine exports: whoever asks for them from now on gets ours. The original's code stays untouched
// and callable, since only the library's table of addresses is changed.
using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;

internal static class Exports
{
    [DllImport("kernel32.dll", CharSet = CharSet.Unicode)]
    static extern IntPtr LoadLibraryW(string name);
    [DllImport("kernel32.dll", CharSet = CharSet.Ansi, ExactSpelling = true)]
    static extern IntPtr GetProcAddress(IntPtr module, string name);
    [DllImport("kernel32.dll")]
    static extern IntPtr VirtualAlloc(IntPtr address, UIntPtr size, uint type, uint protect);
    [DllImport("kernel32.dll")]
    static extern bool VirtualProtect(IntPtr address, UIntPtr size, uint protect, out uint old);

    static readonly List<Delegate> kept = new List<Delegate>();

    /// <summary>Puts `replacement` in the place of an exported function and returns the original.</summary>
    public static T Replace<T>(string library, string function, T replacement) where T : Delegate
    {
        var module = LoadLibraryW(library);
        var original = GetProcAddress(module, function);
        if (original == IntPtr.Zero) { throw new EntryPointNotFoundException(library + " " + function); }
        kept.Add(replacement);
        var entry = FindEntry(module, function);
        if (entry == IntPtr.Zero) { throw new EntryPointNotFoundException(library + " " + function); }
        var jump = Jump(module, Marshal.GetFunctionPointerForDelegate(replacement));
        uint old;
        VirtualProtect(entry, (UIntPtr)4, 0x04, out old);
        Marshal.WriteInt32(entry, unchecked((int)(uint)(jump.ToInt64() - module.ToInt64())));
        VirtualProtect(entry, (UIntPtr)4, old, out old);
        return Marshal.GetDelegateForFunctionPointer<T>(original);
    }

    // The slot of the export address table; the tables are those of the PE format.
    static IntPtr FindEntry(IntPtr module, string function)
    {
        int header = Marshal.ReadInt32(module, 0x3c);
        var directory = module + Marshal.ReadInt32(module, header + 0x88);
        int count = Marshal.ReadInt32(directory, 0x18);
        var addresses = module + Marshal.ReadInt32(directory, 0x1c);
        var names = module + Marshal.ReadInt32(directory, 0x20);
        var ordinals = module + Marshal.ReadInt32(directory, 0x24);
        for (int i = 0; i < count; i++)
        {
            if (Marshal.PtrToStringAnsi(module + Marshal.ReadInt32(names, 4 * i)) == function)
            {
                return addresses + 4 * (ushort)Marshal.ReadInt16(ordinals, 2 * i);
            }
        }
        return IntPtr.Zero;
    }

    // An address table holds 32-bit offsets: the jump to our function has to lie at most 4 GB above the library.
    static IntPtr Jump(IntPtr module, IntPtr target)
    {
        for (long offset = 0x1000000; offset < 0xf0000000; offset += 0x1000000)
        {
            var memory = VirtualAlloc(new IntPtr(module.ToInt64() + offset), (UIntPtr)64, 0x3000, 0x40);
            if (memory == IntPtr.Zero) { continue; }
            Marshal.Copy(new byte[] { 0xff, 0x25, 0, 0, 0, 0 }, 0, memory, 6);
            Marshal.WriteIntPtr(memory, 6, target);
            return memory;
        }
        throw new OutOfMemoryException("no memory above the library");
    }
}
