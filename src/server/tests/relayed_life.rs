//! Relayed streams and their sources: described late, away, back, with other codecs, gone for good.

use super::client::digest;
use super::relayed::{Camera, PICTURE, h264, number_steps, pcmu};
use super::world::{C, World, secs};
use crate::env::{Event, EventKey, Medium, UsageEnvironment};
use crate::payload::PayloadFormat;
use crate::rtp::ReceivedPacket;
use crate::server::{
    RelayedEvent, RelayedSource, RelayedStreamId, RelayedStreamOptions, RelayedTrack, ServerHooks,
    SourceChange,
};
use crate::wire::rtcp::{write_pli, write_rr, write_sdes_cname};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

fn options() -> RelayedStreamOptions {
    RelayedStreamOptions::new("cam")
}

fn add(w: &mut World, options: RelayedStreamOptions) -> RelayedStreamId {
    w.serve(|server, env| server.add_relayed_stream(env, options)).unwrap()
}

fn describe(w: &mut World, id: RelayedStreamId, tracks: Vec<RelayedTrack>) -> SourceChange {
    w.serve(|server, env| server.relayed_source_described(env, id, tracks)).unwrap()
}

fn ask_to_describe(w: &mut World) -> C {
    let c = w.client();
    w.ask(c, "DESCRIBE", "/cam", &[("Accept", "application/sdp")]);
    c
}

#[test]
fn a_description_waits_for_the_source_and_nothing_else_does() {
    let mut w = World::new();
    let id = add(&mut w, "cam".into());
    let patient = ask_to_describe(&mut w);
    w.run_secs(3.0);
    assert!(w[patient].answers.is_empty());
    // Who asks for a track at once is refused at once, and others are served.
    let other = w.client();
    assert_eq!(w.setup(other, "/cam", 1, "RTP/AVP/TCP;unicast").status(), 503);
    assert_eq!(w.options(other).status(), 200);
    assert_eq!(describe(&mut w, id, vec![h264(), pcmu()]), SourceChange::First);
    let sdp = w.answer(patient).expect(200).body();
    for line in ["a=rtpmap:96 H264/90000", "m=audio 0 RTP/AVP 0", "a=control:track2"] {
        assert!(sdp.contains(&format!("{line}\r\n")), "{line}: {sdp}");
    }
    assert!(sdp.contains("a=fmtp:96 packetization-mode=1;profile-level-id=42C01E\r\n"), "{sdp}");
    w.describe(other, "/cam").expect(200);
    // A source that does not come is not waited for without end.
    w.serve(|server, env| server.relayed_source_lost(env, id));
    let late = ask_to_describe(&mut w);
    let answer = w.answer(late).expect(503);
    assert_eq!(answer.header("Retry-After"), "1");
    w.expect_nothing_left();
}

#[test]
fn viewers_stay_for_a_time_without_a_source_and_are_then_told() {
    for (tcp, kept) in [(true, 40.0), (false, 40.0), (true, 0.0)] {
        let mut w = World::new();
        let mut camera = Camera::new(&mut w, options().with_kept_for(secs(kept)), true);
        camera.delays = Some([0.1, 0.1]);
        let c = w.playing("/cam", 2, tcp);
        camera.run(&mut w, 50);
        camera.vanish(&mut w);
        assert_eq!(
            w.server().relayed_stream(camera.id).unwrap().source(),
            match kept {
                0.0 => RelayedSource::Absent,
                _ => RelayedSource::Lost,
            }
        );
        w.run_secs(0.5);
        w[c].forget_media();
        // What its packets say does not count any more.
        camera.run(&mut w, 5);
        if kept > 0.0 {
            w.run_secs(kept - 5.0);
            for track in [1, 2] {
                let track = w[c].track(track);
                assert!(track.rtp.is_empty());
                // As those of a receiver, since nothing is sent (RFC 3550 section 6.4).
                assert!(track.rtcp.len() > 3, "reports go on");
                assert_eq!(track.byes(), 0);
            }
            assert_eq!(w.census().0, 1);
            w.run_secs(10.0);
            assert_eq!((w[c].track(1).byes(), w[c].track(2).byes()), (1, 1));
        }
        assert_eq!(w.census().0, 0, "the session is over");
        assert_eq!(w.server().relayed_stream(camera.id).unwrap().source(), RelayedSource::Absent);
        // Who comes all the same waits no longer than others.
        w[c].session = None;
        let late = w.playing("/cam", 2, tcp);
        w.run_secs(3.0);
        assert_eq!((w.census().0, w[late].track(1).byes()), (1, 0));
        w.run_secs(kept + 5.0);
        assert_eq!((w.census().0, w[late].track(1).rtp.len()), (0, 0));
        // The stream is as it was for those who come after the source is back.
        assert_eq!(camera.describe(&mut w), SourceChange::SameCodecs);
        w[c].session = None;
        let next = w.playing("/cam", 2, tcp);
        camera.run(&mut w, 20);
        assert!(!w[next].track(1).rtp.is_empty() && !w[next].track(2).rtp.is_empty());
        w.expect_nothing_left();
    }
}

