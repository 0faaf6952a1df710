// Start-Process -Wait asks once a second whether its job is empty, and then lets the command go on. On a busy machine it asks once more when the
// command is over, and the exception that this throws ends the whole process. So it hears of each job only once that it is empty.
using System;
using System.Collections.Concurrent;
using System.Runtime.InteropServices;

internal static class Jobs
{
    const int ProcessIdList = 3;

    [UnmanagedFunctionPointer(CallingConvention.Winapi)]
    delegate IntPtr Create(IntPtr security, IntPtr name);
    [UnmanagedFunctionPointer(CallingConvention.Winapi)]
    delegate int Query(IntPtr job, int kind, IntPtr information, int length, IntPtr needed);

    static readonly ConcurrentDictionary<IntPtr, bool> told = new ConcurrentDictionary<IntPtr, bool>();

    public static void Complete()
    {
        Create create = null;
        create = Exports.Replace<Create>("kernel32.dll", "CreateJobObjectW", (security, name) =>
        {
            var job = create(security, name);
            // The handle may have been another job's, which is closed. One that still asks keeps its handle open.
            bool ignored;
            told.TryRemove(job, out ignored);
            return job;
        });
        Query query = null;
        query = Exports.Replace<Query>("kernel32.dll", "QueryInformationJobObject", (job, kind, information, length, needed) =>
        {
            int done = query(job, kind, information, length, needed);
            bool empty = done != 0 && kind == ProcessIdList && Marshal.ReadInt32(information) == 0;
            return empty && !told.TryAdd(job, true) ? 0 : done;
        });
    }
}
