//! Tests of [`StreamReceiver`]; `receive` has those with a sender and a network.

use super::*;
use crate::payload::{DepacketizedFrame, DepacketizedFrames, RtpPayload};
use crate::rtp::rtcp::KeyFrameRequest;
use crate::rtp::testing::{ms, some_instant};
use crate::wire::ParseError;
use crate::wire::rtcp::{
    Compound, Packet, ReportBlock, SenderInfo, write_bye, write_rr, write_sdes_cname, write_sr,
};

mod missing;
mod passing;

const NTP: NtpTime = NtpTime(0xED00_5000_4000_0000);
const SENDER: u32 = 0x5e5e_5e5e;

/// Each packet is a frame; the first octet of the payload tells whether it is a key frame, the
/// second whether it is damaged.
struct Whole;

impl Depacketizer for Whole {
    fn handle_payload(
        &mut self,
        payload: &RtpPayload<'_>,
        out: &mut DepacketizedFrames,
    ) -> Result<(), ParseError> {
        let mut frame = DepacketizedFrame::new(payload.data.to_vec(), payload.timestamp);
        frame.key = payload.data.first() == Some(&1);
        frame.damaged = payload.data.get(1) == Some(&1);
        frame.discontinuity = payload.lost;
        out.push(frame);
        Ok(())
    }
}

fn config(message: Option<KeyFrameMessage>) -> StreamReceiverConfig {
    let mut config = StreamReceiverConfig::new(96, 90_000, "r@b");
    config.key_frame_message = message;
    config.source.max_delay = Duration::ZERO;
    config
}

fn receiver(message: Option<KeyFrameMessage>, now: Instant) -> StreamReceiver {
    StreamReceiver::new(config(message), Box::new(Whole), now, [9; 12]).unwrap()
}

fn packet_of(ssrc: u32, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 0x80 | 96];
    packet.extend(sequence.to_be_bytes());
    packet.extend((u32::from(sequence) * 3600).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend(payload);
    packet
}

const KEY: &[u8] = &[1, 0];
const OTHER: &[u8] = &[0, 0];
const DAMAGED_KEY: &[u8] = &[1, 1];

/// Gives it a packet and takes the frames.
fn feed(receiver: &mut StreamReceiver, sequence: u16, payload: &[u8], now: Instant) {
    receiver.handle_rtp(&packet_of(SENDER, sequence, payload), now).unwrap();
    while receiver.poll_frame().is_some() {}
}

/// What it sends at this moment: the requests of each packet.
fn requests(receiver: &mut StreamReceiver, now: Instant) -> Vec<Vec<KeyFrameRequest>> {
    receiver.handle_timeout(now);
    let (mut all, mut out) = (Vec::new(), Vec::new());
    while receiver.poll_rtcp(now, NTP, &mut out) {
        let mut requests = Vec::new();
        for packet in Compound::parse(&out).unwrap() {
            if let Packet::Feedback(feedback) = packet.unwrap() {
                assert_eq!(feedback.sender, receiver.rtcp().ssrc());
                if feedback.is_pli() {
                    assert_eq!(feedback.media, SENDER);
                    requests.push(KeyFrameRequest::PictureLoss);
                }
                for fir in feedback.firs() {
                    assert_eq!(fir.ssrc, SENDER);
                    requests.push(KeyFrameRequest::FullIntra { sequence: fir.sequence });
                }
            }
        }
        all.push(requests);
        out.clear();
    }
    all
}

const PLI: KeyFrameRequest = KeyFrameRequest::PictureLoss;

