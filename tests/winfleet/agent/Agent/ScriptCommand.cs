// A script in a runspace of this process: what powershell.exe would do with it in a process of its own, without the start.
// A script's input is lines; a pipeline's is objects, each text or a CLIXML document.
using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.IO;
using System.IO.Pipes;
using System.Management.Automation;
using System.Management.Automation.Runspaces;
using System.Reflection;
using System.Text;
using System.Threading;
using System.Xml;

namespace Winfleet
{
    sealed class ScriptCommand : ICommand
    {
        readonly int id;
        readonly Request request;
        readonly bool pipeline;
        // Not a PSDataCollection: its enumerator ends when it has caught up with what has arrived so far.
        readonly BlockingCollection<object> input = new BlockingCollection<object>();
        readonly Decoder decoder = new UTF8Encoding(false).GetDecoder();
        readonly StringBuilder line = new StringBuilder();
        volatile PowerShell running;
        volatile bool killed;
        // What tells Out-Default that an object is an error; PowerShell's own hosts set it, others have no public way.
        static readonly PropertyInfo writeStream = typeof(PSObject).GetProperty("WriteStream", BindingFlags.Instance | BindingFlags.NonPublic);

        public ScriptCommand(int id, Request request)
        {
            this.id = id;
            this.request = request;
            pipeline = request.Kind == "pipeline";
            if (!request.HasInput) { input.CompleteAdding(); }
        }

        public void Write(byte[] data)
        {
            if (input.IsAddingCompleted) { return; }
            var text = new char[decoder.GetCharCount(data, 0, data.Length)];
            decoder.GetChars(data, 0, data.Length, text, 0);
            line.Append(text);
            if (pipeline) { return; }
            int start = 0;
            var all = line.ToString();
            for (int end; (end = all.IndexOf('\n', start)) >= 0; start = end + 1)
            {
                input.Add(all.Substring(start, end - start).TrimEnd('\r'));
            }
            line.Clear().Append(all, start, all.Length - start);
        }

        public void EndObject()
        {
            if (input.IsAddingCompleted) { return; }
            var text = line.ToString();
            line.Clear();
            object item = text;
            if (text.StartsWith("<Objs", StringComparison.Ordinal))
            {
                try { item = PSSerializer.Deserialize(text); }
                catch (XmlException) { }  // then it is just text
            }
            input.Add(item);
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
            var output = new StandardHandle(-11, id, 'O');
            var error = new StandardHandle(-12, id, 'e');
            var session = Session.Of(request);
            session.Host.Begin(id, request.Encoded || pipeline);
            try
            {
                session.Enter(request);
                Console.OutputEncoding = Page(request.CodePage);
                Console.InputEncoding = Page(request.CodePage);
                Console.SetOut(pipeline ? TextWriter.Null : new FrameWriter(id, 'O'));
                Console.SetError(pipeline ? TextWriter.Null : new FrameWriter(id, 'e'));
                exitCode = pipeline ? RunPipeline(session.Runspace, session.Host) : RunScript(session.Runspace, session.Host);
            }
            catch (Exception failure)
            {
                if (pipeline) { Agent.Send('Z', id, PSSerializer.Serialize(failure.Message)); }
                else { session.Host.UI.WriteErrorLine(failure.Message); }
            }
            finally
            {
                Console.Out.Flush();
                Console.SetOut(TextWriter.Null);
                Console.SetError(TextWriter.Null);
                session.Host.End();
                output.Close();
                error.Close();
                session.Leave();
                TypeNames.Restore();
                CompileCache.Restore();
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
                shell.AddScript(request.Text, request.LocalScope);
                var output = new PSDataCollection<PSObject>();
                output.DataAdded += (sender, e) =>
                {
                    foreach (var item in output.ReadAll()) { Send('X', item); }
                };
                var streams = shell.Streams;
                streams.Error.DataAdded += (sender, e) => { foreach (var record in streams.Error.ReadAll()) { Send('Y', record); } };
                streams.Warning.DataAdded += (sender, e) => { foreach (var record in streams.Warning.ReadAll()) { Send('W', record.Message); } };
                streams.Verbose.DataAdded += (sender, e) => { foreach (var record in streams.Verbose.ReadAll()) { Send('V', record.Message); } };
                streams.Debug.DataAdded += (sender, e) => { foreach (var record in streams.Debug.ReadAll()) { Send('G', record.Message); } };
                bool failed = false;
                try { shell.Invoke(ReceivedInput(), output); }
                catch (RuntimeException failure)
                {
                    failed = true;
                    Send('Z', failure.ErrorRecord);
                }
                return host.ShouldExit ?? (failed ? 1 : 0);
            }
        }

        void Send(char kind, object item) { Agent.Send(kind, id, PSSerializer.Serialize(item)); }

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
