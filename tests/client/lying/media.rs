//! Lies in what is sent after PLAY: packets that do not come, and packets that are wrong.

use super::{Case, config, lie_to, lie_with, limit, stall_limit};
use crate::liar::{Act, Media, Packet, UNITS, rtp, ssrc};
use crate::world::{Told, secs};
use riverrun::client::TransportPolicy;
use riverrun::rtp::rtcp::{NtpTime, SenderInfo};
use riverrun::wire::rtcp::{write_bye, write_sdes_cname, write_sr};
use std::time::Duration;

const WAYS: [(TransportPolicy, &str); 2] =
    [(TransportPolicy::Udp, "UDP"), (TransportPolicy::Tcp, "TCP")];

/// The longest wait for a first packet where there is no other way to try, and the way there.
fn first_limit() -> Duration {
    let config = config();
    limit(config.first_packet_timeout.max(config.stall_timeout))
}

fn each_way(make: impl Fn(TransportPolicy, &str)) {
    WAYS.into_iter().for_each(|(policy, way)| make(policy, way));
}

/// As [`each_way`], with media that a lie makes; it loses the presentation.
fn loses_media(within: Duration, why: &str, make: fn(usize, u32) -> Vec<Packet>) {
    each_way(|policy, way| {
        lie_with(policy, Media::Made(make)).loses(within, &why.replace("WAY", way));
    });
}

/// As [`each_way`], with media that a lie makes; playing goes on. Times do not go back by more than
/// `back`.
fn plays_media(back: Duration, make: fn(usize, u32) -> Vec<Packet>) {
    each_way(|policy, _| {
        let mut case = lie_with(policy, Media::Made(make));
        case.plays_on(40.0);
        times_go_on(&case, back);
    });
}

/// The times of each track do not go back by more than `back`, and go as time does.
#[track_caller]
fn times_go_on(case: &Case, back: Duration) {
    for track in [1, 2] {
        let frames: Vec<_> = case.world.log.frames.iter().filter(|f| f.track == track).collect();
        let pairs = || frames.iter().zip(frames.iter().skip(1));
        let steps_back = pairs().map(|(a, b)| a.pts.saturating_sub(b.pts)).max().unwrap();
        assert!(steps_back <= back, "track {track}: {steps_back:?}");
        let (first, last) = (frames.first().unwrap(), frames.last().unwrap());
        let (by_pts, by_clock) = (last.pts.saturating_sub(first.pts), last.at - first.at);
        assert!(by_pts.abs_diff(by_clock) < secs(1.0) + back, "{track}: {by_pts:?} {by_clock:?}");
    }
}

fn honest(track: usize, number: u32) -> Vec<u8> {
    rtp(track, number as u16, number.wrapping_mul(UNITS[track]))
}

#[test]
fn no_media_after_play() {
    each_way(|policy, way| {
        let why = format!("no packet has come over {way}");
        lie_with(policy, Media::Nothing).loses(first_limit(), &why);
        lie_with(policy, Media::Until(0)).loses(first_limit(), &why);
    });
}

#[test]
fn no_media_over_udp_first() {
    let mut case = lie_with(TransportPolicy::Auto, Media::Nothing);
    case.world.env.with(case.liar, crate::liar::Liar::serve_udp).unwrap();
    let config = config();
    assert_eq!(case.loss(limit(config.first_packet_timeout)), "no packet has come over UDP");
    assert_eq!(case.loss(first_limit()), "no packet has come over TCP");
    case.recovers();
}

#[test]
fn media_that_stop() {
    each_way(|policy, _| {
        // Fifty packets are a second.
        let case = lie_with(policy, Media::Until(50));
        case.loses(secs(1.0) + stall_limit(), "track 1 has stopped");
    });
}

#[test]
fn one_track_that_is_silent() {
    // Sound may be announced and not there; the video plays on.
    each_way(|policy, _| lie_with(policy, Media::Track(0)).plays_on(60.0));
    // A picture has to come.
    each_way(|policy, _| {
        lie_with(policy, Media::Track(1)).loses(stall_limit(), "track 1 has stopped");
    });
}

