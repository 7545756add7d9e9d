//! A description is built once and answered many times: it is never an old one.

use super::media::PCMU;
use super::world::{C, World};
use crate::codec::CodecParameters;
use crate::error::Error;
use crate::media::live::live_stream;
use crate::media::queue::QueueLimits;
use crate::media::{FramedSource, SourceContext};
use crate::server::{
    FileSessionOptions, FolderProvider, LiveTrack, OnDemandServerMediaSubsession,
    ServerMediaSession, StreamFactory, StreamRequest,
};
use crate::wire::sdp::SessionDescription;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

#[track_caller]
fn described(w: &mut World, c: C, path: &str) -> String {
    w.describe(c, path).expect(200).body()
}

/// What the first track says of its parameters.
fn fmtp(sdp: &str) -> String {
    let sdp = SessionDescription::parse(sdp.as_bytes()).unwrap();
    sdp.media[0].attribute("fmtp").unwrap().to_owned()
}

#[test]
fn parameters_of_a_live_track_come_and_change() {
    let mut w = World::new();
    let (input, wake) = w.serve(|server, env| server.create_live_input(env));
    let h264 = CodecParameters::H264 { sps: Vec::new(), pps: Vec::new() };
    let (sender, stream) = live_stream(h264, QueueLimits::default(), wake);
    let track = OnDemandServerMediaSubsession::new(LiveTrack::new(stream, input));
    w.add(ServerMediaSession::new("live", "", "").with_subsession(track));
    let (c, v6) = (w.client(), w.client_at("[fd00::2]:0"));
    for (time, profile, base64) in [(0, 0x42, "Z0L"), (1, 0x4d, "Z03"), (2, 0x64, "Z2T")] {
        let mut unit = vec![0, 0, 0, 1, 0x67, profile, 0xc0, 0x1e, 0xd9];
        unit.extend([0, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80, 0, 0, 0, 1, 0x65, 0x88]);
        let _ = sender.send_access_unit(unit, Duration::from_secs(time));
        w.run_secs(0.1);
        for c in [c, v6, c] {
            let sdp = described(&mut w, c, "/live");
            assert!(sdp.contains(&format!("sprop-parameter-sets={base64}")), "{sdp}");
        }
    }
    let texts = [c, v6].map(|c| described(&mut w, c, "/live"));
    assert!(texts[0].contains("IN IP4 10.0.0.1") && texts[1].contains("IN IP6 fd00::1"));
}

#[test]
fn a_file_is_replaced() {
    let media = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/media");
    let folder = tempfile::tempdir().unwrap();
    let replace = |with: &str| {
        // As whoever cares for readers replaces a file.
        fs::copy(media.join(with), folder.path().join("new")).unwrap();
        fs::rename(folder.path().join("new"), folder.path().join("film.264")).unwrap();
    };
    replace("slices.264");
    let provider = FolderProvider::new(folder.path(), FileSessionOptions::default()).unwrap();
    let mut w = World::providing(provider);
    let c = w.client();
    let first = described(&mut w, c, "/film.264");
    assert_eq!(described(&mut w, c, "/film.264"), first);
    replace("bframes.h264");
    w.run_secs(1.1);
    let second = described(&mut w, c, "/film.264");
    assert_ne!(fmtp(&first), fmtp(&second));
    assert_eq!(described(&mut w, c, "/film.264"), second);
}

/// A track of mu-law that is only described, and has no number for what it tells.
struct Described {
    kbps: Option<Arc<AtomicU32>>,
    lines: Option<&'static str>,
}

impl Described {
    /// It tells another bandwidth when it feels like it.
    fn moody(kbps: &Arc<AtomicU32>) -> Self {
        Self { kbps: Some(Arc::clone(kbps)), lines: None }
    }

    fn with_lines(lines: &'static str) -> Self {
        Self { kbps: None, lines: Some(lines) }
    }
}

impl StreamFactory for Described {
    fn parameters(&self) -> Option<CodecParameters> {
        Some(PCMU)
    }

    fn bandwidth_kbps(&self) -> Option<u32> {
        self.kbps.as_ref().map(|kbps| kbps.load(Ordering::Relaxed))
    }

    fn aux_sdp_line(&self) -> Option<String> {
        self.lines.map(str::to_owned)
    }

    fn create_new_stream_source(
        &mut self,
        _: &StreamRequest,
        _: &mut SourceContext<'_>,
    ) -> Result<Box<dyn FramedSource>, Error> {
        Err(Error::Usage("it is only described"))
    }
}

#[test]
fn a_track_without_revision_is_asked_each_time() {
    let mut w = World::new();
    let kbps = Arc::new(AtomicU32::new(1));
    let track = OnDemandServerMediaSubsession::new(Described::moody(&kbps));
    w.add(ServerMediaSession::new("moody", "", "").with_subsession(track));
    let c = w.client();
    for n in [1, 2, 2, 64] {
        kbps.store(n, Ordering::Relaxed);
        assert!(described(&mut w, c, "/moody").contains(&format!("b=AS:{n}\r\n")));
    }
}

