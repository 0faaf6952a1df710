// The types of SharePoint's class library that scripts name; see doubles/modules/Winfleet.SharePoint.
using System;
using System.Collections;

namespace Microsoft.SharePoint.Administration
{
    public class SPIrmSettings
    {
        public bool IrmRMSEnabled { get; set; }
        public bool IrmRMSUseAD { get; set; }
        public string IrmRMSCertServer { get; set; }
        public bool IrmSubscriptionScopeSettingsEnabled { get; set; }
    }

    public class SPWebService
    {
        /// <summary>Reads the farm; null when it cannot be reached.</summary>
        public static Func<object> Reader;

        SPWebService(IDictionary farm)
        {
            IrmSettings = new SPIrmSettings
            {
                IrmRMSEnabled = (bool)farm["IrmRMSEnabled"],
                IrmRMSUseAD = (bool)farm["IrmRMSUseAD"],
                IrmRMSCertServer = (string)farm["IrmRMSCertServer"],
                IrmSubscriptionScopeSettingsEnabled = (bool)farm["IrmSubscriptionScopeSettingsEnabled"],
            };
        }

        public SPIrmSettings IrmSettings { get; private set; }

        public static SPWebService ContentService
        {
            get
            {
                var farm = Reader();
                var data = farm as IDictionary ?? (farm as System.Management.Automation.PSObject)?.BaseObject as IDictionary;
                return data == null ? null : new SPWebService(data);
            }
        }
    }
}
