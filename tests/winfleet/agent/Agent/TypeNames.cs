// Names that a script gave to types it compiled outlive its runspace: PowerShell keeps them for the whole process. The next script may
// compile the same source again, and must not be given a mixture of the two.
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
        static readonly HashSet<string> original = new HashSet<string>(Current().Keys);

        static Dictionary<string, Type> Current()
        {
            return (Dictionary<string, Type>)accelerators.GetProperty("Get", Any).GetValue(null);
        }

        /// <summary>Forgets the type accelerators that were added since the process started, and the names looked up.</summary>
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
