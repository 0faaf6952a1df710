// The resident agent of an emulated host: serves requests of the supervisor over its own standard input and output.
//
// A frame is: length of the payload (int32), kind (one byte), number of the command (int32), payload; little endian.
//   to the agent:    S start (JSON), I input, N end of an input object (pipelines), E end of input, K kill, C close a session (its name)
//   from the agent:  R ready, O standard output, e standard error, D done (int32), F refused; of pipelines, in CLIXML: X output object,
//                    Y error record, Z the error that ended the script, W warning, V verbose, G debug (these three: a string)
// When the supervisor goes away, standard input ends, and so does this process.
using System;
using System.Collections.Generic;
using System.IO;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using System.Threading;

namespace Winfleet
{
    /// <summary>One command as the supervisor asks for it.</summary>
    public sealed class Request
    {
        public string Kind { get; set; }          // script, pipeline or process
        public string Text { get; set; }          // the script
        public string Session { get; set; }       // pipeline: the session it runs in, null for none that is kept
        public bool LocalScope { get; set; }      // pipeline: its variables are not the session's
        public string Program { get; set; }       // process: the executable
        public string Arguments { get; set; }     // process: the rest of the command line
        public bool Encoded { get; set; }         // -EncodedCommand: errors leave as CLIXML
        public bool File { get; set; }            // -File: Text is a path, with Arguments as Parameters
        public string[] Parameters { get; set; }
        public bool HasInput { get; set; }
        public int CodePage { get; set; }
        public string Directory { get; set; }
        public Dictionary<string, string> Environment { get; set; }
    }

    /// <summary>A running command as the frame loop sees it.</summary>
    public interface ICommand
    {
        void Write(byte[] data);
        void EndObject();
        void CloseInput();
        void Kill();
    }

    public static class Agent
    {
        /// <summary>The supervisor's error has it (agent.py).</summary>
        const string CrashLog = @"C:\windows\winfleet\crash.log";
        static Stream output;
        static readonly object sending = new object();
        static readonly Dictionary<int, ICommand> commands = new Dictionary<int, ICommand>();

        [DllImport("kernel32.dll", SetLastError = true)]
        internal static extern bool SetStdHandle(int which, IntPtr handle);
        [DllImport("kernel32.dll", SetLastError = true, CharSet = CharSet.Unicode)]
        static extern IntPtr CreateFileW(string name, uint access, uint share, ref SecurityAttributes security, uint disposition, uint flags, IntPtr template);

        [StructLayout(LayoutKind.Sequential)]
        struct SecurityAttributes { public int Length; public IntPtr Descriptor; public int Inherit; }

        internal static IntPtr Null;

        internal static void Send(char kind, int id, byte[] data, int count)
        {
            var frame = new byte[9 + count];
            BitConverter.GetBytes(count).CopyTo(frame, 0);
            frame[4] = (byte)kind;
            BitConverter.GetBytes(id).CopyTo(frame, 5);
            Buffer.BlockCopy(data, 0, frame, 9, count);
            lock (sending) { output.Write(frame, 0, frame.Length); output.Flush(); }
        }

        internal static void Send(char kind, int id, string text)
        {
            var data = Encoding.UTF8.GetBytes(text);
            Send(kind, id, data, data.Length);
        }

        internal static void Done(int id, int exitCode)
        {
            lock (commands) { commands.Remove(id); }
            Send('D', id, BitConverter.GetBytes(exitCode), 4);
        }

        static bool Fill(Stream stream, byte[] buffer)
        {
            int at = 0;
            while (at < buffer.Length)
            {
                int n = stream.Read(buffer, at, buffer.Length - at);
                if (n <= 0) { return false; }
                at += n;
            }
            return true;
        }

        /// <summary>Serves until standard input ends.</summary>
        public static void Serve()
        {
            var input = Console.OpenStandardInput();
            output = Console.OpenStandardOutput();
            // What a script starts inherits the standard handles: it must reach neither the requests nor the answers.
            var security = new SecurityAttributes { Length = Marshal.SizeOf(typeof(SecurityAttributes)), Inherit = 1 };
            Null = CreateFileW("NUL", 0xC0000000, 3, ref security, 3, 0, IntPtr.Zero);
            SetStdHandle(-10, Null);
            SetStdHandle(-11, Null);
            SetStdHandle(-12, Null);
            Console.SetIn(TextReader.Null);
            Console.SetOut(TextWriter.Null);
            Console.SetError(TextWriter.Null);
            // Standard error leads nowhere by now, where .NET would say why the process ends.
            AppDomain.CurrentDomain.UnhandledException += (sender, failure) => File.AppendAllText(CrashLog, failure.ExceptionObject + "\r\n");
            if (Environment.GetEnvironmentVariable("WINFLEET_CACHE") != "0")
            {
                CompileCache.Install();
                CachedParser.Install();
            }
            TypeNames.Keep();
            Send('R', 0, "{\"pid\":" + Environment.ProcessId + "}");
            var header = new byte[9];
            while (Fill(input, header))
            {
                var data = new byte[BitConverter.ToInt32(header, 0)];
                if (!Fill(input, data)) { break; }
                int id = BitConverter.ToInt32(header, 5);
                ICommand command;
                lock (commands) { commands.TryGetValue(id, out command); }
                switch ((char)header[4])
                {
                    case 'S': Start(id, data); break;
                    case 'I': command?.Write(data); break;
                    case 'N': command?.EndObject(); break;
                    case 'E': command?.CloseInput(); break;
                    case 'K': command?.Kill(); break;
                    case 'C': Session.Close(Encoding.UTF8.GetString(data)); break;
                }
            }
            Environment.Exit(0);
        }

        static void Start(int id, byte[] data)
        {
            try
            {
                var request = JsonSerializer.Deserialize<Request>(data, new JsonSerializerOptions { PropertyNameCaseInsensitive = true });
                ICommand command;
                Action begin;
                if (request.Kind == "process")
                {
                    var process = new ProcessCommand(id, request);
                    command = process;
                    begin = process.Begin;
                }
                else
                {
                    var script = new ScriptCommand(id, request);
                    command = script;
                    begin = () => new Thread(script.Run, 16 << 20) { IsBackground = true, Name = "command " + id }.Start();
                }
                lock (commands) { commands[id] = command; }
                begin();
            }
            catch (Exception error)
            {
                lock (commands) { commands.Remove(id); }
                Send('F', id, error.Message);
            }
        }
    }
}
