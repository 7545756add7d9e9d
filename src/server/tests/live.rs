//! Live input: frames that an encoder sends come out at once, and its end is everybody's.

use super::media::encoded_picture;
use super::world::{C, World, secs};
use crate::codec::{CodecParameters, OtherCodec, av1, vp8, vp9};
use crate::frame::Frame;
use crate::media::live::{InputError, LiveSender, Sent, live_stream};
use crate::media::queue::QueueLimits;
use crate::net::{Groupsock, MulticastInterface};
use crate::payload::opaque::OpaquePacketizer;
use crate::payload::{FormatEntry, FormatRegistry, KeyFrameTest, Packetizer, PictureFacts};
use crate::server::{
    InputId, LiveTrack, MulticastTrack, OnDemandServerMediaSubsession, ServerMediaSession,
};
use bytes::Bytes;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

pub(super) struct Encoder {
    pub(super) sender: LiveSender,
    input: InputId,
    frames: u32,
    /// Least bytes of a frame.
    pub(super) size: usize,
}

impl Encoder {
    pub(super) fn new(w: &mut World, shared: bool) -> Self {
        let (input, wake) = w.serve(|server, env| server.create_live_input(env));
        let h264 = CodecParameters::H264 { sps: Vec::new(), pps: Vec::new() };
        let (sender, stream) = live_stream(h264, QueueLimits::default(), wake);
        let track = OnDemandServerMediaSubsession::new(LiveTrack::new(stream, input));
        let session = ServerMediaSession::new("live", "", "")
            .with_subsession(track.with_reuse_first_source(shared));
        w.add(session);
        Self { sender, input, frames: 0, size: 0 }
    }

    /// One whose frames go to a multicast group, whoever listens.
    pub(super) fn to_group(w: &mut World, (rtp, rtcp): (SocketAddr, SocketAddr)) -> Self {
        let (input, wake) = w.serve(|server, env| server.create_live_input(env));
        let h264 = CodecParameters::H264 {
            sps: vec![Bytes::from_static(&[0x67, 0x42, 0xc0, 0x1e, 0xd9])],
            pps: vec![Bytes::from_static(&[0x68, 0xce, 0x3c, 0x80])],
        };
        let (sender, stream) = live_stream(h264, QueueLimits::default(), wake);
        w.serve(|server, env| {
            let any = MulticastInterface::Any;
            let mut open = |to| Groupsock::open(env, to, 7, any, None).unwrap();
            let (rtp, rtcp) = (open(rtp), open(rtcp));
            let factory = Box::new(LiveTrack::new(stream, input));
            server.add_multicast_streams(env, vec![MulticastTrack { factory, rtp, rtcp }]).unwrap();
        });
        Self { sender, input, frames: 0, size: 0 }
    }

    /// A frame each 40 ms for so long; each tenth is a key frame with its parameter sets.
    pub(super) fn run(&mut self, w: &mut World, seconds: f64) {
        for _ in 0..(seconds * 25.0) as u32 {
            let n = self.frames;
            self.frames += 1;
            let mut unit = encoded_picture(n, 10);
            unit.resize(unit.len().max(self.size), 0x55);
            let _ = self.sender.send_access_unit(unit, Duration::from_millis(40) * n);
            w.run(Duration::from_millis(40));
        }
    }
}

fn frames(w: &World, c: C) -> Vec<u32> {
    w[c].track(1).frames()
}

#[test]
fn frames_come_out_when_they_go_in() {
    for (shared, tcp) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut w = World::new();
        let mut encoder = Encoder::new(&mut w, shared);
        encoder.run(&mut w, 1.0);
        let c = w.client();
        let sdp = w.describe(c, "/live").expect(200).body();
        assert!(sdp.contains("sprop-parameter-sets="), "picked up from the stream: {sdp}");
        w.setup_over(c, "/live", 1, tcp);
        encoder.run(&mut w, 1.0);
        assert!(w[c].track(1).rtp.is_empty());
        let answer = w.play(c, "/live");
        encoder.run(&mut w, 2.0);
        let (other, first) = (w.playing("/live", 1, !tcp), w[c].track(1).rtp[0]);
        if let Some(seq) = answer.rtp_info().entries[0].seq {
            assert_eq!(seq, first.sequence);
        }
        encoder.run(&mut w, 2.0);
        let (all, late) = (frames(&w, c), frames(&w, other));
        assert!(all.last() == Some(&(encoder.frames - 1)), "no frame waits");
        assert_eq!(all.last(), late.last());
        w.pause(c, "/live");
        encoder.run(&mut w, 2.0);
        w.play(c, "/live");
        encoder.run(&mut w, 1.0);
        assert_eq!(frames(&w, c).last(), frames(&w, other).last());
        // The encoder goes, and everybody hears it.
        drop(encoder.sender);
        w.run_secs(1.0);
        assert_eq!((w[c].track(1).byes(), w[other].track(1).byes()), (1, 1));
        w.teardown(c, "/live");
        w.serve(|server, env| server.delete_live_input(env, encoder.input));
        w.expect_nothing_left();
    }
}