#[test]
fn a_newcomer_while_the_source_is_away_waits_for_it_and_gets_nothing_old() {
    let mut w = World::new();
    let mut camera = Camera::new(&mut w, options(), false);
    let first = w.playing("/cam", 1, true);
    camera.run(&mut w, 15);
    camera.vanish(&mut w);
    let second = w.playing("/cam", 1, true);
    w.run_secs(5.0);
    assert!(w[second].track(1).rtp.is_empty());
    let before = w[first].track(1).rtp.len();
    assert_eq!(camera.describe(&mut w), SourceChange::SameCodecs);
    camera.run(&mut w, 20);
    let (first, second) = (&w[first].track(1).rtp[before..], &w[second].track(1).rtp[..]);
    let of = |got: &[super::client::Rtp]| got.iter().map(|p| p.digest).collect::<Vec<_>>();
    assert!(!second.is_empty());
    assert_eq!(of(first), of(second));
    w.expect_nothing_left();
}

#[test]
fn other_codecs_end_the_viewers_and_are_described_anew() {
    let mut w = World::new();
    let mut camera = Camera::new(&mut w, options(), false);
    let c = w.client();
    let version = |sdp: &str| -> (u64, u64) {
        let mut words = sdp.lines().find(|l| l.starts_with("o=")).unwrap().split(' ');
        (words.nth(1).unwrap().parse().unwrap(), words.next().unwrap().parse().unwrap())
    };
    let sdp = w.describe(c, "/cam").expect(200).body();
    let watching = w.playing("/cam", 1, true);
    camera.run(&mut w, 10);
    // Other parameter sets are not another codec; newcomers are told of them.
    camera.vanish(&mut w);
    let format = PayloadFormat::new("video", "H264", 90_000, 98).with_fmtp(
        "packetization-mode=1;profile-level-id=640028;sprop-parameter-sets=Z0LAH9k=,aM48gQ==",
    );
    camera.tracks = vec![RelayedTrack::new(format)];
    assert_eq!(camera.describe(&mut w), SourceChange::SameCodecs);
    camera.run(&mut w, 20);
    let other = w.describe(c, "/cam").expect(200).body();
    assert!(other.contains("a=fmtp:96 packetization-mode=1;profile-level-id=640028;"), "{other}");
    assert_eq!(version(&other), (version(&sdp).0, version(&sdp).1 + 1));
    let got = &w[watching].track(1).rtp;
    assert!(number_steps(got).iter().all(|step| *step == 1));
    let sets = [&[0x67, 0x42, 0xc0, 0x1f, 0xd9][..], &[0x68, 0xce, 0x3c, 0x81]].map(digest);
    let first = got.iter().position(|p| p.digest == sets[0]).expect("the SPS of its description");
    assert_eq!(got[first + 1].digest, sets[1], "and the PPS");
    assert_eq!(got[first + 2].digest, digest(&[0x67, 0x42, 0xc0, 0x1e, 0xd9]), "then its packets");
    assert_eq!(got[first].timestamp, got[first + 2].timestamp);
    assert_eq!(got.iter().filter(|p| p.digest == sets[0]).count(), 1);
    assert_eq!(w[watching].track(1).byes(), 0);
    // Another codec is.
    camera.vanish(&mut w);
    let h265 = RelayedTrack::new(PayloadFormat::new("video", "H265", 90_000, 96));
    camera.tracks = vec![h265];
    assert_eq!(camera.describe(&mut w), SourceChange::OtherCodecs);
    w.run_secs(0.2);
    assert_eq!((w[watching].track(1).byes(), w.census().0), (1, 0));
    let last = w.describe(c, "/cam").expect(200).body();
    assert!(last.contains("a=rtpmap:96 H265/90000"), "{last}");
    assert!(version(&last).0 == version(&sdp).0 && version(&last).1 > version(&other).1);
    let next = w.playing("/cam", 1, true);
    camera.send(&mut w, 0, &[vec![19 << 1, 1, 0x80]]);
    w.run_secs(0.1);
    assert_eq!(w[next].track(1).rtp.len(), 1);
    w.expect_nothing_left();
}