#[test]
fn one_track_that_dies() {
    loses_media(secs(2.0) + stall_limit(), "track 1 has stopped", |track, number| {
        let is_sent = track == 1 || number < 100;
        is_sent.then(|| Packet::Rtp(honest(track, number))).into_iter().collect()
    });
    loses_media(secs(2.0) + stall_limit(), "track 2 has stopped", |track, number| {
        let is_sent = track == 0 || number < 100;
        is_sent.then(|| Packet::Rtp(honest(track, number))).into_iter().collect()
    });
}

#[test]
fn a_goodbye_for_one_track() {
    // A presentation without an end is not whole without the track: it may come back, and when it
    // does not, that is a silence as any other.
    loses_media(secs(2.0) + stall_limit(), "track 1 has stopped", |track, number| {
        let mut bye = Vec::new();
        match (track, number) {
            (0, 100) => {
                write_sdes_cname(&mut bye, ssrc(track), "liar");
                write_bye(&mut bye, &[ssrc(track)], None);
                vec![Packet::Rtcp(bye)]
            }
            (0, 100..) => Vec::new(),
            _ => vec![Packet::Rtp(honest(track, number))],
        }
    });
}

#[test]
fn reports_alone() {
    loses_media(first_limit(), "no packet has come over WAY", |track, number| {
        vec![Packet::Rtcp(report(track, number, NtpTime(1 << 40)))]
    });
}

#[test]
fn an_unknown_payload_type_alone() {
    loses_media(first_limit(), "no packet has come over WAY", |track, number| {
        let mut packet = honest(track, number);
        packet[1] = 111;
        vec![Packet::Rtp(packet)]
    });
}

#[test]
fn an_unknown_payload_type_from_some_packet_on() {
    loses_media(secs(2.0) + stall_limit(), "track 1 has stopped", |track, number| {
        let mut packet = honest(track, number);
        if number > 100 {
            packet[1] = 111;
        }
        vec![Packet::Rtp(packet)]
    });
}

#[test]
fn another_ssrc_than_announced() {
    each_way(|transport, way| {
        let mut config = config();
        config.transport = transport;
        let mut case = lie_to(config, "SETUP", |request, n| {
            let transport = request.headers.value("Transport").unwrap_or_default();
            let ports =
                if transport.contains("client_port") { ";server_port=7000-7001" } else { "" };
            let transport = format!("{transport};ssrc=DEADBEE{n}{ports}");
            Act::Changed(format!("Transport: {transport}"))
        });
        if way == "UDP" {
            case.world.env.with(case.liar, crate::liar::Liar::serve_udp).unwrap();
        }
        case.plays_on(20.0);
        times_go_on(&case, Duration::ZERO);
    });
}

#[test]
fn another_ssrc_in_each_packet() {
    loses_media(stall_limit(), "track 1 has stopped", |track, number| {
        let mut packet = honest(track, number);
        packet[8..12].copy_from_slice(&(number * 2 + track as u32).to_be_bytes());
        vec![Packet::Rtp(packet)]
    });
}

/// Numbers that look like chance.
const fn chance(number: u32) -> u32 {
    let x = number.wrapping_add(0x9E37_79B9).wrapping_mul(0x85EB_CA6B);
    (x ^ x >> 13).wrapping_mul(0xC2B2_AE35) >> 8
}

#[test]
fn sequence_numbers_at_random() {
    // Some follow each other closely enough to be taken.
    each_way(|policy, _| {
        let media = Media::Made(|track, number| {
            let sequence = chance(number) as u16;
            vec![Packet::Rtp(rtp(track, sequence, number.wrapping_mul(UNITS[track])))]
        });
        let mut case = lie_with(policy, media);
        case.watched(|world| world.run_secs(60.0));
        case.is_honest.set(true);
        case.liar().media = Media::Honest;
        case.world.run_secs(15.0);
        let told = case.world.told();
        assert!(matches!(told.last(), Some(Told::Playing(_))), "{told:?}");
        let before = case.world.frames();
        case.world.run_secs(1.0);
        assert!(case.world.frames() > before + 80, "{told:?}");
    });
}

