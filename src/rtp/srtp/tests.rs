//! Streams that are protected and unprotected: what is lost, late, repeated, altered and foreign.

use super::keys::{IdentifiedKey, MasterKey};
use super::transform::{DerivedKeys, SrtpTransform};
use super::{CryptoSuite, SrtpKeys};
use crate::rtp::transform::{PacketTransform, Refusal};
use crate::wire::rtp::PacketKind;
use crate::wire::testing::Random;

const SSRC: u32 = 0xcafe_babe;

fn keys(suite: CryptoSuite, seed: u64, mki: &[u8]) -> SrtpKeys {
    let mut random = Random::new(seed);
    SrtpKeys::new(MasterKey::from_random(suite, &std::array::from_fn(|_| random.u8())), mki)
}

fn pair(suite: CryptoSuite, mki: &[u8]) -> (SrtpTransform, SrtpTransform) {
    let keys = DerivedKeys::new(keys(suite, 1, mki));
    (SrtpTransform::new(&keys, &keys), SrtpTransform::incoming(&keys))
}

/// A packet with a CSRC and a header extension.
fn rtp(seq: u16) -> Vec<u8> {
    let mut packet = vec![0x91, 0x60];
    packet.extend(seq.to_be_bytes());
    packet.extend([0, 0, 0, 9]);
    packet.extend(SSRC.to_be_bytes());
    packet.extend([1, 2, 3, 4, 0xbe, 0xde, 0, 1, 5, 6, 7, 8]);
    packet.extend(std::iter::repeat_n(seq as u8, 40 + usize::from(seq % 100)));
    packet
}

fn rtcp() -> Vec<u8> {
    let mut packet = vec![0x80, 201, 0, 1];
    packet.extend(SSRC.to_be_bytes());
    packet.extend([0x81, 202, 0, 2]);
    packet.extend(SSRC.to_be_bytes());
    packet.extend([1, 1, b'x', 0]);
    packet
}

fn protect(sender: &mut SrtpTransform, packet: &[u8]) -> Vec<u8> {
    let mut memory = [packet, &vec![0; sender.max_growth()]].concat();
    let len = sender.protect_rtp(&mut memory, packet.len()).expect("it is protected");
    assert_eq!(len, memory.len(), "it has grown by as much as was said");
    memory
}

fn protect_rtcp(sender: &mut SrtpTransform) -> Vec<u8> {
    let mut packet = rtcp();
    assert!(sender.protect_rtcp(&mut packet));
    packet
}

fn unprotect(receiver: &mut SrtpTransform, packet: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut memory = packet.to_vec();
    let len = receiver.unprotect_rtp(&mut memory)?;
    memory.truncate(len);
    Ok(memory)
}

fn unprotect_rtcp(receiver: &mut SrtpTransform, packet: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut memory = packet.to_vec();
    let len = receiver.unprotect_rtcp(&mut memory)?;
    memory.truncate(len);
    Ok(memory)
}

#[test]
fn what_is_protected_is_unprotected_by_every_suite() {
    for suite in CryptoSuite::ALL {
        for mki in [&[][..], &[7], &[0, 0, 0, 1]] {
            let (mut sender, mut receiver) = pair(suite, mki);
            for seq in 65_500..=u16::MAX {
                let packet = rtp(seq);
                let protected = protect(&mut sender, &packet);
                assert_eq!(protected.len(), packet.len() + suite.tag_len() + mki.len(), "{suite}");
                assert_eq!(protected[..24], packet[..24], "the header stays readable");
                assert_ne!(protected[24..40], packet[24..40], "and nothing else");
                assert_eq!(unprotect(&mut receiver, &protected), Ok(packet), "{suite} {mki:?}");
                let protected = protect_rtcp(&mut sender);
                assert_eq!(protected[..8], rtcp()[..8]);
                assert_ne!(protected[8..16], rtcp()[8..16]);
                assert_eq!(unprotect_rtcp(&mut receiver, &protected), Ok(rtcp()), "{suite}");
            }
        }
    }
}

