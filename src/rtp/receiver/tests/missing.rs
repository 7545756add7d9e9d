//! Missing packets are asked for again.

use super::*;
use crate::wire::rtcp::Nack;

/// A receiver that waits 200 ms for a packet, and asks again every 50 ms.
fn asking(now: Instant) -> StreamReceiver {
    let mut config = config(Some(KeyFrameMessage::PictureLoss));
    config.source.max_delay = ms(200);
    config.nack = true;
    StreamReceiver::new(config, Box::new(Whole), now, [9; 12]).unwrap()
}

/// What it asks for at this moment; `None` for a key frame.
fn asked(receiver: &mut StreamReceiver, now: Instant) -> Vec<Option<Vec<u16>>> {
    receiver.handle_timeout(now);
    while receiver.poll_frame().is_some() {}
    let (mut all, mut out) = (Vec::new(), Vec::new());
    while receiver.poll_rtcp(now, NTP, &mut out) {
        for packet in Compound::parse(&out).unwrap() {
            let Packet::Feedback(feedback) = packet.unwrap() else { continue };
            assert_eq!((feedback.sender, feedback.media), (receiver.rtcp().ssrc(), SENDER));
            let lost: Vec<_> = feedback.nacks().flat_map(Nack::sequence_numbers).collect();
            all.push(Some(lost).filter(|_| !feedback.is_pli()));
        }
        out.clear();
    }
    all
}

#[test]
fn they_are_asked_for_until_they_come() {
    let now = some_instant();
    let mut r = asking(now);
    feed(&mut r, 65_533, KEY, now);
    feed(&mut r, 1, OTHER, now + ms(10));
    feed(&mut r, 3, OTHER, now + ms(15));
    assert_eq!(r.poll_timeout(), Some(now + ms(20)), "reordered packets come by themselves");
    assert_eq!(asked(&mut r, now + ms(19)), []);
    assert_eq!(asked(&mut r, now + ms(20)), [Some(vec![65_534, 65_535, 0, 2])]);
    assert_eq!(r.poll_timeout(), Some(now + ms(70)));
    feed(&mut r, 65_534, OTHER, now + ms(60));
    feed(&mut r, 0, OTHER, now + ms(60));
    assert_eq!(asked(&mut r, now + ms(70)), [Some(vec![65_535, 2])]);
    feed(&mut r, 65_535, OTHER, now + ms(100));
    feed(&mut r, 2, OTHER, now + ms(110));
    assert_eq!(asked(&mut r, now + ms(170)), []);
    assert_eq!((r.source().counters().missing, r.source().counters().frames), (0, 7));
    assert!(!r.is_key_frame_wanted());
    assert_eq!(r.packet_requests(), 2);
}

#[test]
fn what_is_given_up_is_not_asked_for_and_a_key_frame_is() {
    let now = some_instant();
    let mut r = asking(now);
    feed(&mut r, 1, KEY, now);
    feed(&mut r, 3, OTHER, now);
    let mut asked_for = Vec::new();
    for i in 0..1000 {
        asked_for.extend(asked(&mut r, now + ms(i)));
    }
    // At 10, 60, 110 and 160 ms; at 200 ms it is given up.
    assert_eq!(asked_for[..4], [const { Some(2u16) }; 4].map(|n| Some(Vec::from_iter(n))));
    assert_eq!(asked_for[4..], [None]);
}

#[test]
fn not_more_than_a_request_has_room_for() {
    let now = some_instant();
    let mut r = asking(now);
    feed(&mut r, 1, KEY, now);
    feed(&mut r, 2900, OTHER, now);
    let asked_for = asked(&mut r, now + ms(10));
    assert_eq!(asked_for, [Some((2..2 + 16 * 17).collect::<Vec<u16>>())]);
}

#[test]
fn nothing_is_asked_for_unless_it_is_allowed() {
    let now = some_instant();
    let mut config = config(None);
    config.source.max_delay = ms(200);
    let mut r = StreamReceiver::new(config, Box::new(Whole), now, [9; 12]).unwrap();
    feed(&mut r, 1, KEY, now);
    feed(&mut r, 3, OTHER, now);
    assert!((0..200).all(|i| asked(&mut r, now + ms(i)).is_empty()));
}
