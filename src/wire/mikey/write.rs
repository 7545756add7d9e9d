//! Writes messages.

use super::{CryptoSuite, MikeyMessage, encryption, parameter, payload};

/// The type of a key that protects traffic itself, salt included, as GStreamer writes and reads it.
const TRAFFIC_KEY: u8 = 2;

impl MikeyMessage {
    /// Writes the message. What does not fit into its length field is left out: entries after the
    /// 255th, and octets after as many as the field of a value can state.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(160);
        let has_random = !self.random.is_empty();
        let sessions = self.sessions.get(..255).unwrap_or(&self.sessions);
        out.extend([1, 0, payload::TIMESTAMP, 0]);
        out.extend(self.bundle.to_be_bytes());
        out.extend([u8::try_from(sessions.len()).unwrap_or(u8::MAX), 0]);
        for session in sessions {
            out.push(session.policy);
            out.extend(session.ssrc.to_be_bytes());
            out.extend(session.roll_over.to_be_bytes());
        }
        let after_random = if self.policies.is_empty() { payload::KEMAC } else { payload::POLICY };
        out.extend([if has_random { payload::RANDOM } else { after_random }, 0]);
        out.extend(self.timestamp.to_be_bytes());
        if has_random {
            out.push(after_random);
            push_short(&mut out, &self.random);
        }
        for (n, policy) in self.policies.iter().enumerate() {
            let is_last = n + 1 == self.policies.len();
            out.extend([if is_last { payload::KEMAC } else { payload::POLICY }, policy.number, 0]);
            push_long(&mut out, &policy_parameters(policy.suite.unwrap_or_default()));
        }
        let mut keys = Vec::new();
        for (n, key) in self.keys.iter().enumerate() {
            let is_last = n + 1 == self.keys.len();
            let next = if is_last { payload::LAST } else { payload::KEY_DATA };
            let validity = match key.interval {
                Some(_) => 2,
                None => u8::from(!key.mki.is_empty()),
            };
            keys.extend([next, TRAFFIC_KEY << 4 | validity]);
            push_long(&mut keys, &key.material);
            if let Some((first, last)) = key.interval {
                push_short(&mut keys, &first.to_be_bytes());
                push_short(&mut keys, &last.to_be_bytes());
            } else if !key.mki.is_empty() {
                push_short(&mut keys, &key.mki);
            }
        }
        // Neither encrypted nor authenticated.
        out.extend([payload::LAST, 0]);
        push_long(&mut out, &keys);
        out.push(0);
        out
    }
}

fn push_short(out: &mut Vec<u8>, value: &[u8]) {
    let value = value.get(..255).unwrap_or(value);
    out.push(u8::try_from(value.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(value);
}

fn push_long(out: &mut Vec<u8>, value: &[u8]) {
    let value = value.get(..65_535).unwrap_or(value);
    out.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(value);
}

/// The parameters of a policy, each with its type and length.
fn policy_parameters(suite: CryptoSuite) -> Vec<u8> {
    let octet = |len: usize| u8::try_from(len).unwrap_or(u8::MAX);
    let cipher = if suite.is_aead() { encryption::AES_GCM } else { encryption::AES_CM };
    let mut parameters = vec![
        (parameter::ENCRYPTION, cipher),
        (parameter::KEY_LEN, octet(suite.key_len())),
        (parameter::ENCRYPTS_RTP, 1),
        (parameter::ENCRYPTS_RTCP, 1),
    ];
    if suite.is_aead() {
        parameters.push((parameter::AEAD_TAG_LEN, octet(suite.tag_len())));
    } else {
        parameters.extend([
            (parameter::AUTHENTICATION, 1),
            (parameter::AUTH_KEY_LEN, 20),
            (parameter::AUTHENTICATES, 1),
            (parameter::TAG_LEN, octet(suite.tag_len())),
        ]);
    }
    parameters.into_iter().flat_map(|(kind, value)| [kind, 1, value]).collect()
}
