// A runspace and what belongs to it: of one script, or of a client's runspace pool, and then kept from one pipeline to the next.
using System;
using System.Collections;
using System.Collections.Generic;
using System.Management.Automation.Runspaces;

namespace Winfleet
{
    sealed class Session
    {
        static readonly Dictionary<string, Session> kept = new Dictionary<string, Session>();
        static readonly Dictionary<string, string> ownEnvironment = CurrentEnvironment();
        readonly string name;
        Dictionary<string, string> environment;  // null until the first command
        string directory;
        bool inUse, closed;

        public readonly AgentHost Host;
        public readonly Runspace Runspace;

        Session(string name, bool remote)
        {
            this.name = name;
            Host = new AgentHost(remote);
            var state = InitialSessionState.CreateDefault2();
            state.ExecutionPolicy = Microsoft.PowerShell.ExecutionPolicy.Bypass;
            Runspace = RunspaceFactory.CreateRunspace(Host, state);
            Runspace.ThreadOptions = PSThreadOptions.UseCurrentThread;
        }

        /// <summary>Returns the session that the request names, or one for this command alone.</summary>
        public static Session Of(Request request)
        {
            if (request.Session == null) { return new Session(null, request.Kind == "pipeline"); }
            lock (kept)
            {
                Session session;
                if (!kept.TryGetValue(request.Session, out session)) { kept[request.Session] = session = new Session(request.Session, true); }
                session.inUse = true;
                return session;
            }
        }

        /// <summary>Gives the process the session's environment and folder.</summary>
        public void Enter(Request request)
        {
            if (environment == null)
            {
                var first = new Dictionary<string, string>(ownEnvironment, StringComparer.OrdinalIgnoreCase);
                foreach (var pair in request.Environment ?? new Dictionary<string, string>()) { first[pair.Key] = pair.Value; }
                directory = string.IsNullOrEmpty(request.Directory) ? first["USERPROFILE"] : request.Directory;
                environment = first;
            }
            SetEnvironment(environment);
            Environment.CurrentDirectory = directory;
            if (Runspace.RunspaceStateInfo.State == RunspaceState.BeforeOpen) { Runspace.Open(); }
        }

        /// <summary>The command has ended: keeps what a named session goes on with, and puts back what the process had.</summary>
        public void Leave()
        {
            bool over;
            environment = CurrentEnvironment();
            directory = Environment.CurrentDirectory;
            Environment.CurrentDirectory = @"C:\";
            SetEnvironment(ownEnvironment);
            lock (kept) { inUse = false; over = name == null || closed; }
            if (over) { Runspace.Dispose(); }
        }

        /// <summary>Ends a session, at the end of the command that uses it.</summary>
        public static void Close(string name)
        {
            Session session;
            lock (kept)
            {
                if (!kept.Remove(name, out session)) { return; }
                session.closed = true;
                if (session.inUse) { return; }
            }
            session.Runspace.Dispose();
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
    }
}