#[test]
fn gaps_are_told_and_nothing_more() {
    each_way(|policy, _| {
        let media = Media::Made(|track, number| {
            // The tracks' gaps are of 1 to 9 packets.
            let is_missing = number % 100 < number / 100 % 10;
            let packet = (!is_missing).then(|| Packet::Rtp(honest(track, number)));
            packet.into_iter().collect()
        });
        let mut case = lie_with(policy, media);
        case.plays_on(40.0);
        times_go_on(&case, Duration::ZERO);
        let player = case.world.env.medium(case.player).unwrap();
        for track in player.tracks() {
            let missing = track.receiver.source().counters().missing;
            // In each ten gaps 45 packets, and forty seconds are two of them.
            assert!((85..=95).contains(&missing), "{missing}");
            let frames = case.world.log.frames.iter().filter(|f| f.track == track.number);
            let told = frames.filter(|f| f.discontinuity).count();
            assert_eq!(told, 18, "track {}", track.number);
        }
    });
}

#[test]
fn timestamps_that_jump_back_or_ahead() {
    // An hour back, an hour ahead, and anywhere.
    plays_media(Duration::ZERO, |track, number| {
        let off = [0, 3600, 0, u32::MAX - 3599, 1 << 19][(number / 300 % 5) as usize];
        let timestamp = number.wrapping_add(off.wrapping_mul(50)).wrapping_mul(UNITS[track]);
        vec![Packet::Rtp(rtp(track, number as u16, timestamp))]
    });
    // One packet alone, every ten seconds.
    plays_media(Duration::ZERO, |track, number| {
        let off = if number % 500 == 499 { 3600 * 50 } else { 0 };
        let timestamp = number.wrapping_add(off).wrapping_mul(UNITS[track]);
        vec![Packet::Rtp(rtp(track, number as u16, timestamp))]
    });
}

#[test]
fn timestamps_that_stand_still_or_are_anything() {
    each_way(|policy, _| {
        lie_with(policy, Media::Made(|track, n| vec![Packet::Rtp(rtp(track, n as u16, 7))]))
            .plays_on(40.0);
        let anything = |track, n| vec![Packet::Rtp(rtp(track, n as u16, chance(n)))];
        lie_with(policy, Media::Made(anything)).plays_on(40.0);
    });
}

fn report(track: usize, number: u32, ntp: NtpTime) -> Vec<u8> {
    let info = SenderInfo {
        ntp,
        rtp_timestamp: number.wrapping_mul(UNITS[track]),
        packet_count: number,
        octet_count: number,
    };
    let mut out = Vec::new();
    write_sr(&mut out, ssrc(track), &info, &[]);
    write_sdes_cname(&mut out, ssrc(track), "liar");
    out
}

#[test]
fn reports_of_absurd_times() {
    // Every second another century; and a pair that agrees on it from time to time.
    plays_media(Duration::ZERO, |track, number| {
        let mut packets = vec![Packet::Rtp(honest(track, number))];
        if number % 50 == 10 * track as u32 {
            let second = u64::from(number / 50);
            let ntp = [0, 1, u64::MAX, 1 << 63, 42 << 32, (42 << 32) + (1 << 32)];
            packets.push(Packet::Rtcp(report(track, number, NtpTime(ntp[second as usize % 6]))));
        }
        packets
    });
}

#[test]
fn reports_that_contradict_each_other() {
    // The two tracks say that they are a day apart, and change their minds each ten seconds.
    plays_media(secs(0.1), |track, number| {
        let mut packets = vec![Packet::Rtp(honest(track, number))];
        if number % 50 == 10 {
            let second = u64::from(number / 50);
            let day = if track == 0 { second / 10 % 2 * 86_400 } else { 3600 };
            packets.push(Packet::Rtcp(report(
                track,
                number,
                NtpTime((100_000 + day + second) << 32),
            )));
        }
        packets
    });
}