#[test]
fn an_encoder_without_viewers_costs_nothing() {
    let mut w = World::new();
    let mut encoder = Encoder::new(&mut w, true);
    let c = w.playing("/live", 1, false);
    encoder.run(&mut w, 1.0);
    w.teardown(c, "/live");
    encoder.run(&mut w, 1.0);
    assert_eq!(
        encoder.sender.send_access_unit(vec![0, 0, 0, 1, 0x41], secs(9.0)),
        Sent::NoReceiver
    );
    assert_eq!(w.server().stream_count(), 0);
    let again = w.playing("/live", 1, true);
    encoder.run(&mut w, 1.0);
    assert!(frames(&w, again).len() >= 15);
    drop(encoder);
    w.expect_nothing_left();
}

#[test]
fn a_describe_waits_for_the_first_parameter_sets_and_not_for_ever() {
    let mut w = World::new();
    let mut encoder = Encoder::new(&mut w, true);
    let (c, late) = (w.client(), w.client());
    // None come.
    let asked = w.now();
    let turns = w.env.statistics().turns;
    let refused = w.describe(late, "/live").expect(503);
    assert_eq!(refused.header("Retry-After"), "1");
    assert!((w.now() - asked).abs_diff(secs(4.0)) < secs(0.1));
    // Looking at the clients' sockets takes 800.
    assert!(w.env.statistics().turns - turns < 1000, "nothing spins");
    w.ask(c, "DESCRIBE", "/live", &[("Accept", "application/sdp")]);
    w.run_secs(2.0);
    assert!(w[c].answers.is_empty());
    encoder.run(&mut w, 0.04);
    let sdp = w[c].answers.pop_front().expect("an answer").expect(200).body();
    assert!(sdp.contains("sprop-parameter-sets=Z0"), "{sdp}");
    drop(encoder);
    w.expect_nothing_left();
}

/// A video codec of an application: a frame that begins with 0x81 is a key frame.
struct Sketch;

impl FormatEntry for Sketch {
    fn media(&self) -> &str {
        "video"
    }

    fn encoding_names(&self) -> &[&str] {
        &["X-SKETCH"]
    }

    fn packetizer(&self, _: &CodecParameters) -> Box<dyn Packetizer> {
        Box::new(OpaquePacketizer::new())
    }

    fn key_frame_test(&self) -> Option<KeyFrameTest> {
        Some(|data| PictureFacts::picture(data.first() == Some(&0x81)))
    }
}

