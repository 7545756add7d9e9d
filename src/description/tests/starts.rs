//! `RTP-Info`: whose entries are whose.

use super::*;

fn two_tracks() -> MediaSession {
    session(media(
        "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:trackID=0\r\n\
         m=audio 0 RTP/AVP 0\r\na=control:trackID=1",
    ))
}

/// The starts of two tracks as `number:seq/rtptime`.
fn starts(rtp_info: &str) -> (String, bool) {
    let mut odd = Oddities::new();
    let starts = two_tracks().play_starts(rtp_info, |_| true, &mut odd);
    let number = |n: Option<u32>| n.map_or_else(|| "-".to_owned(), |n| n.to_string());
    let words: Vec<_> = starts
        .iter()
        .map(|s| format!("{}:{}/{}", s.number, number(s.seq.map(u32::from)), number(s.rtptime)))
        .collect();
    (words.join(" "), odd.is_empty())
}

fn are(words: &str, is_plain: bool) -> (String, bool) {
    (words.to_owned(), is_plain)
}

#[test]
fn absolute_urls() {
    let info = "url=rtsp://192.0.2.1/live/trackID=0;seq=5;rtptime=7,\
        url=rtsp://192.0.2.1/live/trackID=1;seq=6;rtptime=8";
    assert_eq!(starts(info), are("1:5/7 2:6/8", true));
    let swapped = "url=rtsp://192.0.2.1:554/live/trackID=1/;seq=6;rtptime=8, \
        url=RTSP://192.0.2.1/live/trackID=0;seq=5;rtptime=7";
    assert_eq!(starts(swapped), are("1:5/7 2:6/8", true));
}

#[test]
fn relative_and_mixed_urls() {
    assert_eq!(
        starts("url=trackID=1;seq=6;rtptime=8,url=trackID=0;seq=5;rtptime=7"),
        are("1:5/7 2:6/8", true)
    );
    assert_eq!(
        starts("url=rtsp://192.0.2.1/live/trackID=1;seq=6,url=trackID=0;seq=5"),
        are("1:5/- 2:6/-", true)
    );
    assert_eq!(starts("url=/live/trackID=1;seq=6"), are("2:6/-", false));
}

#[test]
fn foreign_urls() {
    // Of another host, and of another path.
    let info = "url=rtsp://10.0.0.9:5544/live/trackID=1;seq=6,url=rtsp://x/y/trackID=0;seq=5";
    assert_eq!(starts(info), are("1:5/- 2:6/-", false));
    let info = "url=rtsp://192.0.2.1/stream/video;seq=5,url=rtsp://192.0.2.1/stream/audio;seq=6";
    assert_eq!(starts(info), are("1:5/- 2:6/-", false), "in their order");
    assert_eq!(starts("url=rtsp://192.0.2.1/stream;seq=5"), are("", false), "nobody's");
    assert_eq!(starts("seq=5;rtptime=1,seq=6;rtptime=2"), are("1:5/1 2:6/2", false));
}

#[test]
fn entries_that_end_in_a_semicolon() {
    let info = "url=rtsp://192.0.2.1/live/trackID=0;seq=5;rtptime=7;,url=trackID=1;seq=6;";
    assert_eq!(starts(info), are("1:5/7 2:6/-", true));
}

#[test]
fn rtptime_of_minus_one_and_of_more_than_32_bits() {
    let info = "url=trackID=0;seq=5;rtptime=-1,url=trackID=1;seq=70000;rtptime=4294967296";
    assert_eq!(starts(info), are("1:5/- 2:-/-", true));
}

#[test]
fn rtp_info_is_missing() {
    assert_eq!(starts(""), are("", false));
    assert_eq!(starts(";;,,"), are("", false));
}

#[test]
fn only_tracks_that_are_set_up_have_a_start() {
    let mut odd = Oddities::new();
    let info = "url=rtsp://x/video;seq=5;rtptime=7";
    let starts = two_tracks().play_starts(info, |s| s.number == 2, &mut odd);
    assert_eq!((starts.len(), starts[0].number), (1, 2), "one entry, one track");
}

#[test]
fn a_start_counts_if_the_first_packet_can_be_it() {
    let start = |seq, rtptime| PlayStart { number: 1, seq, rtptime, ssrc: None };
    assert!(start(Some(65_530), Some(u32::MAX)).is_plausible(4, 900, 90_000));
    assert!(start(Some(5), Some(900_100)).is_plausible(5, 100, 90_000));
    assert!(!start(Some(0), Some(0)).is_plausible(40_000, 5, 90_000), "servers that write zeros");
    assert!(!start(Some(5), Some(0)).is_plausible(5, 900_001, 90_000));
    assert!(start(None, None).is_plausible(5, 5, 90_000));
}
