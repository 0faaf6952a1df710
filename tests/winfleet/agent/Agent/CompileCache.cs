// Windows PowerShell compiles the C# of Ansible's modules anew for each module run, and so would this engine: half of a host's CPU time.
// Here each text is compiled once, for all processes and hosts, and loaded once in a process.
//
// Ansible's Add-CSharpType finds these classes under the names of Roslyn's, by type accelerators; Ansible itself is untouched.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Runtime.Loader;
using System.Security.Cryptography;
using System.Text;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Emit;

namespace Winfleet
{
    /// <summary>Stands for MetadataReference: the file is read only if something has to be compiled.</summary>
    public sealed class CachedReference
    {
        static readonly Dictionary<string, MetadataReference> read = new Dictionary<string, MetadataReference>(StringComparer.OrdinalIgnoreCase);
        readonly string path;

        CachedReference(string path) { this.path = path; }

        public string Path { get { return path; } }

        public static CachedReference CreateFromFile(string path) { return new CachedReference(path); }

        public MetadataReference Read()
        {
            lock (read)
            {
                MetadataReference reference;
                if (!read.TryGetValue(path, out reference)) { read[path] = reference = MetadataReference.CreateFromFile(path); }
                return reference;
            }
        }
    }

    /// <summary>Stands for CSharpSyntaxTree: the text is parsed only if it has to be compiled.</summary>
    public sealed class CachedTree
    {
        readonly string text;
        readonly CSharpParseOptions options;

        CachedTree(string text, CSharpParseOptions options) { this.text = text; this.options = options; }

        public static CachedTree ParseText(string text, CSharpParseOptions options) { return new CachedTree(text, options); }

        public SyntaxTree Parse() { return CSharpSyntaxTree.ParseText(text, options); }

        public override string ToString() { return string.Join(",", options.PreprocessorSymbolNames) + "\0" + text; }
    }

    /// <summary>Stands for EmitResult; its diagnostics are Roslyn's own.</summary>
    public sealed class CachedResult
    {
        public CachedResult(IEnumerable<Diagnostic> diagnostics) { Diagnostics = diagnostics.Cast<object>().ToArray(); }
        public bool Success { get { return Diagnostics.Length == 0; } }
        public object[] Diagnostics { get; private set; }
    }

    /// <summary>Stands for CSharpCompilation.</summary>
    public sealed class CachedCompilation
    {
        // Another engine has another compiler and other references at the same paths.
        static readonly string engine = typeof(CSharpCompilation).Assembly.FullName + typeof(System.Management.Automation.PSObject).Module.ModuleVersionId;
        readonly CachedTree[] trees;
        readonly CachedReference[] references;
        readonly CSharpCompilationOptions options;

        CachedCompilation(IEnumerable<CachedTree> trees, IEnumerable<CachedReference> references, CSharpCompilationOptions options)
        {
            // Ansible's order of the same texts differs from run to run.
            this.trees = trees.OrderBy(tree => tree.ToString(), StringComparer.Ordinal).ToArray();
            this.references = references.GroupBy(reference => reference.Path, StringComparer.OrdinalIgnoreCase).Select(same => same.First()).ToArray();
            this.options = options;
        }

        // The caller's name is a new GUID each time; a text that is compiled once needs one name.
        public static CachedCompilation Create(string name, IEnumerable<CachedTree> trees, IEnumerable<CachedReference> references, CSharpCompilationOptions options)
        {
            return new CachedCompilation(trees, references, options);
        }

        // ansible-core 2.16 to 2.19
        public CachedResult Emit(Stream image, Stream symbols) { return Emit(image, symbols, null, null, null, new EmitOptions()); }

        // from ansible-core 2.20 on
        public CachedResult Emit(Stream image, Stream symbols, object documentation, object win32Resources, object resources, EmitOptions emit)
        {
            var key = Key(emit, symbols != null);
            var compiled = CompileCache.Find(key);
            if (compiled == null)
            {
                CachedResult failure;
                compiled = Compile(key, emit, symbols != null, out failure);
                if (compiled == null) { return failure; }
                CompileCache.Store(key, compiled);
            }
            image.Write(compiled.Image, 0, compiled.Image.Length);
            if (symbols != null) { symbols.Write(compiled.Symbols, 0, compiled.Symbols.Length); }
            return new CachedResult(new Diagnostic[0]);
        }

        CompiledText Compile(string key, EmitOptions emit, bool withSymbols, out CachedResult failure)
        {
            var compilation = CSharpCompilation.Create("winfleet-" + key, trees.Select(tree => tree.Parse()), references.Select(reference => reference.Read()), options);
            using (var image = new MemoryStream())
            using (var symbols = withSymbols ? new MemoryStream() : null)
            {
                var result = compilation.Emit(image, symbols, options: emit);
                failure = result.Success ? null : new CachedResult(result.Diagnostics);
                return result.Success ? new CompiledText(image.ToArray(), withSymbols ? symbols.ToArray() : new byte[0]) : null;
            }
        }

