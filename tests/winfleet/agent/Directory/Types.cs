// The types of the module ActiveDirectory that its callers name or look into; see doubles/modules/ActiveDirectory.
using System;
using System.Collections;
using System.Collections.Generic;
using System.Linq;
using System.Security.Principal;

namespace Microsoft.ActiveDirectory.Management
{
    public enum ADGroupScope { DomainLocal, Global, Universal }

    public enum ADGroupCategory { Distribution, Security }

    public enum ADSearchScope { Base, OneLevel, Subtree }

    public class ADException : Exception { public ADException(string message) : base(message) { } }

    public class ADIdentityNotFoundException : ADException { public ADIdentityNotFoundException(string message) : base(message) { } }

    public class ADIdentityAlreadyExistsException : ADException { public ADIdentityAlreadyExistsException(string message) : base(message) { } }

    public class ADServerDownException : ADException { public ADServerDownException(string message) : base(message) { } }

    public class ADPropertyValueCollection : CollectionBase
    {
        public ADPropertyValueCollection(params object[] values) { InnerList.AddRange(values); }

        public object this[int index] { get { return InnerList[index]; } }

        public object Value { get { return Count == 0 ? null : Count == 1 ? InnerList[0] : InnerList.ToArray(); } }
    }

    public class ADObject
    {
        readonly Dictionary<string, ADPropertyValueCollection> values = new Dictionary<string, ADPropertyValueCollection>(StringComparer.OrdinalIgnoreCase);

        public string DistinguishedName { get; set; }
        public string Name { get; set; }
        public string ObjectClass { get; set; }
        public Guid ObjectGUID { get; set; }

        public ADPropertyValueCollection this[string name]
        {
            get { return values.TryGetValue(name, out var found) ? found : new ADPropertyValueCollection(); }
        }

        public string[] PropertyNames { get { return values.Keys.ToArray(); } }

        public void Set(string name, object[] items) { values[name] = new ADPropertyValueCollection(items); }

        public override string ToString() { return DistinguishedName; }
    }

    public class ADGroup : ADObject
    {
        public ADGroupCategory GroupCategory { get; set; }
        public ADGroupScope GroupScope { get; set; }
        public string SamAccountName { get; set; }
        public SecurityIdentifier SID { get; set; }
    }
}