#[test]
fn reordered_and_repeated_packets_across_a_roll_over() {
    for suite in [CryptoSuite::AesCm128HmacSha1_80, CryptoSuite::AeadAes256Gcm] {
        for seed in 1..4 {
            let mut random = Random::new(seed);
            let (mut sender, mut receiver) = pair(suite, &[1]);
            let first = 65_000u16;
            // Three roll-overs.
            let mut late: Vec<(u16, Vec<u8>)> = Vec::new();
            let mut seen: Vec<Vec<u8>> = Vec::new();
            for n in 0..200_000u32 {
                let seq = first.wrapping_add(n as u16);
                // The sender has to do it all; only some of it is looked at.
                let border = seq.wrapping_add(300) < 600;
                if !border && n > 10 {
                    late.clear();
                    if n % 1000 == 0 {
                        let packet = protect(&mut sender, &rtp(seq));
                        assert_eq!(unprotect(&mut receiver, &packet), Ok(rtp(seq)), "{n}");
                    }
                    continue;
                }
                late.push((seq, protect(&mut sender, &rtp(seq))));
                if late.len() > 30 {
                    let (seq, packet) = late.swap_remove(random.below(late.len()));
                    if random.chance(5) {
                        continue; // lost
                    }
                    let altered: Vec<u8> = {
                        let mut altered = packet.clone();
                        let at = random.below(altered.len());
                        altered[at] ^= 1 << random.below(8);
                        altered
                    };
                    assert!(unprotect(&mut receiver, &altered).is_err(), "{n}: altered");
                    assert_eq!(unprotect(&mut receiver, &packet), Ok(rtp(seq)), "{n}");
                    assert_eq!(unprotect(&mut receiver, &packet), Err(Refusal::Replayed), "{n}");
                    seen.push(packet);
                    let old = random.pick(&seen).clone();
                    assert!(unprotect(&mut receiver, &old).is_err(), "{n}: again");
                }
            }
            assert_eq!(sender.roll_over(SSRC), 4);
            assert_eq!(sender.roll_over(1), 0, "of another stream");
        }
    }
}

#[test]
fn receivers_that_join_know_the_counter_or_are_one_away() {
    let of = keys(CryptoSuite::AesCm128HmacSha1_80, 1, &[]);
    let derived = DerivedKeys::new(of.clone());
    // Told when the counter was 5.
    let joined = DerivedKeys::new(of.with_session(SSRC, 5));
    for (counter, seq, is_known) in [
        (5, 0x1234, true),
        (5, 0xF000, true),
        (6, 0x0010, true),  // it has gone on since
        (4, 0xFFF0, true),  // one from before comes late
        (7, 0x0010, false), // too far away
        (6, 0xF000, false),
    ] {
        let mut sender = SrtpTransform::new(&derived, &derived);
        let last = (counter << 16 | u64::from(seq)) - 1;
        sender.sender_mut().unwrap().forward(SSRC, last);
        let packet = protect(&mut sender, &rtp(seq));
        let mut receiver = SrtpTransform::incoming(&joined);
        assert_eq!(unprotect(&mut receiver, &packet).is_ok(), is_known, "{counter} {seq:x}");
        let mut unaware = SrtpTransform::incoming(&derived);
        assert!(unprotect(&mut unaware, &packet).is_err());
    }
}

#[test]
fn keys_are_told_apart_by_their_identifiers() {
    for suite in CryptoSuite::ALL {
        let mut two = keys(suite, 1, &[0, 1]);
        let second = keys(suite, 2, &[0, 2]);
        let message = {
            let mut message = two.to_message(&[0; 20], 0);
            message.keys.extend(second.to_message(&[0; 20], 0).keys);
            message
        };
        two = SrtpKeys::of_message(&message).unwrap();
        let mut receiver = SrtpTransform::incoming(&DerivedKeys::new(two));
        let [mut old, mut new, mut unknown, mut foreign, mut plain] = [
            keys(suite, 1, &[0, 1]),
            second,
            keys(suite, 2, &[0, 3]),
            keys(suite, 9, &[0, 2]),
            keys(suite, 1, &[]),
        ]
        .map(|keys| {
            let derived = DerivedKeys::new(keys);
            SrtpTransform::new(&derived, &derived)
        });
        assert_eq!(unprotect(&mut receiver, &protect(&mut old, &rtp(1))), Ok(rtp(1)));
        assert_eq!(unprotect(&mut receiver, &protect(&mut new, &rtp(2))), Ok(rtp(2)));
        assert_eq!(unprotect(&mut receiver, &protect(&mut old, &rtp(3))), Ok(rtp(3)));
        for wrong in [&mut unknown, &mut foreign, &mut plain] {
            let refused = unprotect(&mut receiver, &protect(wrong, &rtp(4)));
            assert_eq!(refused, Err(Refusal::NotAuthentic), "{suite}");
            let refused = unprotect_rtcp(&mut receiver, &protect_rtcp(wrong));
            assert_eq!(refused, Err(Refusal::NotAuthentic), "{suite}");
        }
        assert_eq!(unprotect_rtcp(&mut receiver, &protect_rtcp(&mut new)), Ok(rtcp()));
        assert_eq!(unprotect(&mut receiver, &rtp(4)), Err(Refusal::NotAuthentic), "not protected");
    }
}

