//! A receiver that passes packets on.

use super::*;

fn passing(now: Instant) -> StreamReceiver {
    let config = config(Some(KeyFrameMessage::PictureLoss));
    StreamReceiver::pass_through(config, now, [9; 12]).unwrap()
}

/// Gives it a packet; returns the numbers of those that it passes on.
fn pass(receiver: &mut StreamReceiver, sequence: u16, now: Instant) -> Vec<u64> {
    let mut passed = Vec::new();
    let packet = packet_of(SENDER, sequence, OTHER);
    let taken = receiver.handle_rtp_with(&packet, now, |p| passed.push(p.sequence & 0xffff));
    taken.unwrap();
    assert!(receiver.poll_frame().is_none());
    passed
}

#[test]
fn each_loss_and_each_wish_asks_once_for_a_key_frame() {
    let now = some_instant();
    let mut r = passing(now);
    assert_eq!(pass(&mut r, 1, now), [1]);
    assert_eq!(requests(&mut r, now), [[]; 0], "nothing is known of frames");
    assert_eq!(pass(&mut r, 3, now + ms(10)), [3]);
    assert_eq!(requests(&mut r, now + ms(10)), [[PLI]]);
    assert!(!r.is_key_frame_wanted());
    assert_eq!(requests(&mut r, now + ms(5000)).concat(), [], "not again without need");
    r.want_key_frame();
    r.want_key_frame();
    assert_eq!(requests(&mut r, now + ms(5000)).concat(), [PLI]);
    r.want_key_frame();
    assert_eq!(requests(&mut r, now + ms(5100)).concat(), [], "at most one a second");
    assert_eq!(requests(&mut r, now + ms(6000)).concat(), [PLI]);
    assert_eq!(r.key_frame_requests(), 3);
}

#[test]
fn what_waits_for_a_packet_is_passed_on_when_that_is_given_up() {
    let now = some_instant();
    let mut config = config(None);
    config.source.max_delay = ms(50);
    let mut r = StreamReceiver::pass_through(config, now, [9; 12]).unwrap();
    assert_eq!(pass(&mut r, 1, now), [1]);
    assert_eq!(pass(&mut r, 4, now), []);
    assert_eq!(pass(&mut r, 3, now), []);
    let mut passed = Vec::new();
    r.handle_timeout_with(now + ms(50), |p| passed.push((p.sequence & 0xffff, p.lost_before)));
    assert_eq!(passed, [(3, 1), (4, 0)]);
}

#[test]
fn the_report_that_came_first_tells_capture_times_at_once() {
    let now = some_instant();
    let mut r = passing(now);
    let mut report = Vec::new();
    let info = SenderInfo { ntp: NTP, rtp_timestamp: 3600, packet_count: 0, octet_count: 0 };
    write_sr(&mut report, SENDER, &info, &[]);
    write_sdes_cname(&mut report, SENDER, "camera");
    r.handle_rtcp(&report, now, NTP);
    let mut captured = None;
    let first = packet_of(SENDER, 1, KEY);
    r.handle_rtp_with(&first, now, |p| captured = p.capture_time).unwrap();
    assert_eq!(captured, Some(NTP));
}
