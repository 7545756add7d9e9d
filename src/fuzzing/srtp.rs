//! Bodies for SRTP and the messages with its keys.

use crate::rtp::srtp::keys::{MAX_MATERIAL, MasterKey};
use crate::rtp::srtp::transform::DerivedKeys;
use crate::rtp::srtp::{CryptoSuite, SrtpKeys, SrtpTransform};
use crate::rtp::transform::PacketTransform;
use crate::wire::mikey::{KeyMgmt, MikeyMessage, from_attribute, to_attribute};

/// A message as it is, as base64 in an attribute, and in a header.
pub fn mikey(data: &[u8]) {
    let mut messages = Vec::from_iter(MikeyMessage::parse(data));
    if let Ok(text) = std::str::from_utf8(data) {
        messages.extend(from_attribute(text));
        messages.extend(KeyMgmt::parse(text, "rtsp://host/track1").map(|header| header.message));
    }
    for mut message in messages {
        assert!(message.keys.len() <= crate::wire::mikey::MAX_ENTRIES);
        if let Ok(keys) = SrtpKeys::of_message(&message) {
            let again = keys.to_message(&[0; 20], 0);
            assert_eq!(SrtpKeys::of_message(&again), Ok(keys));
        }
        // A policy that is not supported cannot be written.
        for policy in &mut message.policies {
            policy.suite = policy.suite.or_else(|| Some(CryptoSuite::default()));
        }
        if !message.keys.is_empty() {
            assert_eq!(from_attribute(&to_attribute(&message)), Ok(message));
        }
    }
}

/// Packets, each behind its length, to a receiver whose keys are known, or that are protected with
/// these keys before, altered or not. The first octet tells suite and identifier.
pub fn unprotect(data: &[u8]) {
    let Some((&first, mut rest)) = data.split_first() else { return };
    let suite = CryptoSuite::ALL[usize::from(first) % CryptoSuite::ALL.len()];
    let mki: &[u8] = if first & 0x80 == 0 { &[] } else { &[1, 2] };
    let keys = SrtpKeys::new(MasterKey::from_random(suite, &[first; MAX_MATERIAL]), mki);
    let keys = DerivedKeys::new(keys);
    let mut sender = SrtpTransform::new(&keys, &keys);
    let mut receiver = SrtpTransform::incoming(&keys);
    while let Some(&[how, len, ..]) = rest.first_chunk::<2>() {
        let behind = rest.get(2..).unwrap_or_default();
        let (packet, next) = behind.split_at(behind.len().min(len.into()));
        rest = next;
        let (is_rtcp, is_protected, alters) = (how & 1 != 0, how & 2 != 0, how & 4 != 0);
        let mut memory = packet.to_vec();
        if is_protected {
            let protected = match is_rtcp {
                true => sender.protect_rtcp(&mut memory),
                false => {
                    memory.resize(packet.len() + sender.max_growth(), 0);
                    sender.protect_rtp(&mut memory, packet.len()) == Some(memory.len())
                }
            };
            if !protected {
                continue;
            }
        }
        if alters {
            let at = usize::from(how >> 3) * 7 % memory.len().max(1);
            if let Some(octet) = memory.get_mut(at) {
                *octet ^= 1 << (how >> 5);
            }
        }
        let mut unprotect = |memory: &mut [u8]| match is_rtcp {
            true => receiver.unprotect_rtcp(memory),
            false => receiver.unprotect_rtp(memory),
        };
        let received = memory.clone();
        if let Ok(len) = unprotect(&mut memory) {
            assert!(is_protected && !alters, "a forgery is taken for authentic");
            assert_eq!(memory.get(..len), Some(packet));
            assert!(unprotect(&mut received.clone()).is_err(), "it is taken twice");
        }
    }
}