#[test]
fn a_loss_asks_for_a_key_frame_until_it_comes() {
    let now = some_instant();
    let mut r = receiver(Some(KeyFrameMessage::PictureLoss), now);
    feed(&mut r, 1, KEY, now);
    feed(&mut r, 2, OTHER, now);
    assert!(!r.is_key_frame_wanted());
    feed(&mut r, 4, OTHER, now + ms(10));
    assert!(r.is_key_frame_wanted());
    assert_eq!(r.poll_timeout(), Some(now + ms(10)), "at once");
    assert_eq!(requests(&mut r, now + ms(10)), [[PLI]]);
    assert_eq!(requests(&mut r, now + ms(20)), [[]; 0], "not again for a second");
    feed(&mut r, 7, OTHER, now + ms(30));
    assert_eq!(r.poll_timeout(), Some(now + ms(1010)));
    assert_eq!(requests(&mut r, now + ms(1010)), [[PLI]]);
    feed(&mut r, 8, KEY, now + ms(1020));
    assert!(!r.is_key_frame_wanted());
    // Another loss: the requests are a second apart even so.
    feed(&mut r, 10, OTHER, now + ms(1030));
    assert_eq!(requests(&mut r, now + ms(1030)), [[]; 0]);
    assert_eq!(requests(&mut r, now + ms(2010)), [[PLI]]);
    assert_eq!(r.key_frame_requests(), 3);
}

#[test]
fn who_joins_in_the_middle_asks_too_and_damaged_key_frames_do_not_help() {
    let now = some_instant();
    let mut r = receiver(Some(KeyFrameMessage::FullIntra), now);
    feed(&mut r, 1, OTHER, now);
    let fir = |sequence| KeyFrameRequest::FullIntra { sequence };
    assert_eq!(requests(&mut r, now), [[fir(0)]]);
    feed(&mut r, 2, DAMAGED_KEY, now);
    assert!(r.is_key_frame_wanted());
    // A new command: the answer to the first may have been lost.
    assert_eq!(requests(&mut r, now + ms(1000)), [[fir(1)]]);
    feed(&mut r, 3, KEY, now + ms(1000));
    assert_eq!(requests(&mut r, now + ms(2000)), [[]; 0]);
    r.want_key_frame();
    assert_eq!(requests(&mut r, now + ms(2000)), [[fir(2)]]);
}

#[test]
fn without_a_message_nothing_is_sent_but_the_need_is_told() {
    let now = some_instant();
    let mut r = receiver(None, now);
    feed(&mut r, 1, OTHER, now);
    assert!(r.is_key_frame_wanted());
    assert_eq!(requests(&mut r, now + ms(100)), [[]; 0]);
    assert_eq!(r.key_frame_requests(), 0);
}

#[test]
fn in_a_group_requests_go_with_the_reports() {
    let now = some_instant();
    let mut r = receiver(Some(KeyFrameMessage::PictureLoss), now);
    for other in 1..=3 {
        let mut report = Vec::new();
        write_rr(&mut report, other, &[]);
        r.handle_rtcp(&report, now, NTP);
    }
    assert_eq!(r.rtcp().members(), 4);
    feed(&mut r, 1, OTHER, now);
    let mut at = now;
    let sent = loop {
        let sent = requests(&mut r, at);
        if !sent.is_empty() {
            break sent;
        }
        let next = r.poll_timeout().unwrap();
        assert!(next > at, "no busy loop");
        at = next;
    };
    assert!(at > now + ms(500));
    assert_eq!(sent, [[PLI]]);
}

#[test]
fn reports_tell_of_the_stream_while_it_is_heard() {
    let now = some_instant();
    let mut r = receiver(None, now);
    let mut at = now;
    let mut blocks = Vec::new();
    for i in 0..400u16 {
        at += ms(100);
        if i < 200 {
            feed(&mut r, i, KEY, at);
        }
        r.handle_timeout(at);
        let mut out = Vec::new();
        if r.poll_rtcp(at, NTP, &mut out) {
            for packet in Compound::parse(&out).unwrap() {
                if let Packet::ReceiverReport(report) = packet.unwrap() {
                    blocks.push((at, report.blocks.iter().collect::<Vec<ReportBlock>>()));
                }
            }
        }
    }
    let (heard, after): (Vec<_>, Vec<_>) =
        blocks.into_iter().partition(|(at, _)| *at <= now + ms(20_000));
    assert!(heard.len() >= 3 && after.len() >= 3);
    assert!(heard.iter().all(|(_, b)| b.len() == 1 && b[0].ssrc == SENDER));
    assert!(after[1..].iter().all(|(_, b)| b.is_empty()), "a source that has stopped");
}

