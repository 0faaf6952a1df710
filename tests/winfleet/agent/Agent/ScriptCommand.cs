// A script in a fresh runspace of this process: what powershell.exe would do with it in a process of its own, without the start.
using System;
using System.Collections;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.IO;
using System.IO.Pipes;
using System.Management.Automation;
using System.Management.Automation.Runspaces;
using System.Reflection;
using System.Text;
using System.Threading;

namespace Winfleet
{
    sealed class ScriptCommand : ICommand
    {
        readonly int id;
        readonly Request request;
        // Not a PSDataCollection: its enumerator ends when it has caught up with what has arrived so far.
        readonly BlockingCollection<object> input = new BlockingCollection<object>();
        readonly Decoder decoder = new UTF8Encoding(false).GetDecoder();
        readonly StringBuilder line = new StringBuilder();
        volatile PowerShell running;
        volatile bool killed;
        // What tells Out-Default that an object is an error; PowerShell's own hosts set it, others have no public way.
        static readonly PropertyInfo writeStream = typeof(PSObject).GetProperty("WriteStream", BindingFlags.Instance | BindingFlags.NonPublic);
        static readonly Dictionary<string, string> ownEnvironment = CurrentEnvironment();

        public ScriptCommand(int id, Request request)
        {
            this.id = id;
            this.request = request;
            if (!request.HasInput) { input.CompleteAdding(); }
        }

        static Dictionary<string, string> CurrentEnvironment()
        {
            var result = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
            foreach (DictionaryEntry pair in Environment.GetEnvironmentVariables()) { result[(string)pair.Key] = (string)pair.Value; }
            return result;
        }

        static void SetEnvironment(IDictionary<string, string> wanted)
        {
            foreach (var name in CurrentEnvironment().Keys)
            {
                if (!wanted.ContainsKey(name)) { Environment.SetEnvironmentVariable(name, null); }
            }
            foreach (var pair in wanted) { Environment.SetEnvironmentVariable(pair.Key, pair.Value); }
        }

        public void Write(byte[] data)
        {
            if (input.IsAddingCompleted) { return; }
            var text = new char[decoder.GetCharCount(data, 0, data.Length)];
            decoder.GetChars(data, 0, data.Length, text, 0);
            line.Append(text);
            int start = 0;
            var all = line.ToString();
            for (int end; (end = all.IndexOf('\n', start)) >= 0; start = end + 1)
            {
                input.Add(all.Substring(start, end - start).TrimEnd('\r'));
            }
            line.Clear().Append(all, start, all.Length - start);
        }

        public void CloseInput()
        {
            if (input.IsAddingCompleted) { return; }
            if (line.Length > 0) { input.Add(line.ToString()); }
            input.CompleteAdding();
        }

        public void Kill()
        {
            killed = true;
            input.CompleteAdding();
            running?.BeginStop(null, null);
        }

        // All of it: Invoke would gather it just the same before it starts the script, and could not be stopped meanwhile.
        List<object> ReceivedInput()
        {
            var all = new List<object>(input.GetConsumingEnumerable());
            if (killed) { throw new OperationCanceledException("The command was ended before it began."); }
            return all;
        }

        public void Run()
        {
            int exitCode = 1;
            bool pipeline = request.Kind == "pipeline";
            var environment = new Dictionary<string, string>(ownEnvironment, StringComparer.OrdinalIgnoreCase);
            foreach (var pair in request.Environment ?? new Dictionary<string, string>()) { environment[pair.Key] = pair.Value; }
            var output = new StandardHandle(-11, id, 'O');
            var error = new StandardHandle(-12, id, 'e');
            var host = new AgentHost(id, request.Encoded || pipeline, pipeline);
            try
            {
                SetEnvironment(environment);
                Environment.CurrentDirectory = string.IsNullOrEmpty(request.Directory) ? environment["USERPROFILE"] : request.Directory;
                Console.OutputEncoding = Page(request.CodePage);
                Console.InputEncoding = Page(request.CodePage);
                Console.SetOut(pipeline ? TextWriter.Null : new FrameWriter(id, 'O'));
                Console.SetError(pipeline ? TextWriter.Null : new FrameWriter(id, 'e'));
                var state = InitialSessionState.CreateDefault2();
                state.ExecutionPolicy = Microsoft.PowerShell.ExecutionPolicy.Bypass;
                using (var runspace = RunspaceFactory.CreateRunspace(host, state))
                {
                    runspace.ThreadOptions = PSThreadOptions.UseCurrentThread;
                    runspace.Open();
                    exitCode = pipeline ? RunPipeline(runspace, host) : RunScript(runspace, host);
                }
            }
            catch (Exception failure)
            {
                host.UI.WriteErrorLine(failure.Message);
            }
            finally
            {
                Console.Out.Flush();
                Console.SetOut(TextWriter.Null);
                Console.SetError(TextWriter.Null);
                host.Close();
                output.Close();
                error.Close();
                Environment.CurrentDirectory = @"C:\";
                SetEnvironment(ownEnvironment);
                TypeNames.Restore();
            }
            Agent.Done(id, exitCode);
        }

