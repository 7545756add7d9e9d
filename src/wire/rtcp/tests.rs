use super::*;
use crate::wire::ParseError;
use crate::wire::testing::Random;

fn only(bytes: &[u8]) -> Packet<'_> {
    let compound = Compound::parse_reduced_size(bytes).unwrap();
    let mut packets = compound.packets();
    let packet = packets.next().unwrap().unwrap();
    assert!(packets.next().is_none());
    packet
}

fn random_blocks(random: &mut Random, max: usize) -> Vec<ReportBlock> {
    (0..random.below(max + 1))
        .map(|_| ReportBlock {
            ssrc: random.u32(),
            fraction_lost: random.u8(),
            cumulative_lost: (random.u32() << 8) as i32 >> 8,
            highest_sequence: random.u32(),
            jitter: random.u32(),
            last_sr: random.u32(),
            delay_since_last_sr: random.u32(),
        })
        .collect()
}

/// SR or RR, SDES and perhaps more, as a sender makes it.
fn random_compound(random: &mut Random) -> Vec<u8> {
    let mut out = Vec::new();
    let ssrc = random.u32();
    let blocks = random_blocks(random, 40);
    if random.chance(2) {
        let info = SenderInfo { ntp: NtpTime(random.u64()), ..SenderInfo::default() };
        write_sr(&mut out, ssrc, &info, &blocks);
    } else {
        write_rr(&mut out, ssrc, &blocks);
    }
    write_sdes_cname(&mut out, ssrc, &random.word(30));
    if random.chance(2) {
        write_nack(&mut out, ssrc, 7, &[Nack { first: random.u16(), following: random.u16() }]);
    }
    if random.chance(2) {
        write_xr_rrtr(&mut out, ssrc, NtpTime(random.u64()));
        let delay = Dlrr { ssrc: 1, last_rr: random.u32(), delay_since_last_rr: random.u32() };
        write_xr_dlrr(&mut out, ssrc, &[delay; 3]);
    }
    if random.chance(2) {
        write_bye(&mut out, &[ssrc], random.option(|r| r.word(9)).as_deref());
    }
    out
}

