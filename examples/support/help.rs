//! Help texts of options that several programs have.

/// The options of servers that deal with everybody: limits ([`takes_limit`](super::takes_limit)),
/// users ([`Access`](super::Access)), [`Tls`](super::Tls) and [`Srtp`](super::Srtp).
macro_rules! server_help {
    () => {
        "  --max-sessions N      client sessions at once (default: 1024; 0: no limit)
  --max-connections N   connections at once (default: 1024; 0: no limit)
  --max-per-address N   sessions, and connections, of one address (default: 256; 0: no limit)
  --max-streams N       streams at once: one for each track of a client, or of a shared file
                        (default: 2048; 0: no limit)
  --max-buffered BYTES  what may wait for all slow clients together, and of requests that are not
                        whole yet (default: 16777216; 0: no limit)
  --users FILE          let in only the users of this file, which rtsp_users makes entries of; on
                        SIGHUP it is read again, and who may watch no more does not (default:
                        everybody is let in)
  --realm NAME          what the passwords are for (default: that of the file)
  --tls-cert FILE       serve rtsps too, with the certificate in this PEM file, which is read again
                        on SIGHUP
  --tls-key FILE        the private key of the certificate
  --tls-port N          listen for rtsps on this port (default: 8322; 0: any)
  --srtp MODE           encrypt media (SRTP) for rtsps clients: offer (those that ask for it have
                        it) or require (nothing else is served)
  --srtp-suite NAME     cipher and authentication (default: AES_CM_128_HMAC_SHA1_80, which all
                        clients have; also AES_CM_128_HMAC_SHA1_32, AES_256_CM_HMAC_SHA1_80,
                        AES_256_CM_HMAC_SHA1_32, AEAD_AES_128_GCM and AEAD_AES_256_GCM)
  --srtp-mki N          octets of the key identifier in each packet (default: 0; ONVIF wants one)
  --srtp-keys-in-the-clear
                        tell the keys over plain rtsp, too, where everybody can read them: for tests
"
    };
}
pub(crate) use server_help;