#[test]
fn truncated_and_altered_packets_are_refused() {
    for suite in CryptoSuite::ALL {
        let (mut sender, mut receiver) = pair(suite, &[9]);
        let packet = protect(&mut sender, &rtp(1));
        let report = protect_rtcp(&mut sender);
        for len in 0..packet.len() {
            assert!(unprotect(&mut receiver, &packet[..len]).is_err(), "{suite} {len}");
        }
        for len in 0..report.len() {
            assert!(unprotect_rtcp(&mut receiver, &report[..len]).is_err(), "{suite} {len}");
        }
        for bit in 0..8 * packet.len() {
            let mut altered = packet.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(unprotect(&mut receiver, &altered).is_err(), "{suite} {bit}");
        }
        for bit in 0..8 * report.len() {
            let mut altered = report.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(unprotect_rtcp(&mut receiver, &altered).is_err(), "{suite} {bit}");
        }
        assert!(
            unprotect(&mut receiver, &packet).is_ok()
                && unprotect_rtcp(&mut receiver, &report).is_ok()
        );
        assert_eq!(unprotect_rtcp(&mut receiver, &report), Err(Refusal::Replayed));
    }
}

#[test]
fn nothing_is_allocated_for_a_packet() {
    for suite in CryptoSuite::ALL {
        let (mut sender, mut receiver) = pair(suite, &[1]);
        let packets: Vec<_> = (0..100).map(rtp).collect();
        let [mut memory, mut report, mut taken] = [(); 3].map(|()| Vec::with_capacity(500));
        let mut go = |packets: &[Vec<u8>]| {
            for packet in packets {
                memory.clear();
                memory.extend_from_slice(packet);
                memory.resize(packet.len() + 64, 0);
                let len = sender.protect_rtp(&mut memory, packet.len()).expect("it is protected");
                let receiver: &mut dyn PacketTransform = &mut receiver;
                let plain = receiver.unprotect(PacketKind::Rtp, &memory[..len], &mut taken);
                assert_eq!(plain.map(<[u8]>::len), Ok(packet.len()));
                report.clear();
                report.extend_from_slice(&[0x80, 201, 0, 1]);
                report.extend_from_slice(&packet[8..12]);
                assert!(sender.protect_rtcp(&mut report));
                assert!(receiver.unprotect(PacketKind::Rtcp, &report, &mut taken).is_ok());
            }
        };
        go(&packets[..50]);
        let made = allocation_counter::measure(|| go(&packets[50..]));
        assert_eq!(made.count_total, 0, "{suite}");
    }
}

#[test]
fn a_key_that_is_used_up_protects_nothing_more() {
    let (mut sender, _) = pair(CryptoSuite::AesCm128HmacSha1_80, &[]);
    sender.sender_mut().unwrap().age(2, (1 << 31) - 1);
    let try_rtp = |sender: &mut SrtpTransform, seq| {
        let mut memory = [rtp(seq), vec![0; 10]].concat();
        sender.protect_rtp(&mut memory, rtp(seq).len()).is_some()
    };
    assert!(try_rtp(&mut sender, 1));
    assert!(!try_rtp(&mut sender, 1), "one packet is not protected twice");
    assert!(try_rtp(&mut sender, 2));
    assert!(!try_rtp(&mut sender, 3), "2^48 packets");
    let mut report = rtcp();
    assert!(sender.protect_rtcp(&mut report), "the last index");
    assert_eq!(&report[20..24], &u32::MAX.to_be_bytes());
    assert!(!sender.protect_rtcp(&mut rtcp()), "2^31 packets");
    // The roll-over counter is used up.
    let (mut sender, _) = pair(CryptoSuite::AesCm128HmacSha1_80, &[]);
    sender.sender_mut().unwrap().forward(SSRC, (1 << 48) - 2);
    assert!(try_rtp(&mut sender, 0xFFFF));
    assert!(!try_rtp(&mut sender, 0));
}

#[test]
fn the_end_of_a_key_is_seen_while_it_can_be_told() {
    let aged = |rtp_left, rtcp_index, index| {
        let (mut sender, _) = pair(CryptoSuite::AeadAes128Gcm, &[]);
        sender.age(rtp_left, rtcp_index);
        sender.sender_mut().unwrap().forward(SSRC, index);
        sender
    };
    let (all, border) = (1 << 48, 1 << 16);
    assert!(!aged(border + 1, (1 << 31) - border as u32 - 1, all - border - 1).is_nearly_used_up());
    for mut sender in
        [aged(border, 0, 0), aged(all, (1 << 31) - border as u32, 0), aged(all, 0, all - border)]
    {
        assert!(sender.is_nearly_used_up());
        assert!(sender.protect_rtcp(&mut rtcp()), "a BYE");
    }
    assert!(!pair(CryptoSuite::AeadAes128Gcm, &[]).0.is_nearly_used_up());
}

