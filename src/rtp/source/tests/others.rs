//! Packets of other SSRCs and payload types, and what is told of them.

use super::*;

/// A packet of comfort noise (payload type 13) in the sequence of the stream.
fn noise(sequence: u16) -> Vec<u8> {
    let mut packet = packet(sequence);
    packet[1] = 13;
    packet
}

fn events(source: &mut RtpSource) -> Vec<SourceEvent> {
    std::iter::from_fn(|| source.poll_event()).collect()
}

#[test]
fn another_payload_type_beside_the_stream_is_dropped_and_is_no_loss() {
    let now = some_instant();
    let mut source = source();
    assert_eq!(source.handle_packet(&noise(1), now), Err(Rejected::PayloadType));
    assert_eq!(source.ssrc(), None, "it does not choose the SSRC");
    source.handle_packet(&packet(2), now).unwrap();
    assert_eq!(source.handle_packet(&noise(3), now), Err(Rejected::PayloadType));
    source.handle_packet(&packet(4), now).unwrap();
    // Before its turn, and one of them lost.
    assert_eq!(source.handle_packet(&noise(6), now), Err(Rejected::PayloadType));
    source.handle_packet(&packet(7), now).unwrap();
    source.handle_packet(&packet(5), now).unwrap();
    assert_eq!(source.handle_packet(&noise(9), now), Err(Rejected::PayloadType));
    source.handle_packet(&packet(10), now).unwrap();
    source.handle_timeout(now + ms(100));
    assert_eq!(frames(&mut source), [2, 4, 5, 7, 0xff, 10]);
    let counters = source.counters();
    assert_eq!((counters.packets, counters.other_types, counters.rejected), (5, 3, 1));
    assert_eq!((counters.missing, source.cumulative_lost()), (1, 1));
    assert_eq!(source.poll_timeout(), None);
}

#[test]
fn another_payload_type_does_not_begin_the_sequence_anew() {
    let now = some_instant();
    let mut source = source();
    source.handle_packet(&packet(1), now).unwrap();
    for sequence in [30_000, 30_001, 30_002] {
        assert_eq!(source.handle_packet(&noise(sequence), now), Err(Rejected::PayloadType));
    }
    source.handle_packet(&packet(2), now).unwrap();
    assert_eq!(frames(&mut source), [1, 2]);
    assert_eq!((source.counters().rejected, source.counters().restarts), (3, 0));
}

#[test]
fn loss_is_told_with_the_sequence_numbers() {
    let now = some_instant();
    let mut source = source_of(RtpSourceConfig { max_delay: ms(0), ..config() });
    for sequence in [65_530, 65_531, 1, 2, 4] {
        source.handle_packet(&packet_of(SSRC, sequence, 0), now).unwrap();
    }
    let lost = |count, first, last| SourceEvent::PacketsLost { count, first, last };
    assert_eq!(events(&mut source), [lost(5, 65_532, 0), lost(1, 3, 3)]);
    for sequence in (10..1000).step_by(2) {
        source.handle_packet(&packet_of(SSRC, sequence, 0), now).unwrap();
    }
    assert_eq!(events(&mut source).len(), 64);
    assert_eq!(source.counters().dropped_events, 495 - 64);
}

#[test]
fn an_announced_ssrc_takes_over_with_its_first_packet() {
    let now = some_instant();
    let mut source = source();
    source.expect_ssrc(8);
    source.expect_ssrc(1);
    source.handle_packet(&packet_of(1, 10, 0), now).unwrap();
    source.handle_packet(&packet_of(1, 12, 7200), now + ms(80)).unwrap();
    source.expect_ssrc(2);
    source.handle_packet(&packet_of(1, 13, 10_800), now + ms(120)).unwrap();
    assert_eq!(source.ssrc(), Some(1), "until it comes");
    source.handle_packet(&packet_of(2, 700, 5), now + ms(160)).unwrap();
    assert_eq!(source.ssrc(), Some(2));
    assert_eq!(source.handle_packet(&packet_of(1, 14, 14_400), now + ms(160)), Err(Rejected::Ssrc));
    source.handle_packet(&packet_of(2, 701, 3605), now + ms(200)).unwrap();
    let got: Vec<_> = std::iter::from_fn(|| source.poll_frame()).collect();
    let times: Vec<_> = got.iter().map(|f| f.pts).collect();
    assert_eq!(times, [0, 80, 120, 160, 200].map(ms));
    let events = events(&mut source);
    assert!(events.contains(&SourceEvent::SsrcChanged { from: 1, to: 2 }), "{events:?}");
    assert_eq!((source.counters().restarts, source.counters().other_ssrcs), (1, 1));
}

#[test]
fn after_a_bye_another_ssrc_follows_at_once() {
    let now = some_instant();
    let mut source = source();
    source.handle_packet(&packet_of(1, 10, 0), now).unwrap();
    source.handle_bye(1, now);
    source.handle_packet(&packet_of(2, 500, 77), now + ms(40)).unwrap();
    source.handle_packet(&packet_of(2, 501, 3677), now + ms(80)).unwrap();
    assert_eq!(source.ssrc(), Some(2));
    assert_eq!(source.poll_timeout(), None, "the end that was told is none");
    let times: Vec<_> = std::iter::from_fn(|| source.poll_frame()).map(|f| f.pts).collect();
    assert_eq!(times, [0, 40, 80].map(ms));
    // Also when the end has come.
    source.handle_bye(2, now + ms(90));
    source.handle_timeout(now + ms(500));
    assert!(source.is_ended());
    source.handle_packet(&packet_of(3, 1, 0), now + ms(1000)).unwrap();
    assert!(!source.is_ended());
    assert_eq!(source.poll_frame().unwrap().pts, ms(1000));
}