        string Key(EmitOptions emit, bool withSymbols)
        {
            var parts = new List<string> { engine, withSymbols.ToString(), emit.DebugInformationFormat.ToString() };
            parts.Add(options.OutputKind + "," + options.OptimizationLevel + "," + options.AllowUnsafe + "," + options.GeneralDiagnosticOption);
            parts.AddRange(options.SpecificDiagnosticOptions.Select(option => option.Key + "=" + option.Value).OrderBy(text => text, StringComparer.Ordinal));
            parts.AddRange(references.Select(reference => reference.Path));
            parts.AddRange(trees.Select(tree => tree.ToString()));
            return CompileCache.Hash(Encoding.Unicode.GetBytes(string.Join("\0\0", parts)));
        }
    }

    /// <summary>Stands for AssemblyLoadContext: an image that the process has is not loaded a second time.</summary>
    public sealed class CachedLoadContext
    {
        static readonly CachedLoadContext only = new CachedLoadContext();

        CachedLoadContext() { }

        public static CachedLoadContext Default { get { return only; } }

        public Assembly LoadFromStream(Stream image) { return LoadFromStream(image, null); }

        public Assembly LoadFromStream(Stream image, Stream symbols) { return CompileCache.Load(image, symbols); }
    }

    public sealed class CompiledText
    {
        public CompiledText(byte[] image, byte[] symbols) { Image = image; Symbols = symbols; }
        public byte[] Image { get; private set; }
        public byte[] Symbols { get; private set; }
    }

    public static class CompileCache
    {
        /// <summary>Shared by the hosts of all fleets of a checkout; prefix.py makes it.</summary>
        const string Folder = @"C:\windows\winfleet\compiled";
        const BindingFlags Statics = BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;
        static readonly Dictionary<string, CompiledText> known = new Dictionary<string, CompiledText>();
        static readonly Dictionary<string, Assembly> loaded = new Dictionary<string, Assembly>();
        static readonly List<KeyValuePair<FieldInfo, object>> initial = new List<KeyValuePair<FieldInfo, object>>();

        public static void Install()
        {
            TypeNames.Replace("Microsoft.CodeAnalysis.MetadataReference", typeof(CachedReference));
            TypeNames.Replace("Microsoft.CodeAnalysis.CompilationReference", typeof(CachedReference));
            TypeNames.Replace("Microsoft.CodeAnalysis.SyntaxTree", typeof(CachedTree));
            TypeNames.Replace("Microsoft.CodeAnalysis.CSharp.CSharpSyntaxTree", typeof(CachedTree));
            TypeNames.Replace("Microsoft.CodeAnalysis.CSharp.CSharpCompilation", typeof(CachedCompilation));
            TypeNames.Replace("System.Runtime.Loader.AssemblyLoadContext", typeof(CachedLoadContext));
        }

        internal static string Hash(byte[] data) { return Convert.ToHexString(SHA256.HashData(data)); }

        /// <summary>Returns what was compiled before, by this process or another; null when nothing was.</summary>
        internal static CompiledText Find(string key)
        {
            lock (known)
            {
                CompiledText compiled;
                if (known.TryGetValue(key, out compiled)) { return compiled; }
                compiled = Read(Path.Combine(Folder, key));
                if (compiled != null) { known[key] = compiled; }
                return compiled;
            }
        }

        // A file is: hash of all that follows, length of the image (int32), image, symbols. One that is not, after a crash of the machine, is
        // compiled and written again.
        static CompiledText Read(string path)
        {
            byte[] file;
            try { file = File.ReadAllBytes(path); }
            catch (IOException) { return null; }
            const int start = 32 + 4;
            if (file.Length < start || !SHA256.HashData(file.AsSpan(32)).AsSpan().SequenceEqual(file.AsSpan(0, 32))) { return null; }
            var size = BitConverter.ToInt32(file, 32);
            return new CompiledText(file.AsSpan(start, size).ToArray(), file.AsSpan(start + size).ToArray());
        }

        internal static void Store(string key, CompiledText compiled)
        {
            lock (known) { known[key] = compiled; }
            var draft = Path.Combine(Folder, Guid.NewGuid().ToString());
            try
            {
                var content = BitConverter.GetBytes(compiled.Image.Length).Concat(compiled.Image).Concat(compiled.Symbols).ToArray();
                File.WriteAllBytes(draft, SHA256.HashData(content).Concat(content).ToArray());
                File.Move(draft, Path.Combine(Folder, key), true);
            }
            catch (IOException) { File.Delete(draft); }  // a full disk, or another process that is storing the same
        }

        internal static Assembly Load(Stream image, Stream symbols)
        {
            var data = new MemoryStream();
            image.CopyTo(data);
            data.Position = 0;
            lock (loaded)
            {
                var key = Hash(data.ToArray());
                Assembly assembly;
                if (!loaded.TryGetValue(key, out assembly))
                {
                    loaded[key] = assembly = AssemblyLoadContext.Default.LoadFromStream(data, symbols);
                    Remember(assembly);
                }
                return assembly;
            }
        }

        static void Remember(Assembly assembly)
        {
            foreach (var type in assembly.GetTypes().Where(type => !type.ContainsGenericParameters))
            {
                foreach (var field in type.GetFields(Statics).Where(field => !field.IsInitOnly && !field.IsLiteral))
                {
                    initial.Add(new KeyValuePair<FieldInfo, object>(field, field.GetValue(null)));
                }
            }
        }

        /// <summary>Gives static fields the values that they have in a new process.</summary>
        public static void Restore()
        {
            lock (loaded)
            {
                foreach (var pair in initial) { pair.Key.SetValue(null, pair.Value); }
            }
        }
    }
}