#[test]
fn another_ssrc_begins_anew() {
    let (mut sender, mut receiver) = pair(CryptoSuite::AeadAes128Gcm, &[]);
    let with_ssrc = |seq: u16, ssrc: u32| {
        let mut packet = rtp(seq);
        packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
        packet
    };
    sender.sender_mut().unwrap().forward(SSRC, 0x9_0000);
    // More sources than are remembered: each takes the place of the one that came first.
    let first = protect(&mut sender, &with_ssrc(65_000, 1));
    assert!(unprotect(&mut receiver, &first).is_ok());
    for ssrc in 2..12 {
        let packet = protect(&mut sender, &with_ssrc(65_000, ssrc));
        assert_eq!(unprotect(&mut receiver, &packet), Ok(with_ssrc(65_000, ssrc)));
        assert_eq!(unprotect(&mut receiver, &packet), Err(Refusal::Replayed));
    }
    // What the first has sent is not accepted again, now that nothing is known of it.
    assert_eq!(unprotect(&mut receiver, &first), Err(Refusal::Replayed));
    let report = protect_rtcp(&mut sender);
    assert!(unprotect_rtcp(&mut receiver, &report).is_ok());
    // Members of a group come back, each with what is new.
    let keys = DerivedKeys::new(keys(CryptoSuite::AeadAes128Gcm, 1, &[]));
    let mut group = SrtpTransform::for_group(&keys);
    for round in 0..2 {
        for ssrc in 0..300 {
            let mut member = SrtpTransform::new(&keys, &keys);
            member.sender_mut().unwrap().age(1, round);
            let mut report = rtcp();
            report[4..8].copy_from_slice(&(ssrc as u32).to_be_bytes());
            assert!(member.protect_rtcp(&mut report));
            assert!(unprotect_rtcp(&mut group, &report).is_ok(), "{round} {ssrc}");
        }
    }
}

#[test]
fn a_key_is_good_for_the_packets_that_it_was_told_for() {
    let suite = CryptoSuite::AesCm128HmacSha1_80;
    let mut message = keys(suite, 1, &[]).with_session(SSRC, 0).to_message(&[0; 20], 0);
    message.keys[0].interval = Some((65_530, 65_540));
    let told = SrtpKeys::of_message(&message).unwrap();
    assert_eq!(told.to_message(&[0; 20], 0).keys, message.keys);
    let mut receiver = SrtpTransform::incoming(&DerivedKeys::new(told));
    let (mut sender, _) = pair(suite, &[]);
    let early = protect(&mut sender, &rtp(65_529));
    assert_eq!(unprotect(&mut receiver, &early), Err(Refusal::NotAuthentic));
    for seq in (65_530..=u16::MAX).chain(0..=4) {
        let packet = protect(&mut sender, &rtp(seq));
        assert_eq!(unprotect(&mut receiver, &packet), Ok(rtp(seq)), "{seq}");
        let report = protect_rtcp(&mut sender);
        assert_eq!(unprotect_rtcp(&mut receiver, &report), Ok(rtcp()));
    }
    let late = protect(&mut sender, &rtp(5));
    assert_eq!(unprotect(&mut receiver, &late), Err(Refusal::NotAuthentic));
}

#[test]
fn keys_go_through_messages() {
    for suite in CryptoSuite::ALL {
        for mki in [&[][..], &[1, 2]] {
            let told = keys(suite, 5, mki).with_session(SSRC, 7).with_session(0, 0);
            let message = told.to_message(&[9; 20], 77);
            assert_eq!(SrtpKeys::of_message(&message), Ok(told.clone()));
            assert_eq!((told.roll_over(SSRC), told.roll_over(3)), (7, 0));
        }
    }
    let good = keys(CryptoSuite::AeadAes128Gcm, 5, &[1]).with_session(1, 0).to_message(&[0; 20], 0);
    let refused: [fn(&mut crate::wire::mikey::MikeyMessage); 6] = [
        |message| message.keys.clear(),
        |message| message.keys[0].material.truncate(27),
        |message| message.policies[0].suite = None,
        |message| message.keys.push(message.keys[0].clone()),
        |message| message.keys[0].mki = vec![0; 17],
        |message| {
            message.policies.push(message.policies[0]);
            message.policies[1].number = 1;
            message.policies[1].suite = Some(CryptoSuite::AeadAes256Gcm);
            message.sessions.push(message.sessions[0]);
            message.sessions[1].policy = 1;
        },
    ];
    for (n, change) in refused.into_iter().enumerate() {
        let mut message = good.clone();
        change(&mut message);
        assert!(SrtpKeys::of_message(&message).is_err(), "{n}");
    }
    let IdentifiedKey { master, .. } = &keys(CryptoSuite::AeadAes128Gcm, 5, &[]).keys()[0].clone();
    assert_eq!(format!("{master:?}"), "MasterKey { suite: AeadAes128Gcm, .. }");
}
