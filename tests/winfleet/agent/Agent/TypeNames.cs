// Type accelerators are one set for the whole process. Those that a script adds outlive its runspace, and the next script must not find
// them: it may bring another version of the types behind them.
using System;
using System.Collections;
using System.Collections.Generic;
using System.Linq;
using System.Management.Automation;
using System.Reflection;

namespace Winfleet
{
    static class TypeNames
    {
        const BindingFlags Any = BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic;
        static readonly Type accelerators = typeof(PSObject).Assembly.GetType("System.Management.Automation.TypeAccelerators");
        static HashSet<string> original;

        static Dictionary<string, Type> Current()
        {
            return (Dictionary<string, Type>)accelerators.GetProperty("Get", Any).GetValue(null);
        }

        /// <summary>Lets scripts find a class of ours under the full name of another.</summary>
        public static void Replace(string name, Type type)
        {
            accelerators.GetMethod("Add", Any).Invoke(null, new object[] { name, type });
        }

        /// <summary>From now on, Restore comes back to the type accelerators that there are.</summary>
        public static void Keep() { original = new HashSet<string>(Current().Keys); }

        /// <summary>Forgets the type accelerators that a script has added, and the names looked up.</summary>
        public static void Restore()
        {
            foreach (var name in Current().Keys.Where(name => !original.Contains(name)).ToList())
            {
                accelerators.GetMethod("Remove", Any).Invoke(null, new object[] { name });
            }
            var cache = typeof(PSObject).Assembly.GetType("System.Management.Automation.Language.TypeCache");
            foreach (var field in cache.GetFields(Any))
            {
                var names = field.GetValue(null) as IDictionary;
                if (names != null) { names.Clear(); }
            }
        }
    }
}