#[test]
fn a_track_of_an_applications_own_codec_needs_an_entry_and_no_more() {
    let mut w = World::new();
    let (input, wake) = w.serve(|server, env| server.create_live_input(env));
    let sketch = OtherCodec::new("video", "X-SKETCH", 1000).with_fmtp("lines=3");
    let (sender, stream) = live_stream(sketch.into(), QueueLimits::default(), wake.clone());
    let track = LiveTrack::new(stream, input).with_formats(FormatRegistry::new().with(Sketch));
    let track = OnDemandServerMediaSubsession::new(track).with_reuse_first_source(true);
    w.add(ServerMediaSession::new("live", "", "").with_subsession(track));
    let mut n = 0;
    let mut run = |w: &mut World, frames: u32| {
        for _ in 0..frames {
            let first = if n % 10 == 0 { 0x81 } else { 0x90 };
            // That each is called a key frame is not believed.
            let frame =
                Frame::new(vec![first; 5 + n as usize], Duration::from_millis(40) * n, secs(0.04));
            n += 1;
            let _ = sender.send(frame);
            w.run(Duration::from_millis(40));
        }
    };
    let c = w.client();
    let sdp = w.describe(c, "/live").expect(200).body();
    assert!(sdp.contains("m=video 0 RTP/AVP 96\r\n"), "{sdp}");
    assert!(sdp.contains("a=rtpmap:96 X-SKETCH/1000\r\na=fmtp:96 lines=3\r\n"), "{sdp}");
    let c = w.playing("/live", 1, true);
    run(&mut w, 15);
    let other = w.playing("/live", 1, false);
    run(&mut w, 15);
    let lengths = |w: &World, c: C| w[c].track(1).rtp.iter().map(|p| p.len).collect::<Vec<_>>();
    let (all, late) = (lengths(&w, c), lengths(&w, other));
    assert!(all.windows(2).all(|pair| pair[1] == pair[0] + 1), "{all:?}");
    assert_eq!(all.len(), 30);
    // Who joins begins with the key frame after.
    assert_eq!(late, all[20..]);
    let timestamps: Vec<_> = w[c].track(1).rtp.iter().map(|p| p.timestamp).collect();
    assert!(
        timestamps.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) == 40),
        "{timestamps:?}"
    );
    assert_eq!(sender.send_access_unit(vec![], secs(9.0)), Sent::Refused(InputError::Empty));

    // Without an entry the track is refused, by its name.
    let stranger = OtherCodec::new("audio", "X-STRANGER", 8000);
    let (_sender, stream) = live_stream(stranger.into(), QueueLimits::default(), wake);
    let track = OnDemandServerMediaSubsession::new(LiveTrack::new(stream, input));
    let session = ServerMediaSession::new("stranger", "", "").with_subsession(track);
    let refused = w.serve(|server, env| server.add_server_media_session(env, session));
    let why = refused.unwrap_err().to_string();
    assert_eq!(why, "no payload format for audio X-STRANGER/8000");
}

/// The pictures of an IVF file.
fn pictures(name: &str) -> Vec<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/media").join(name);
    let file = std::fs::read(path).unwrap();
    let mut rest = &file[32..];
    let mut pictures = Vec::new();
    while let Some((head, behind)) = rest.split_first_chunk::<12>() {
        let len = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        pictures.push(behind[..len].to_vec());
        rest = &behind[len..];
    }
    pictures
}

#[test]
fn a_newcomer_to_a_live_encoder_begins_with_a_key_frame() {
    for (name, parameters, is_key) in [
        ("vp8.ivf", CodecParameters::Vp8, vp8::is_key as fn(&[u8]) -> bool),
        ("vp9.ivf", CodecParameters::Vp9 { profile: None }, vp9::is_key),
        ("av1.ivf", CodecParameters::Av1 { sequence_header: Bytes::new() }, av1::is_key),
    ] {
        let pictures = pictures(name);
        let is_key = |n: usize| is_key(&pictures[n % pictures.len()]);
        let gop = (1..=pictures.len()).find(|&n| is_key(n)).unwrap();
        assert!(gop > 4, "{name}");
        for (shared, tcp, join) in [
            (true, true, 1),
            (true, false, gop - 1),
            (true, true, gop),
            (false, false, 1),
            (false, true, gop + 2),
        ] {
            let mut w = World::new();
            let (input, wake) = w.serve(|server, env| server.create_live_input(env));
            let (sender, stream) = live_stream(parameters.clone(), QueueLimits::default(), wake);
            let track = OnDemandServerMediaSubsession::new(LiveTrack::new(stream, input));
            let track = track.with_reuse_first_source(shared);
            w.add(ServerMediaSession::new("live", "", "").with_subsession(track));
            let mut n = 0;
            let mut run = |w: &mut World, count: usize| {
                for _ in 0..count {
                    let picture = pictures[n % pictures.len()].clone();
                    let at = Duration::from_millis(40) * n as u32;
                    assert_ne!(sender.send_access_unit(picture, at), Sent::NoReceiver, "{name}");
                    n += 1;
                    w.run(Duration::from_millis(40));
                }
                n
            };
            let first = w.playing("/live", 1, true);
            run(&mut w, join);
            let late = w.playing("/live", 1, tcp);
            let end = run(&mut w, 2 * gop);
            w.run_secs(0.5);
            // A marker ends each picture; none is missing up to the end.
            let begins = |c: C| end - w[c].track(1).rtp.iter().filter(|p| p.marker).count();
            assert_eq!(begins(first), 0, "{name}");
            let begins = begins(late);
            assert!(is_key(begins), "{name}: {begins} for {join}, shared: {shared}");
            assert!(begins + gop >= join && begins <= join + gop, "{name}: {begins} for {join}");
            drop(sender);
            w.run_secs(1.0);
            w.serve(|server, env| server.delete_live_input(env, input));
            w.expect_nothing_left();
        }
    }
}