#[test]
fn reports_are_read_as_written() {
    let mut random = Random::new(23);
    for _ in 0..300 {
        let (ssrc, blocks) = (random.u32(), random_blocks(&mut random, 70));
        let info = SenderInfo {
            ntp: NtpTime(random.u64()),
            rtp_timestamp: random.u32(),
            packet_count: random.u32(),
            octet_count: random.u32(),
        };
        let mut out = Vec::new();
        write_sr(&mut out, ssrc, &info, &blocks);
        let mut read = Vec::new();
        for packet in Compound::parse(&out).unwrap() {
            match packet.unwrap() {
                Packet::SenderReport(sr) => {
                    assert_eq!((sr.ssrc, sr.info), (ssrc, info));
                    assert!(read.is_empty() && sr.extension.is_empty());
                    read.extend(sr.blocks.iter());
                }
                Packet::ReceiverReport(rr) => {
                    assert_eq!(rr.ssrc, ssrc);
                    assert_eq!(rr.blocks.len(), rr.blocks.iter().count());
                    read.extend(rr.blocks.iter());
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(read, blocks);
    }
}

#[test]
fn descriptions_are_read_as_written() {
    let mut random = Random::new(29);
    for _ in 0..300 {
        let texts: Vec<_> = (0..random.below(40)).map(|_| random.word(12)).collect();
        let items: Vec<_> = texts.iter().map(|t| [(item_kind(t), t.as_str()), (2, "x")]).collect();
        let chunks: Vec<(u32, &[_])> =
            items.iter().enumerate().map(|(i, items)| (i as u32, &items[..])).collect();
        let mut out = Vec::new();
        write_sdes(&mut out, &chunks);
        let Packet::Sdes(sdes) = only(&out) else { panic!() };
        let read: Vec<_> = sdes.chunks().collect();
        assert_eq!(read.len(), chunks.len().min(MAX_COUNT));
        for (read, (ssrc, items)) in read.iter().zip(&chunks) {
            assert_eq!(read.ssrc, *ssrc);
            let read: Vec<_> = read.items().map(|i| (i.kind, i.text)).collect();
            let items: Vec<_> = items.iter().map(|(k, t)| (*k, t.as_bytes())).collect();
            assert_eq!(read, items);
        }
    }
    let mut out = Vec::new();
    write_sdes_cname(&mut out, 5, &"ä".repeat(200));
    let Packet::Sdes(sdes) = only(&out) else { panic!() };
    assert_eq!(sdes.cname(5), Some("ä".repeat(127).as_bytes()), "cut between characters");
    assert_eq!(sdes.cname(6), None);
}

fn item_kind(text: &str) -> u8 {
    1 + text.len() as u8 % 8
}

#[test]
fn bye_app_and_feedback_are_read_as_written() {
    let mut out = Vec::new();
    write_bye(&mut out, &[1, 2], Some("camera off"));
    let Packet::Bye(bye) = only(&out) else { panic!() };
    assert_eq!(bye.sources().collect::<Vec<_>>(), [1, 2]);
    assert_eq!(bye.reason, Some(&b"camera off"[..]));

    out.clear();
    write_app(&mut out, 3, 9, *b"rive", b"12345");
    let Packet::App(app) = only(&out) else { panic!() };
    assert_eq!(app, App { subtype: 3, ssrc: 9, name: *b"rive", data: b"12345\0\0\0" });
    out.clear();
    write_app(&mut out, 3, 9, *b"rive", &vec![0; 262_140]);
    assert!(out.is_empty(), "does not fit the length field");

    let nacks = [Nack { first: 65_534, following: 0b101 }, Nack { first: 9, following: 0 }];
    write_nack(&mut out, 1, 2, &nacks);
    let Packet::Feedback(fb) = only(&out) else { panic!() };
    assert_eq!((fb.sender, fb.media, fb.is_pli()), (1, 2, false));
    assert_eq!(fb.nacks().collect::<Vec<_>>(), nacks);
    assert_eq!(nacks[0].sequence_numbers().collect::<Vec<_>>(), [65_534, 65_535, 1]);
    assert_eq!(fb.firs().count(), 0);

    out.clear();
    write_pli(&mut out, 1, 2);
    assert!(matches!(only(&out), Packet::Feedback(fb) if fb.is_pli()));
    out.clear();
    write_fir(&mut out, 1, &[Fir { ssrc: 2, sequence: 7 }]);
    let Packet::Feedback(fb) = only(&out) else { panic!() };
    assert_eq!(fb.firs().collect::<Vec<_>>(), [Fir { ssrc: 2, sequence: 7 }]);
    assert!(!fb.is_pli());
}

#[test]
fn extended_reports_are_read_as_written() {
    let mut out = Vec::new();
    write_xr_rrtr(&mut out, 9, NtpTime(0x0102_0304_0506_0708));
    assert_eq!(
        out,
        [0x80, 207, 0, 4, 0, 0, 0, 9, 4, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8],
        "RFC 3611 sections 2 and 4.4"
    );
    let Packet::ExtendedReport(report) = only(&out) else { panic!() };
    let time = XrBlock::ReceiverReferenceTime(NtpTime(0x0102_0304_0506_0708));
    assert_eq!((report.ssrc, report.blocks().collect::<Vec<_>>()), (9, vec![time]));

    let mut random = Random::new(41);
    for count in [0, 1, 2, 70] {
        let mut delay = |_| Dlrr {
            ssrc: random.u32(),
            last_rr: random.u32(),
            delay_since_last_rr: random.u32(),
        };
        let delays: Vec<_> = (0..count).map(&mut delay).collect();
        out.clear();
        write_xr_dlrr(&mut out, 9, &delays);
        let Packet::ExtendedReport(report) = only(&out) else { panic!() };
        let [XrBlock::DelaysSinceLastRr(read)] = report.blocks().collect::<Vec<_>>()[..] else {
            panic!("{report:?}")
        };
        assert_eq!(read.iter().collect::<Vec<_>>(), delays);
    }
    out.clear();
    let delay = Dlrr { ssrc: 1, last_rr: 2, delay_since_last_rr: 3 };
    write_xr_dlrr(&mut out, 9, &[delay; 21_845]);
    assert!(out.is_empty(), "does not fit the length field");
    write_xr_dlrr(&mut out, 9, &[delay; 21_844]);
    assert!(matches!(only(&out), Packet::ExtendedReport(_)));
}

#[test]
fn blocks_of_extended_reports_are_whole_and_others_are_passed_on() {
    // Statistics of another kind, a reference time, a reference time and delays of a wrong length.
    let blocks: [&[u8]; 4] = [
        &[6, 0x80, 0, 1, 1, 2, 3, 4],
        &[4, 7, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2],
        &[4, 0, 0, 1, 0, 0, 0, 1],
        &[5, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1],
    ];
    let blocks = blocks.concat();
    let packet = [&[0x80, 207, 0, 11, 0, 0, 0, 9][..], &blocks].concat();
    let Packet::ExtendedReport(report) = only(&packet) else { panic!() };
    let read: Vec<_> = report.blocks().collect();
    let first = XrBlock::Other { block_type: 6, type_specific: 0x80, contents: &[1, 2, 3, 4] };
    assert_eq!(read[0], first);
    assert_eq!(read[1], XrBlock::ReceiverReferenceTime(NtpTime(0x1_0000_0002)));
    assert!(matches!(read[2], XrBlock::Other { block_type: 4, .. }));
    assert!(matches!(read[3], XrBlock::Other { block_type: 5, .. }));
    // A block that is longer than the packet spoils it.
    let mut bad = packet;
    bad[11] = 200;
    assert!(Compound::parse_reduced_size(&bad).unwrap().packets().next().unwrap().is_err());
}

#[test]
fn compound_packets_are_checked() {
    let mut good = Vec::new();
    write_rr(&mut good, 1, &[]);
    write_sdes_cname(&mut good, 1, "a@b");
    assert!(Compound::parse(&good).is_ok());
    // Padding on the last packet alone.
    let padded = [&good[..], &[0xA0, 204, 0, 3, 0, 0, 0, 1, b'n', b'a', b'm', b'e', 0, 0, 0, 4]];
    let padded = padded.concat();
    let app = Compound::parse(&padded).unwrap().packets().last().unwrap().unwrap();
    assert!(matches!(app, Packet::App(app) if app.data.is_empty()));
    assert!(Compound::parse(&[&padded[..], &good].concat()).is_err());
    // The first packet.
    let mut bye = Vec::new();
    write_bye(&mut bye, &[1], None);
    assert!(Compound::parse(&bye).is_err());
    assert!(Compound::parse_reduced_size(&bye).is_ok());
    assert!(Compound::parse(&[0xA0, 201, 0, 1, 0, 0, 0, 4]).is_err(), "first one is padded");
    // Version and length.
    for (at, value) in [(0, 0x40), (3, 2), (8, 0x00), (11, 9)] {
        let mut bad = good.clone();
        bad[at] = value;
        assert!(Compound::parse(&bad).is_err(), "byte {at}");
    }
    assert!(Compound::parse(&[]).is_err());
    // A count beyond the body spoils that packet, not the others.
    let mut bad = good.clone();
    bad[0] |= 5;
    let results: Vec<_> = Compound::parse(&bad).unwrap().packets().collect();
    assert!(results[0].is_err() && results[1].is_ok());
}

#[test]
fn a_cut_compound_is_incomplete_or_shorter() {
    let mut random = Random::new(31);
    for _ in 0..100 {
        let whole = random_compound(&mut random);
        let count = Compound::parse(&whole).unwrap().packets().count();
        for end in 0..whole.len() {
            match Compound::parse(&whole[..end]) {
                Ok(cut) => assert!(cut.packets().count() < count),
                Err(e) => assert!(matches!(e, ParseError::Incomplete { .. }), "{e}"),
            }
        }
    }
}

#[test]
fn mutations_never_panic() {
    let mut random = Random::new(37);
    for _ in 0..20_000 {
        let mut bytes = random_compound(&mut random);
        random.mutate(&mut bytes);
        crate::fuzzing::wire::rtcp(&bytes);
    }
}
