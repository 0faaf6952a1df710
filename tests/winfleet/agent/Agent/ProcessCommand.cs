// A command as a Windows process of its own. It gets a console of its own without a window, as the shells of WinRM do.
using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Runtime.InteropServices;
using System.Threading;

namespace Winfleet
{
    sealed class ProcessCommand : ICommand
    {
        [DllImport("kernel32.dll", CharSet = CharSet.Unicode)]
        static extern IntPtr CreateJobObjectW(IntPtr security, string name);
        [DllImport("kernel32.dll")]
        static extern bool SetInformationJobObject(IntPtr job, int kind, ref ExtendedLimits limits, int size);
        [DllImport("kernel32.dll")]
        static extern bool AssignProcessToJobObject(IntPtr job, IntPtr process);
        [DllImport("kernel32.dll")]
        static extern bool TerminateJobObject(IntPtr job, uint exitCode);
        [DllImport("kernel32.dll")]
        static extern bool CloseHandle(IntPtr handle);

        [StructLayout(LayoutKind.Sequential)]
        struct ExtendedLimits
        {
            public long ProcessTime, JobTime;
            public uint Flags;
            public UIntPtr MinimumWorkingSet, MaximumWorkingSet;
            public uint ActiveProcesses;
            public UIntPtr Affinity;
            public uint Priority, Scheduling;
            public ulong C1, C2, C3, C4, C5, C6;
            public UIntPtr M1, M2, M3, M4;
        }

        readonly int id;
        readonly Process process;
        readonly BlockingCollection<byte[]> input = new BlockingCollection<byte[]>();
        IntPtr job;
        long lastOutput;

        public ProcessCommand(int id, Request request)
        {
            this.id = id;
            var start = new ProcessStartInfo(request.Program, request.Arguments ?? "")
            {
                UseShellExecute = false, CreateNoWindow = true,
                RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
            };
            start.WorkingDirectory = string.IsNullOrEmpty(request.Directory) ? Environment.GetEnvironmentVariable("USERPROFILE") : request.Directory;
            foreach (var pair in request.Environment ?? new Dictionary<string, string>()) { start.Environment[pair.Key] = pair.Value; }
            start.Environment["WINFLEET_CODEPAGE"] = request.CodePage.ToString();
            process = new Process { StartInfo = start };
        }

        public void Begin()
        {
            process.Start();
            // Killing the command kills what it started, unless that broke away from the job (as ansible's async does).
            job = CreateJobObjectW(IntPtr.Zero, null);
            var limits = new ExtendedLimits { Flags = 0x2000 | 0x800 };  // KILL_ON_JOB_CLOSE, BREAKAWAY_OK
            SetInformationJobObject(job, 9, ref limits, Marshal.SizeOf(typeof(ExtendedLimits)));
            AssignProcessToJobObject(job, process.Handle);
            Interlocked.Exchange(ref lastOutput, Environment.TickCount64);
            new Thread(Feed) { IsBackground = true }.Start();
            var output = Pump(process.StandardOutput.BaseStream, 'O');
            var error = Pump(process.StandardError.BaseStream, 'e');
            new Thread(() =>
            {
                process.WaitForExit();
                // A process that the command left behind may keep the pipes open: the command is over all the same.
                while (!(output.Join(200) && error.Join(200)) && Environment.TickCount64 - Interlocked.Read(ref lastOutput) < 600) { }
                Agent.Done(id, process.ExitCode);
                CloseHandle(job);
            }) { IsBackground = true }.Start();
        }

        Thread Pump(Stream stream, char kind)
        {
            var thread = new Thread(() =>
            {
                var buffer = new byte[32768];
                try
                {
                    int n;
                    while ((n = stream.Read(buffer, 0, buffer.Length)) > 0)
                    {
                        Interlocked.Exchange(ref lastOutput, Environment.TickCount64);
                        Agent.Send(kind, id, buffer, n);
                    }
                }
                catch (IOException) { }  // the pipe broke: the process is gone
            }) { IsBackground = true };
            thread.Start();
            return thread;
        }

        // The frame loop serves other commands too: it must not wait for a process that does not read its input.
        void Feed()
        {
            try
            {
                var stream = process.StandardInput.BaseStream;
                foreach (var data in input.GetConsumingEnumerable()) { stream.Write(data, 0, data.Length); stream.Flush(); }
                process.StandardInput.Close();
            }
            catch (IOException) { }  // the process is gone
        }

        public void Write(byte[] data) { if (!input.IsAddingCompleted) { input.Add(data); } }

        public void EndObject() { }

        public void CloseInput() { input.CompleteAdding(); }

        public void Kill() { TerminateJobObject(job, 0xC000013A); }
    }
}