/// Hooks that keep what is said of relayed streams.
struct Keep(Rc<Cell<Vec<RelayedEvent>>>);

impl ServerHooks for Keep {
    fn relayed_event(&mut self, _: RelayedStreamId, event: RelayedEvent) {
        let mut told = self.0.take();
        told.push(event);
        self.0.set(told);
    }
}

#[test]
fn whoever_feeds_a_stream_is_told_what_viewers_want() {
    let mut w = World::new();
    let told = Rc::new(Cell::new(Vec::new()));
    let hooks = Keep(Rc::clone(&told));
    w.serve(|server, _| server.set_hooks(hooks));
    let woken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&woken);
    let wake = Arc::new(move || {
        count.fetch_add(1, Ordering::Relaxed);
    });
    let id = add(&mut w, options().with_wake(wake));
    let key_frame = RelayedEvent::KeyFrameWanted { track: 1 };
    let next = |w: &mut World| {
        let polled = w.serve(|server, _| {
            std::iter::from_fn(|| server.poll_relayed_event(id)).collect::<Vec<_>>()
        });
        let mut told = told.take();
        told.dedup();
        assert_eq!(polled, told, "both ways, and together what is the same");
        polled
    };
    // A client that only asks what there is makes the source be opened, and closed again.
    let c = ask_to_describe(&mut w);
    w.run_secs(0.1);
    assert_eq!(next(&mut w), [RelayedEvent::Wanted]);
    assert_eq!(woken.load(Ordering::Relaxed), 1);
    describe(&mut w, id, vec![pcmu(), h264()]);
    w.answer(c).expect(200);
    w.run_secs(15.0);
    assert_eq!(next(&mut w), [RelayedEvent::Unwanted]);
    assert!(!w.server().relayed_stream(id).unwrap().is_wanted());
    // Viewers, and what they need.
    let first = w.playing("/cam", 2, true);
    assert_eq!(next(&mut w), [RelayedEvent::Wanted, key_frame]);
    let second = w.playing("/cam", 2, false);
    assert_eq!((next(&mut w), w.server().relayed_viewers(id)), (vec![], 2));
    w.run_secs(1.0);
    assert!(next(&mut w).iter().all(|e| *e == key_frame), "nothing has come yet");
    let send = |w: &mut World, payload: &[u8], timestamp| {
        let packet = ReceivedPacket::new(payload, timestamp, w.now());
        w.serve(|server, env| {
            server.relay_packet(env, id, 1, &packet);
            server.send_relayed_packets(env);
        });
        w.run(PICTURE);
    };
    (0..25).for_each(|n| send(&mut w, &[0x41, 0x9a, 0x80], n * 3600));
    assert_eq!(next(&mut w), [key_frame]);
    send(&mut w, &[0x65, 0x88, 0x80], 30 * 3600);
    w.run_secs(1.0);
    let _ = next(&mut w);
    let ssrc = w[second].track(2).rtp[0].ssrc;
    let mut packet = Vec::new();
    write_rr(&mut packet, 7, &[]);
    write_sdes_cname(&mut packet, 7, "viewer");
    write_pli(&mut packet, 7, ssrc);
    w.send_rtcp(second, 2, &packet);
    w.run_secs(0.1);
    assert_eq!(next(&mut w), [key_frame], "a viewer has lost something");
    // Nobody is asked who is not there.
    w.serve(|server, env| server.relayed_source_lost(env, id));
    w.run_secs(1.0);
    w.send_rtcp(second, 2, &packet);
    w.run_secs(0.1);
    assert_eq!(next(&mut w), []);
    w.teardown(first, "/cam");
    assert_eq!(next(&mut w), []);
    w.teardown(second, "/cam");
    assert_eq!(next(&mut w), [RelayedEvent::Unwanted]);
    w.expect_nothing_left();
}