        static Encoding Page(int number)
        {
            return number == 65001 ? new UTF8Encoding(false) : Encoding.GetEncoding(number);
        }

        int RunScript(Runspace runspace, AgentHost host)
        {
            using (var shell = running = PowerShell.Create())
            {
                shell.Runspace = runspace;
                if (request.File)
                {
                    shell.AddCommand(request.Text);
                    foreach (var argument in request.Parameters ?? new string[0])
                    {
                        if (argument.StartsWith("-", StringComparison.Ordinal) && argument.Length > 1) { shell.AddParameter(argument.TrimStart('-').TrimEnd(':')); }
                        else { shell.AddArgument(argument); }
                    }
                }
                else
                {
                    shell.AddScript(request.Text, false);
                }
                shell.Commands.Commands[0].MergeMyResults(PipelineResultTypes.Error, PipelineResultTypes.Output);
                shell.AddCommand("Out-Default");
                bool failed = false;
                try { shell.Invoke(ReceivedInput()); }
                catch (RuntimeException failure)
                {
                    failed = true;
                    Report(runspace, failure.ErrorRecord);
                }
                if (host.ShouldExit.HasValue) { return host.ShouldExit.Value; }
                return failed || !true.Equals(runspace.SessionStateProxy.GetVariable("?")) ? 1 : 0;
            }
        }

        static void Report(Runspace runspace, ErrorRecord record)
        {
            using (var shell = PowerShell.Create())
            {
                shell.Runspace = runspace;
                var item = PSObject.AsPSObject(record);
                writeStream.SetValue(item, Enum.Parse(writeStream.PropertyType, "Error"));
                shell.AddCommand("Out-Default").Invoke(new[] { item });
            }
        }

        int RunPipeline(Runspace runspace, AgentHost host)
        {
            using (var shell = running = PowerShell.Create())
            {
                shell.Runspace = runspace;
                shell.AddScript(request.Text, false);
                var output = new PSDataCollection<PSObject>();
                output.DataAdded += (sender, e) =>
                {
                    foreach (var item in output.ReadAll()) { Agent.Send('X', id, PSSerializer.Serialize(item)); }
                };
                shell.Streams.Error.DataAdded += (sender, e) =>
                {
                    foreach (var record in shell.Streams.Error.ReadAll()) { Agent.Send('Y', id, PSSerializer.Serialize(record)); }
                };
                bool failed = false;
                try { shell.Invoke(ReceivedInput(), output); }
                catch (RuntimeException failure)
                {
                    failed = true;
                    Agent.Send('Y', id, PSSerializer.Serialize(failure.ErrorRecord));
                }
                return host.ShouldExit ?? (failed ? 1 : 0);
            }
        }

        /// <summary>What a native program of the script writes when nothing captures it: it inherits a pipe as standard handle.</summary>
        sealed class StandardHandle
        {
            readonly int which;
            readonly AnonymousPipeServerStream pipe = new AnonymousPipeServerStream(PipeDirection.In, HandleInheritability.Inheritable);
            readonly Thread pump;
            long lastOutput = Environment.TickCount64;

            public StandardHandle(int which, int id, char kind)
            {
                this.which = which;
                Agent.SetStdHandle(which, pipe.ClientSafePipeHandle.DangerousGetHandle());
                pump = new Thread(() =>
                {
                    var buffer = new byte[32768];
                    try
                    {
                        int n;
                        while ((n = pipe.Read(buffer, 0, buffer.Length)) > 0)
                        {
                            Interlocked.Exchange(ref lastOutput, Environment.TickCount64);
                            Agent.Send(kind, id, buffer, n);
                        }
                    }
                    catch (IOException) { }
                    catch (ObjectDisposedException) { }
                }) { IsBackground = true };
                pump.Start();
            }

            public void Close()
            {
                Agent.SetStdHandle(which, Agent.Null);
                pipe.DisposeLocalCopyOfClientHandle();
                // Ends at once unless a process that the script left behind still holds the pipe.
                while (!pump.Join(100) && Environment.TickCount64 - Interlocked.Read(ref lastOutput) < 600) { }
                pipe.Dispose();
            }
        }
    }
}