#[test]
fn where_the_announced_ssrc_was_wrong_no_packet_is_lost() {
    let now = some_instant();
    let mut source = source();
    source.expect_ssrc(0);
    assert_eq!(source.handle_packet(&packet(7), now), Err(Rejected::Ssrc));
    source.handle_packet(&packet(8), now).unwrap();
    source.handle_packet(&packet(9), now).unwrap();
    assert_eq!(frames(&mut source), [7, 8, 9]);
    assert_eq!(source.ssrc(), Some(SSRC));
    let counters = source.counters();
    assert_eq!((counters.packets, counters.rejected, counters.other_ssrcs), (3, 0, 0));
    assert_eq!(counters.restarts, 0);
    assert_eq!(events(&mut source), []);
}

#[test]
fn of_two_senders_in_turn_one_is_received_where_the_announced_ssrc_was_wrong() {
    let now = some_instant();
    let mut source = source();
    source.expect_ssrc(0);
    for sequence in 0..10 {
        let at = now + ms(u64::from(sequence) * 40);
        for ssrc in [1, 2] {
            let packet = packet_of(ssrc, sequence, u32::from(sequence) * 3600);
            let _ = source.handle_packet(&packet, at);
        }
    }
    assert_eq!(source.ssrc(), Some(1));
    assert_eq!(std::iter::from_fn(|| source.poll_frame()).count(), 10, "the first one too");
    // The one that is heard goes away: the other takes its place.
    let later = now + ms(400) + source_silence();
    for sequence in 10..12 {
        let _ = source.handle_packet(&packet_of(2, sequence, 0), later);
    }
    assert_eq!(source.ssrc(), Some(2));
}

fn source_silence() -> Duration {
    config().ssrc_silence
}

#[test]
fn csrcs_extension_and_padding_are_no_payload() {
    let now = some_instant();
    let mut source = source();
    let mut packet = packet(1);
    packet[0] = 0xb2;
    let payload = packet.split_off(12);
    packet.extend([0, 0, 0, 4, 0, 0, 0, 5]);
    packet.extend([0xbe, 0xde, 0, 1, 1, 2, 3, 4]);
    packet.extend(&payload);
    packet.extend([0, 0, 3]);
    source.handle_packet(&packet, now).unwrap();
    assert_eq!(source.poll_frame().unwrap().data, [1].as_slice());
    // More padding than payload, and an extension that is longer than the packet.
    packet[4] = 0;
    *packet.last_mut().unwrap() = 200;
    assert_eq!(source.handle_packet(&packet, now), Err(Rejected::Malformed));
    packet[23] = 200;
    assert_eq!(source.handle_packet(&packet, now), Err(Rejected::Malformed));
}

#[test]
fn reception_and_rate_are_told() {
    let now = some_instant();
    let mut source = source_of(RtpSourceConfig { max_delay: ms(0), ..config() });
    assert_eq!(source.reception().highest_sequence, 0);
    for i in (0..100u16).filter(|i| i % 4 != 1) {
        let packet = packet_of(SSRC, 65_500u16.wrapping_add(i), u32::from(i) * 3600);
        source.handle_packet(&packet, now + ms(u64::from(i) * 40)).unwrap();
    }
    source.report_block(now + ms(4000)).unwrap();
    let told = source.reception();
    assert_eq!((told.expected, told.received, told.lost), (100, 75, 25));
    assert_eq!((told.highest_sequence, told.lost_share), (65_599, 0.25));
    assert_eq!(told.jitter, Duration::ZERO);
    // 0, 2, 3, 4, 6, …, 99: 74 gaps, of one interval or two.
    let gaps = told.gaps;
    assert_eq!((gaps.count, gaps.shortest, gaps.longest), (74, ms(40), ms(80)));
    assert_eq!(gaps.total, ms(99 * 40));
    assert_eq!(gaps.average(), Some(ms(99 * 40) / 74));
    let rate = source.rate(now + ms(4000));
    assert!((18..=19).contains(&rate.packets), "{rate:?}");
    assert!((18 * 14 * 8..=19 * 14 * 8).contains(&rate.bits), "{rate:?}");
}

#[test]
fn gaps_of_several_receptions_are_put_together() {
    let mut some = PacketGaps::default();
    assert_eq!(some.average(), None);
    some.add(ms(20));
    some.add(ms(0));
    let mut others = PacketGaps::default();
    others.add(ms(70));
    let all = some.with(others);
    assert_eq!((all.count, all.shortest, all.longest, all.total), (3, ms(0), ms(70), ms(90)));
    assert_eq!(all.average(), Some(ms(30)));
    let none = PacketGaps::default();
    assert_eq!((none.with(others), others.with(none)), (others, others));
}
