//! A description is built once and answered many times: it is never an old one.

use super::world::{C, World};
use crate::codec::{CodecParameters, PcmEncoding};
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
    let unknown = [c, v6].map(|c| described(&mut w, c, "/live"));
    assert!(unknown.iter().all(|sdp| !sdp.contains("sprop-parameter-sets=Z0")));
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
    let mut w = World::new();
    w.serve(|server, _| server.set_session_provider(provider));
    let c = w.client();
    let first = described(&mut w, c, "/film.264");
    assert_eq!(described(&mut w, c, "/film.264"), first);
    replace("bframes.h264");
    w.run_secs(1.1);
    let second = described(&mut w, c, "/film.264");
    assert_ne!(fmtp(&first), fmtp(&second));
    assert_eq!(described(&mut w, c, "/film.264"), second);
}

/// Tells another bandwidth when it feels like it, and has no number for that.
struct Moody(Arc<AtomicU32>);

impl StreamFactory for Moody {
    fn parameters(&self) -> Option<CodecParameters> {
        let encoding = PcmEncoding::Pcmu;
        Some(CodecParameters::Pcm { encoding, sampling_rate: 8000, channels: 1 })
    }

    fn bandwidth_kbps(&self) -> Option<u32> {
        Some(self.0.load(Ordering::Relaxed))
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
    let track = OnDemandServerMediaSubsession::new(Moody(Arc::clone(&kbps)));
    w.add(ServerMediaSession::new("moody", "", "").with_subsession(track));
    let c = w.client();
    for n in [1, 2, 2, 64] {
        kbps.store(n, Ordering::Relaxed);
        assert!(described(&mut w, c, "/moody").contains(&format!("b=AS:{n}\r\n")));
    }
}