#[test]
fn a_stream_that_is_removed_ends_and_its_name_is_free() {
    let mut w = World::new();
    let mut camera = Camera::new(&mut w, options(), false);
    let taken = w.serve(|server, env| server.add_relayed_stream(env, "/cam/"));
    assert!(taken.is_err());
    assert!(w.serve(|server, env| server.add_relayed_stream(env, "..")).is_err());
    assert_eq!(w.server().relayed_stream_by_name("cam"), Some(camera.id));
    let (tcp, udp) = (w.playing("/cam", 1, true), w.playing("/cam", 1, false));
    camera.run(&mut w, 10);
    let id = camera.id;
    assert!(w.serve(|server, env| server.remove_relayed_stream(env, id)));
    assert!(!w.serve(|server, env| server.remove_relayed_stream(env, id)));
    w.run_secs(0.2);
    assert_eq!((w[tcp].track(1).byes(), w[udp].track(1).byes()), (1, 1));
    let c = w.client();
    w.describe(c, "/cam").expect(404);
    // What comes late is nothing to anybody.
    camera.run(&mut w, 3);
    camera.vanish(&mut w);
    let tracks = vec![h264()];
    assert!(w.serve(|server, env| server.relayed_source_described(env, id, tracks)).is_err());
    assert_eq!(w.server().streams.all_inputs().len(), 0);
    Camera::new(&mut w, options(), true);
    w.describe(c, "/cam").expect(200);
    w.expect_nothing_left();
}

#[test]
fn what_a_source_cannot_be_described_by_is_refused_and_changes_nothing() {
    let mut w = World::new();
    let camera = Camera::new(&mut w, options(), true);
    let c = w.playing("/cam", 2, true);
    let id = camera.id;
    let bad = RelayedTrack::new(PayloadFormat::new("video", "a b", 90_000, 96));
    for tracks in [vec![], vec![h264(), bad]] {
        assert!(w.serve(|server, env| server.relayed_source_described(env, id, tracks)).is_err());
    }
    w.run_secs(0.1);
    assert_eq!((w[c].track(1).byes(), w.census().0), (0, 1));
    // Tracks that are not there have no packets.
    let packet = ReceivedPacket::new(&[1], 0, w.now());
    w.serve(|server, env| server.relay_packet(env, id, 7, &packet));
    w.expect_nothing_left();
}

/// A medium that feeds a stream when it is woken, as a player or a publisher does.
struct Feeder {
    server: crate::env::MediumId<crate::server::RtspServer>,
    id: RelayedStreamId,
    woken: usize,
}

impl Medium for Feeder {
    fn kind(&self) -> &'static str {
        "Feeder"
    }

    fn handle_event(&mut self, env: &mut UsageEnvironment, _: Event) {
        let (server, id) = (self.server, self.id);
        let events = env
            .with(server, |server, _| std::iter::from_fn(|| server.poll_relayed_event(id)).count());
        self.woken += events.unwrap_or(0);
    }
}

#[test]
fn a_medium_is_woken_by_a_trigger() {
    let mut w = World::new();
    let server = w.server;
    let id = add(&mut w, "other".into());
    let feeder = w.env.add(Feeder { server, id, woken: 0 });
    let key = EventKey { kind: 1, id: crate::arena::RawId::default() };
    let trigger = w.env.create_medium_trigger(feeder.into(), key);
    let id = add(&mut w, options().with_wake(Arc::new(move || trigger.trigger())));
    w.env.with(feeder, |feeder, _| feeder.id = id).unwrap();
    let _c = ask_to_describe(&mut w);
    w.run(Duration::from_millis(100));
    assert_eq!(w.env.medium(feeder).unwrap().woken, 1);
    w.run_secs(20.0);
    assert_eq!(w.env.medium(feeder).unwrap().woken, 2);
    w.env.close(feeder);
    w.expect_nothing_left();
}
