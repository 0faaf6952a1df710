// Copyright (c) 2026, infoprotect.aip maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Internal to infoprotect.aip, may change in any release. C# 5, for .NET Framework and .NET.
//
// A TLS handshake that looks at the certificates instead of judging them. C# and not PowerShell: .NET shows the certificates on a thread of
// its own, where a script block cannot run.

using System;
using System.Collections.Generic;
using System.IO;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace ansible_collections.infoprotect.aip.plugins.module_utils._Handshake
{
    /// <summary>One certificate of a chain.</summary>
    public sealed class ChainCertificate
    {
        public readonly string Subject;
        public readonly string Issuer;
        public readonly string Thumbprint;
        public readonly DateTime Expires;

        internal ChainCertificate(X509Certificate2 certificate)
        {
            Subject = certificate.Subject;
            Issuer = certificate.Issuer;
            Thumbprint = certificate.Thumbprint;
            Expires = certificate.NotAfter.ToUniversalTime();
        }
    }

    /// <summary>What a server showed and agreed to. Nothing is sent over the connection beside the handshake.</summary>
    public sealed class Handshake
    {
        /// <summary>The chain as this host builds it, the server's certificate first.</summary>
        public readonly List<ChainCertificate> Chain = new List<ChainCertificate>();
        public SslPolicyErrors Errors { get; private set; }
        public X509ChainStatusFlags ChainErrors { get; private set; }
        public SslProtocols Protocol { get; private set; }
        public string Cipher { get; private set; }

        // .NET Framework has no name for the CALG_ECDH_EPHEM of Windows.
        private const ExchangeAlgorithmType EphemeralEllipticCurve = (ExchangeAlgorithmType)44550;

        private Handshake()
        {
        }

        /// <summary>Speaks TLS 1.2 with a server; the caller closes the stream, also after a timeout.</summary>
        /// <exception cref="TimeoutException">the handshake is not over in time</exception>
        /// <exception cref="AuthenticationException">server and host have no protocol or cipher in common</exception>
        /// <exception cref="IOException">the connection ended, or what answers is not TLS</exception>
        public static Handshake Perform(Stream stream, string host, int milliseconds)
        {
            Handshake handshake = new Handshake();
            SslStream tls = new SslStream(stream, true, handshake.Look);
            IAsyncResult call = tls.BeginAuthenticateAsClient(host, null, SslProtocols.Tls12, false, null, null);
            if (!call.AsyncWaitHandle.WaitOne(milliseconds))
                throw new TimeoutException();
            tls.EndAuthenticateAsClient(call);
            if (handshake.Chain.Count == 0)
                throw new AuthenticationException("the server showed no certificate");
            handshake.Protocol = tls.SslProtocol;
            handshake.Cipher = string.Format(
                "{0} {1} {2}", NameOf(tls.KeyExchangeAlgorithm), tls.CipherAlgorithm, tls.HashAlgorithm);
            return handshake;
        }

        private static string NameOf(ExchangeAlgorithmType algorithm)
        {
            switch (algorithm)
            {
                case EphemeralEllipticCurve: return "ECDHE";
                case ExchangeAlgorithmType.DiffieHellman: return "DHE";
                case ExchangeAlgorithmType.RsaKeyX: return "RSA";
                default: return algorithm.ToString();
            }
        }

        // Takes whatever the server shows, which is the question here. Copies: the chain does not outlive this call.
        private bool Look(object sender, X509Certificate certificate, X509Chain chain, SslPolicyErrors errors)
        {
            Errors = errors;
            if (chain != null)
            {
                foreach (X509ChainElement element in chain.ChainElements)
                    Chain.Add(new ChainCertificate(element.Certificate));
                foreach (X509ChainStatus status in chain.ChainStatus)
                    ChainErrors |= status.Status;
            }
            if (Chain.Count == 0 && certificate != null)
                Chain.Add(new ChainCertificate(new X509Certificate2(certificate)));
            return true;
        }
    }
}