fn sender_report(ssrc: u32, timestamp: u32) -> Vec<u8> {
    let mut out = Vec::new();
    let info = SenderInfo { ntp: NTP, rtp_timestamp: timestamp, ..SenderInfo::default() };
    write_sr(&mut out, ssrc, &info, &[]);
    write_sdes_cname(&mut out, ssrc, "s@a");
    out
}

#[test]
fn a_report_ahead_of_the_first_packet_is_not_lost() {
    let now = some_instant();
    let mut r = receiver(None, now);
    r.handle_packet(&sender_report(SENDER, 3600), now, NTP);
    r.handle_packet(&packet_of(SENDER, 1, KEY), now, NTP);
    assert_eq!(r.poll_frame().unwrap().wall_clock, Some(NTP));
    assert_eq!(r.sender_cname(), Some("s@a"));
}

#[test]
fn a_bye_of_the_sender_ends_it_and_ours_ends_the_reports() {
    let now = some_instant();
    let mut r = receiver(None, now);
    let mut out = Vec::new();
    assert!(!r.bye(NTP, &mut out), "nobody has heard of us");
    r.handle_packet(&packet_of(SENDER, 1, KEY), now, NTP);
    let mut bye = sender_report(SENDER, 3600);
    write_bye(&mut bye, &[7], None);
    r.handle_packet(&bye, now, NTP);
    r.handle_timeout(now);
    assert!(r.poll_frame().is_some() && !r.is_ended(), "of another");
    write_bye(&mut bye, &[SENDER], None);
    r.handle_packet(&bye, now, NTP);
    r.handle_timeout(now);
    assert!(r.is_ended());
    while out.is_empty() {
        let at = r.poll_timeout().unwrap();
        r.handle_timeout(at);
        r.poll_rtcp(at, NTP, &mut out);
    }
    assert!(r.bye(NTP, &mut out) && !r.bye(NTP, &mut out));
    assert_eq!(r.poll_timeout(), None);
    r.want_key_frame();
    assert_eq!(r.poll_timeout(), None, "who has said BYE asks for nothing");
}

#[test]
fn a_collision_is_told_and_ends_with_another_ssrc() {
    let now = some_instant();
    let mut r = receiver(None, now);
    let ours = r.rtcp().ssrc();
    r.handle_packet(&sender_report(ours, 1), now, NTP);
    assert!(r.has_collision());
    let mut out = Vec::new();
    r.change_ssrc(5, NTP, &mut out);
    assert!(!r.has_collision() && r.rtcp().ssrc() == 5);
    assert!(out.is_empty(), "nobody has heard of the other");
    r.handle_packet(&packet_of(5, 1, KEY), now, NTP);
    assert!(r.has_collision(), "the sender itself");
}

#[test]
fn a_configuration_that_cannot_work_is_refused() {
    let fault = |change: fn(&mut StreamReceiverConfig)| {
        let mut config = config(None);
        change(&mut config);
        StreamReceiver::new(config, Box::new(Whole), some_instant(), [0; 12]).is_err()
    };
    assert!(!fault(|_| ()));
    assert!(fault(|c| c.source.clock_rate = 0));
    assert!(fault(|c| c.key_frame_interval = Duration::ZERO));
    assert!(fault(|c| c.key_frame_interval = Duration::MAX));
    assert!(fault(|c| c.nack_interval = Duration::ZERO));
    assert!(fault(|c| c.nack_delay = Duration::MAX));
}
