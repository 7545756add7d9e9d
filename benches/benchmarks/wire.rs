//! RTSP requests in, SDP out.

use criterion::{Criterion, Throughput};
use riverrun::wire::rtsp::{Limits, parse};
use riverrun::wire::sdp::{Attribute, MediaDescription, Origin, SessionDescription};
use std::hint::black_box;
use std::net::Ipv4Addr;

const SETUP: &[u8] = b"SETUP rtsp://192.0.2.7:8554/cameras/yard/track1 RTSP/1.0\r\n\
    CSeq: 4\r\n\
    User-Agent: LibVLC/3.0.23 (LIVE555 Streaming Media v2016.11.28)\r\n\
    Transport: RTP/AVP;unicast;client_port=57142-57143\r\n\
    \r\n";

fn description() -> SessionDescription {
    let mut sdp = SessionDescription::new(Origin::new(1, 1, Ipv4Addr::LOCALHOST.into()), "yard");
    sdp.attributes.push(Attribute::new("control", "*"));
    sdp.attributes.push(Attribute::new("range", "npt=0-"));
    let fmtp = "96 packetization-mode=1;profile-level-id=64001F;\
        sprop-parameter-sets=Z2QAH6zZQFAFuwFqAgICgAAAAwCAAAAZB4wYyw==,aOvjyyLA";
    let tracks = [("video", 96, "96 H264/90000", fmtp), ("audio", 97, "97 L16/44100/2", "97 -")];
    for (i, (media, payload_type, rtpmap, fmtp)) in tracks.into_iter().enumerate() {
        let mut track = MediaDescription::new(media, 0, "RTP/AVP", payload_type);
        track.attributes.push(Attribute::new("rtpmap", rtpmap));
        track.attributes.push(Attribute::new("fmtp", fmtp));
        track.attributes.push(Attribute::new("control", format!("track{}", i + 1)));
        sdp.media.push(track);
    }
    sdp
}

pub(crate) fn run(c: &mut Criterion) {
    let mut group = c.benchmark_group("wire");
    let limits = Limits::default();
    group.throughput(Throughput::Bytes(SETUP.len() as u64));
    group.bench_function("RTSP request, parse", |b| {
        b.iter(|| parse(black_box(SETUP), &limits).expect("a request"));
    });
    group.throughput(Throughput::Elements(1));
    group.bench_function("SDP of two tracks, build", |b| b.iter(description));
    let sdp = description();
    group.bench_function("SDP of two tracks, write", |b| b.iter(|| black_box(&sdp).to_string()));
    group.finish();
}
