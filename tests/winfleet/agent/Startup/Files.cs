// Deletion of an open file by FileDispositionInformationEx, which Wine does not know, as the older kind that it knows.
using System;
using System.Runtime.InteropServices;

internal static class Files
{
    const int Disposition = 13, DispositionEx = 64;

    [UnmanagedFunctionPointer(CallingConvention.Winapi)]
    delegate int SetInformation(IntPtr file, IntPtr status, IntPtr information, int length, int kind);

    public static void Complete()
    {
        SetInformation original = null;
        original = Exports.Replace<SetInformation>("ntdll.dll", "NtSetInformationFile", (file, status, information, length, kind) =>
        {
            if (kind != DispositionEx) { return original(file, status, information, length, kind); }
            var delete = Marshal.AllocHGlobal(1);
            try
            {
                Marshal.WriteByte(delete, (byte)(Marshal.ReadInt32(information) & 1));
                return original(file, status, delete, 1, Disposition);
            }
            finally { Marshal.FreeHGlobal(delete); }
        });
    }
}