/// Version and the rest of a description.
fn version(sdp: &str) -> (u64, String) {
    let sdp = SessionDescription::parse(sdp.as_bytes()).unwrap();
    let (id, version) = (sdp.origin.session_id, sdp.origin.session_version);
    (version, format!("{id} {:?}", sdp.media))
}

#[test]
fn the_version_grows_with_each_change_and_only_then() {
    let mut w = World::new();
    let kbps = Arc::new(AtomicU32::new(1));
    let track = || OnDemandServerMediaSubsession::new(Described::moody(&kbps));
    let session =
        || ServerMediaSession::new("moody", "", "").with_origin_id(7).with_subsession(track());
    w.add(session());
    let (c, v6) = (w.client(), w.client_at("[fd00::2]:0"));
    let mut last = version(&described(&mut w, c, "/moody"));
    // Seconds since 1900: higher than that of the program that ran before.
    assert!(last.0 > 2_208_988_800 + 1_500_000_000, "{}", last.0);
    for n in [1, 2, 2, 1, 1, 3] {
        let changed = u64::from(kbps.swap(n, Ordering::Relaxed) != n);
        let seen = [c, v6, c, v6].map(|c| version(&described(&mut w, c, "/moody")).0);
        assert_eq!(seen, [last.0 + changed; 4], "{n}");
        last.0 += changed;
    }
    // Another session in the place of this one, described under the same identifier.
    w.add(session());
    let next = version(&described(&mut w, c, "/moody"));
    assert!(next.0 > last.0, "{} > {}", next.0, last.0);
}

#[test]
fn lines_of_an_application_stand_where_they_may() {
    let ulaw = || {
        OnDemandServerMediaSubsession::new(Described::with_lines(
            "b=TIAS:64000\r\na=x-mic:1\ni=left\n",
        ))
    };
    let add = |w: &mut World, session: ServerMediaSession| {
        w.serve(|server, env| server.add_server_media_session(env, session))
    };
    let mut w = World::new();
    let session = ServerMediaSession::new("s", "", "")
        .with_misc_sdp_lines("a=x-place:hall\r\ne=me@example.org\r\n")
        .unwrap()
        .with_misc_sdp_lines("u=http://example.org/\nb=AS:70\n")
        .unwrap();
    add(&mut w, session.with_subsession(ulaw())).unwrap();
    let c = w.client();
    let sdp = described(&mut w, c, "/s");
    let kinds: String = sdp.lines().map(|line| line.chars().next().unwrap()).collect();
    assert_eq!(kinds, "vosiuebtaaaaamicbaaaa", "{sdp}");
    for bad in ["m=audio 0 RTP/AVP 0", "a=x\r\n\r\n", "a=control:x", "o=- 1 1 IN IP4 0.0.0.0", "k"]
    {
        let refused = ServerMediaSession::new("s", "", "").with_misc_sdp_lines(bad);
        assert!(matches!(refused, Err(Error::Usage(_))), "{bad}");
        let refused = ServerMediaSession::new("t", "", "")
            .with_subsession(OnDemandServerMediaSubsession::new(Described::with_lines(bad)));
        assert!(matches!(add(&mut w, refused), Err(Error::Usage(_))), "{bad}");
    }
    for (info, description) in [("a\r\nm=x", ""), ("", "a\nb"), ("a\0", "")] {
        let refused = ServerMediaSession::new("t", info, description).with_subsession(ulaw());
        assert!(matches!(add(&mut w, refused), Err(Error::Usage(_))), "{info:?} {description:?}");
    }
}

#[test]
fn parameters_that_cannot_be_are_refused() {
    let mut w = World::new();
    let aac = |sampling_rate| CodecParameters::Aac {
        config: bytes::Bytes::from_static(&[0x12, 0x88]),
        sampling_rate,
        channels: 1,
    };
    let sps = |bytes: &'static [u8]| CodecParameters::H264 {
        sps: vec![bytes::Bytes::from_static(bytes)],
        pps: vec![bytes::Bytes::from_static(&[0x68, 0xce])],
    };
    const SPS: &[u8] = &[0x67, 0x42, 0xc0, 0x1e];
    for (parameters, payload_type, why) in [
        (aac(32_000), 96, None),
        (sps(SPS), 127, None),
        (aac(7), 96, Some("sampling rate")),
        (sps(&[0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x1e]), 96, Some("start code")),
        (aac(32_000), 200, Some("96 to 127")),
        (aac(32_000), 72, Some("96 to 127")),
        (sps(SPS), 0, Some("96 to 127")),
    ] {
        let (input, wake) = w.serve(|server, env| server.create_live_input(env));
        let (_, stream) = live_stream(parameters, QueueLimits::default(), wake);
        let track = LiveTrack::new(stream, input).with_payload_type(payload_type);
        let session = ServerMediaSession::new("live", "", "")
            .with_subsession(OnDemandServerMediaSubsession::new(track));
        let added = w.serve(|server, env| server.add_server_media_session(env, session));
        match (added, why) {
            (Ok(_), None) => {}
            (Err(Error::Usage(said)), Some(why)) => assert!(said.contains(why), "{said}"),
            (other, _) => panic!("{payload_type}: {other:?}"),
        }
    }
}
