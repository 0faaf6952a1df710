// Copyright (c) 2026, infoprotect.aip maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Internal to infoprotect.aip, may change in any release. C# 5, for .NET Framework and .NET.

using Microsoft.Win32.SafeHandles;
using System;
using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Text;

namespace ansible_collections.infoprotect.aip.plugins.module_utils._Process
{
    internal static class NativeMethods
    {
        [DllImport("kernel32.dll", CharSet = CharSet.Unicode, SetLastError = true)]
        [return: MarshalAs(UnmanagedType.Bool)]
        public static extern bool CreateProcessW(
            string application, StringBuilder commandLine, IntPtr processAttributes, IntPtr threadAttributes,
            [MarshalAs(UnmanagedType.Bool)] bool inheritHandles, uint flags, IntPtr environment, string folder,
            [In] StartupInfo startup, out ProcessInformation made);

        [DllImport("kernel32.dll", SetLastError = true)]
        public static extern uint ResumeThread(SafeWaitHandle thread);

        [DllImport("kernel32.dll", SetLastError = true)]
        public static extern uint WaitForSingleObject(SafeWaitHandle handle, uint milliseconds);

        [DllImport("kernel32.dll", SetLastError = true)]
        [return: MarshalAs(UnmanagedType.Bool)]
        public static extern bool GetExitCodeProcess(SafeWaitHandle process, out int code);

        [DllImport("kernel32.dll", SetLastError = true)]
        [return: MarshalAs(UnmanagedType.Bool)]
        public static extern bool TerminateProcess(SafeWaitHandle process, uint code);

        [DllImport("kernel32.dll", CharSet = CharSet.Unicode, SetLastError = true)]
        public static extern SafeWaitHandle CreateJobObjectW(IntPtr attributes, string name);

        [DllImport("kernel32.dll", SetLastError = true)]
        [return: MarshalAs(UnmanagedType.Bool)]
        public static extern bool SetInformationJobObject(SafeWaitHandle job, int kind, [In] JobLimits limits, int size);

        [DllImport("kernel32.dll", SetLastError = true)]
        [return: MarshalAs(UnmanagedType.Bool)]
        public static extern bool AssignProcessToJobObject(SafeWaitHandle job, SafeWaitHandle process);

        [DllImport("kernel32.dll", SetLastError = true)]
        [return: MarshalAs(UnmanagedType.Bool)]
        public static extern bool TerminateJobObject(SafeWaitHandle job, uint code);
    }

    [StructLayout(LayoutKind.Sequential)]
    internal class StartupInfo
    {
        public int Size = Marshal.SizeOf(typeof(StartupInfo));
        public IntPtr Reserved;
        public IntPtr Desktop;
        public IntPtr Title;
        public uint X;
        public uint Y;
        public uint Width;
        public uint Height;
        public uint Columns;
        public uint Lines;
        public uint Fill;
        public uint Flags;
        public ushort ShowWindow;
        public ushort ReservedSize;
        public IntPtr ReservedData;
        public IntPtr Input;
        public IntPtr Output;
        public IntPtr Error;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct ProcessInformation
    {
        public IntPtr Process;
        public IntPtr Thread;
        public uint ProcessId;
        public uint ThreadId;
    }

    /// <summary>JOBOBJECT_EXTENDED_LIMIT_INFORMATION</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal class JobLimits
    {
        public long ProcessTime;
        public long JobTime;
        public uint Flags;
        public UIntPtr MinimumWorkingSet;
        public UIntPtr MaximumWorkingSet;
        public uint ActiveProcesses;
        public UIntPtr Affinity;
        public uint PriorityClass;
        public uint SchedulingClass;
        public ulong Reads;
        public ulong Writes;
        public ulong Others;
        public ulong ReadBytes;
        public ulong WrittenBytes;
        public ulong OtherBytes;
        public UIntPtr ProcessMemory;
        public UIntPtr JobMemory;
        public UIntPtr PeakProcessMemory;
        public UIntPtr PeakJobMemory;
    }

    /// <summary>
    /// A program and all that it starts, kept together by a job object. The program is put into it before it runs, so that nothing
    /// is missed. What is still running when this is disposed of goes on. Errors are Win32Exception.
    /// </summary>
    public sealed class ProcessTree : IDisposable
    {
        private const uint CreateSuspended = 0x4;
        private const uint CreateNoWindow = 0x08000000;
        private const int ExtendedLimitInformation = 9;
        private const uint BreakawayOk = 0x800;

        private readonly SafeWaitHandle _process;
        private readonly SafeWaitHandle _job;
        private readonly string _alone;

        /// <summary>Why only the program itself can be ended, or null: Windows refused the job object.</summary>
        public string Alone { get { return _alone; } }

        /// <summary>Starts a program without a window. It gets no handles of ours.</summary>
        /// <param name="argument">The rest of the command line, as it stands.</param>
        public ProcessTree(string path, string argument, string folder)
        {
            StringBuilder commandLine = new StringBuilder("\"" + path + "\" " + argument);
            ProcessInformation made;
            if (!NativeMethods.CreateProcessW(
                null, commandLine, IntPtr.Zero, IntPtr.Zero, false, CreateSuspended | CreateNoWindow, IntPtr.Zero, folder,
                new StartupInfo(), out made))
            {
                Win32Exception reason = new Win32Exception();
                throw new Win32Exception(reason.NativeErrorCode, path + " cannot be started: " + reason.Message);
            }
            _process = new SafeWaitHandle(made.Process, true);
            using (SafeWaitHandle thread = new SafeWaitHandle(made.Thread, true))
            {
                _job = NativeMethods.CreateJobObjectW(IntPtr.Zero, null);
                // Who wants to leave its job may, as outside of one: otherwise it could not be started at all.
                JobLimits limits = new JobLimits { Flags = BreakawayOk };
                if (_job.IsInvalid
                    || !NativeMethods.SetInformationJobObject(_job, ExtendedLimitInformation, limits, Marshal.SizeOf(limits))
                    || !NativeMethods.AssignProcessToJobObject(_job, _process))
                    _alone = new Win32Exception().Message;
                if (NativeMethods.ResumeThread(thread) == uint.MaxValue)
                {
                    Win32Exception reason = new Win32Exception();
                    NativeMethods.TerminateProcess(_process, 1);
                    Dispose();
                    throw reason;
                }
            }
        }

        /// <summary>Whether the program itself ends within that time.</summary>
        public bool Wait(int milliseconds)
        {
            const uint Failed = 0xFFFFFFFF;
            uint result = NativeMethods.WaitForSingleObject(_process, (uint)milliseconds);
            if (result == Failed)
                throw new Win32Exception();
            return result == 0;
        }

        public int ExitCode
        {
            get
            {
                int code;
                if (!NativeMethods.GetExitCodeProcess(_process, out code))
                    throw new Win32Exception();
                return code;
            }
        }

        /// <summary>Ends the program and what it has started.</summary>
        public void End()
        {
            if (!(_alone == null ? NativeMethods.TerminateJobObject(_job, 1) : NativeMethods.TerminateProcess(_process, 1)))
                throw new Win32Exception();
        }

        public void Dispose()
        {
            _process.Dispose();
            _job.Dispose();
        }
    }
}
