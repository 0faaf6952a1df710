// The PowerShell host of a script: what the console host of powershell.exe does when its output is redirected.
using System;
using System.Collections.Generic;
using System.Collections.ObjectModel;
using System.Globalization;
using System.IO;
using System.Management.Automation;
using System.Management.Automation.Host;
using System.Management.Automation.Internal;
using System.Security;
using System.Text;

namespace Winfleet
{
    /// <summary>Sends text in the given encoding, or else in the console's current code page.</summary>
    sealed class FrameWriter : TextWriter
    {
        readonly int id;
        readonly char kind;
        readonly Encoding encoding;
        readonly StringBuilder pending = new StringBuilder();
        public FrameWriter(int id, char kind, Encoding encoding = null) { this.id = id; this.kind = kind; this.encoding = encoding; CoreNewLine = "\r\n".ToCharArray(); }
        public override Encoding Encoding { get { return encoding ?? Console.OutputEncoding; } }
        public override void Write(char value) { lock (pending) { pending.Append(value); if (value == '\n' || pending.Length > 16000) { Flush(); } } }
        public override void Write(char[] buffer, int index, int count) { Write(new string(buffer, index, count)); }
        public override void Write(string value)
        {
            if (string.IsNullOrEmpty(value)) { return; }
            lock (pending) { pending.Append(value); if (pending.Length > 16000 || value[value.Length - 1] == '\n') { Flush(); } }
        }
        public override void WriteLine(string value) { Write(value + "\r\n"); }
        public override void Flush()
        {
            lock (pending)
            {
                if (pending.Length == 0) { return; }
                var data = Encoding.GetBytes(pending.ToString());
                pending.Clear();
                const int most = 65536;
                for (int at = 0; at < data.Length; at += most)
                {
                    var part = new byte[Math.Min(most, data.Length - at)];
                    Buffer.BlockCopy(data, at, part, 0, part.Length);
                    Agent.Send(kind, id, part, part.Length);
                }
            }
        }
    }

    sealed class AgentHost : PSHost
    {
        readonly Guid instance = Guid.NewGuid();
        readonly AgentUI ui;
        readonly bool remote;
        public int? ShouldExit;
        /// <param name="remote">The host of a pipeline's runspace, not of powershell.exe.</param>
        public AgentHost(bool remote) { this.remote = remote; ui = new AgentUI(remote); }
        public void Begin(int id, bool clixml) { ShouldExit = null; ui.Begin(id, clixml); }
        public void End() { ui.End(); }
        public override CultureInfo CurrentCulture { get { return CultureInfo.GetCultureInfo("en-US"); } }
        public override CultureInfo CurrentUICulture { get { return CultureInfo.GetCultureInfo("en-US"); } }
        public override Guid InstanceId { get { return instance; } }
        public override string Name { get { return remote ? "ServerRemoteHost" : "ConsoleHost"; } }
        public override PSHostUserInterface UI { get { return ui; } }
        public override Version Version { get { return new Version(5, 1); } }
        public override void EnterNestedPrompt() { throw new NotSupportedException(); }
        public override void ExitNestedPrompt() { throw new NotSupportedException(); }
        public override void NotifyBeginApplication() { }
        public override void NotifyEndApplication() { }
        public override void SetShouldExit(int exitCode) { ShouldExit = exitCode; }
    }

    sealed class AgentUI : PSHostUserInterface
    {
        const string Refusal = "Windows PowerShell is in NonInteractive mode. Read and Prompt functionality is not available.";
        readonly bool remote;
        readonly AgentRawUI raw = new AgentRawUI();
        int id;
        bool clixml, opened;
        TextWriter screen;

        public AgentUI(bool remote) { this.remote = remote; }

        // What a pipeline writes to the screen goes to its client's; its streams go there as records, not as text.
        public void Begin(int id, bool clixml)
        {
            this.id = id;
            this.clixml = clixml;
            opened = false;
            screen = remote ? new FrameWriter(id, 'O', new UTF8Encoding(false)) : null;
        }

        public void End()
        {
            if (opened) { Agent.Send('e', id, "</Objs>"); }
            if (screen != null) { screen.Flush(); }
        }

        TextWriter Screen { get { return screen ?? Console.Out; } }

        // Standard error of -EncodedCommand: one CLIXML document, its strings tagged with their stream.
        void Record(string stream, string text)
        {
            if (remote) { return; }
            if (!clixml) { Console.Error.Write(text); return; }
            var xml = new StringBuilder();
            if (!opened) { xml.Append("#< CLIXML\r\n<Objs Version=\"1.1.0.1\" xmlns=\"http://schemas.microsoft.com/powershell/2004/04\">"); opened = true; }
            xml.Append("<S S=\"").Append(stream).Append("\">").Append(Escape(text)).Append("</S>");
            Agent.Send('e', id, xml.ToString());
        }

        static string Escape(string text)
        {
            var result = new StringBuilder(text.Length + 16);
            for (int i = 0; i < text.Length; i++)
            {
                char c = text[i];
                if (c < ' ' || c == 0x7f || char.IsSurrogate(c) || c >= 0xfffe || (c == '_' && i + 1 < text.Length && text[i + 1] == 'x'))
                {
                    result.Append("_x").Append(((int)c).ToString("X4")).Append('_');
                }
                else if (c == '<') { result.Append("&lt;"); }
                else if (c == '>') { result.Append("&gt;"); }
                else if (c == '&') { result.Append("&amp;"); }
                else { result.Append(c); }
            }
            return result.ToString();
        }

        public override PSHostRawUserInterface RawUI { get { return raw; } }
        public override bool SupportsVirtualTerminal { get { return false; } }
        // Windows PowerShell writes no colours; what formats output here leaves it to the host to take them out.
        static string Plain(string text)
        {
            return text != null && text.IndexOf('\x1b') >= 0 ? new StringDecorated(text).ToString(OutputRendering.PlainText) : text;
        }

        public override void Write(string value) { Screen.Write(Plain(value)); }
        public override void Write(ConsoleColor foreground, ConsoleColor background, string value) { Screen.Write(Plain(value)); }
        public override void WriteLine() { Screen.Write("\r\n"); }
        public override void WriteLine(string value) { Screen.Write(Plain(value) + "\r\n"); }
        public override void WriteErrorLine(string value) { Record("Error", Plain(value) + "\r\n"); }
        public override void WriteDebugLine(string message) { if (clixml) { Record("debug", message); } else { Console.Out.Write("DEBUG: " + message + "\r\n"); } }
        public override void WriteVerboseLine(string message) { if (clixml) { Record("verbose", message); } else { Console.Out.Write("VERBOSE: " + message + "\r\n"); } }
        public override void WriteWarningLine(string message) { if (clixml) { Record("warning", message); } else { Console.Out.Write("WARNING: " + message + "\r\n"); } }
        public override void WriteProgress(long sourceId, ProgressRecord record) { }
        public override string ReadLine() { throw new PSInvalidOperationException(Refusal); }
        public override SecureString ReadLineAsSecureString() { throw new PSInvalidOperationException(Refusal); }
        public override Dictionary<string, PSObject> Prompt(string caption, string message, Collection<FieldDescription> descriptions) { throw new PSInvalidOperationException(Refusal); }
        public override int PromptForChoice(string caption, string message, Collection<ChoiceDescription> choices, int defaultChoice) { throw new PSInvalidOperationException(Refusal); }
        public override PSCredential PromptForCredential(string caption, string message, string userName, string targetName) { throw new PSInvalidOperationException(Refusal); }
        public override PSCredential PromptForCredential(string caption, string message, string userName, string targetName, PSCredentialTypes types, PSCredentialUIOptions options) { throw new PSInvalidOperationException(Refusal); }
    }

    /// <summary>A console of 80 columns, as WinRM gives one.</summary>
    sealed class AgentRawUI : PSHostRawUserInterface
    {
        Size buffer = new Size(80, 300);
        Size window = new Size(80, 25);
        public override ConsoleColor BackgroundColor { get; set; }
        public override ConsoleColor ForegroundColor { get; set; }
        public override Size BufferSize { get { return buffer; } set { buffer = value; } }
        public override Coordinates CursorPosition { get; set; }
        public override int CursorSize { get; set; }
        public override bool KeyAvailable { get { return false; } }
        public override Size MaxPhysicalWindowSize { get { return window; } }
        public override Size MaxWindowSize { get { return window; } }
        public override Coordinates WindowPosition { get; set; }
        public override Size WindowSize { get { return window; } set { window = value; } }
        public override string WindowTitle { get; set; } = "";
        public override void FlushInputBuffer() { }
        public override BufferCell[,] GetBufferContents(Rectangle rectangle) { throw new NotSupportedException(); }
        public override KeyInfo ReadKey(ReadKeyOptions options) { throw new NotSupportedException(); }
        public override void ScrollBufferContents(Rectangle source, Coordinates destination, Rectangle clip, BufferCell fill) { throw new NotSupportedException(); }
        public override void SetBufferContents(Rectangle rectangle, BufferCell fill) { }
        public override void SetBufferContents(Coordinates origin, BufferCell[,] contents) { }
    }
}
