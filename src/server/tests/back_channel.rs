//! Clients that talk: what arrives of them, and who may when.

use super::media::{PCMU, film};
use super::publisher::packet;
use super::world::{C, UDP, World, secs};
use crate::codec::CodecParameters;
use crate::ids::BackChannelId;
use crate::payload::PayloadFormat;
use crate::rtp::{ReceivedFrame, ReceivedPacket};
use crate::server::access::{AccessContext, Action, Authenticator, Permission};
use crate::server::pool::SessionInfo;
use crate::server::{
    Admission, BackChannelOptions, BackChannelSink, Decision, LiveStreamOptions, LiveTrackOptions,
    RelayedStreamOptions, RelayedTrack, RequestInfo, UdpPorts,
};
use crate::wire::rtp::PacketKind;
use crate::wire::rtsp::StatusCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const TAG: (&str, &str) = ("Require", "www.onvif.org/ver20/backchannel");
const INTERVAL: Duration = Duration::from_millis(20);

/// What a sink was told, to be taken.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    told: Vec<String>,
    audio: Vec<Vec<u8>>,
    gaps: usize,
}

impl Heard {
    fn note(&self, line: impl Into<String>) {
        self.0.lock().unwrap().told.push(line.into());
    }

    fn told(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().told)
    }

    fn audio(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.0.lock().unwrap().audio)
    }
}

impl BackChannelSink for Heard {
    fn wanted(&mut self) {
        self.note("wanted");
    }

    fn talker_came(&mut self, talker: &SessionInfo) {
        self.note(format!("{} came", talker.stream));
    }

    fn format_chosen(&mut self, format: &PayloadFormat) {
        self.note(&*format.encoding_name);
    }

    fn frame(&mut self, frame: ReceivedFrame) {
        let mut inner = self.0.lock().unwrap();
        inner.gaps += usize::from(frame.discontinuity);
        inner.audio.push(frame.data.to_vec());
    }

    fn packet(&mut self, packet: &ReceivedPacket<'_>) {
        let mut inner = self.0.lock().unwrap();
        inner.gaps += usize::try_from(packet.lost_before).unwrap();
        inner.audio.push(packet.payload.to_vec());
    }

    fn talker_left(&mut self, talker: &SessionInfo) {
        self.note(format!("{} left", talker.stream));
    }
}

fn g711() -> BackChannelOptions {
    BackChannelOptions::for_codecs(&[PCMU]).unwrap()
}

/// Adds a back channel, and a film that has it behind its two tracks.
fn talkative(w: &mut World, options: BackChannelOptions) -> (BackChannelId, Heard) {
    let heard = Heard::default();
    let sink = heard.clone();
    let channel = w.serve(|server, _| server.add_back_channel(options, sink)).unwrap();
    w.add(film("door").with_back_channel(channel));
    (channel, heard)
}

fn sound(number: u32) -> Vec<u8> {
    let mut sound = vec![0x55; 160];
    sound[..4].copy_from_slice(&number.to_be_bytes());
    sound
}

impl World {
    fn describe_to_talk(&mut self, c: C, path: &str) -> super::client::Answer {
        self.request(c, "DESCRIBE", path, &[("Accept", "application/sdp"), TAG])
    }

    /// A new client that talks to the third control of a stream, and nothing else.
    #[track_caller]
    fn talker(&mut self, path: &str, tcp: bool) -> C {
        let c = self.client();
        self.setup_over(c, path, 3, tcp);
        self.request(c, "PLAY", path, &[TAG]).expect(200);
        c
    }

    fn utter(&mut self, c: C, number: u32) {
        self.send_packet(c, 3, PacketKind::Rtp, &packet(0, number, 160, &sound(number)));
    }

    fn talk(&mut self, c: C, numbers: std::ops::Range<u32>) {
        for number in numbers {
            self.utter(c, number);
            self.run(INTERVAL);
        }
    }
}

fn sounds(numbers: impl IntoIterator<Item = u32>) -> Vec<Vec<u8>> {
    numbers.into_iter().map(sound).collect()
}

#[test]
fn what_a_client_says_arrives_bit_by_bit() {
    for ports in [UdpPorts::Pairs { base: 6970, tries: 100 }, UdpPorts::Shared { port: 0 }] {
        for tcp in [false, true] {
            for packets in [false, true] {
                let mut w = World::configured(|config| config.udp_ports = ports);
                let options = if packets { g711().with_packets() } else { g711() };
                let (channel, heard) = talkative(&mut w, options);
                let c = w.client();
                let sdp = w.describe_to_talk(c, "/door").expect(200).body();
                let told = "m=audio 0 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\na=rtpmap:0 PCMU/8000\r\n\
                    a=sendonly\r\na=control:track3\r\n";
                assert!(sdp.ends_with(told), "{sdp}");
                assert_eq!(sdp.matches("a=recvonly\r\n").count(), 2, "{sdp}");
                let c = w.talker("/door", tcp);
                assert_eq!(heard.told(), ["door came"]);
                w.talk(c, 0..50);
                assert_eq!(heard.audio(), sounds(0..50), "tcp {tcp} packets {packets}");
                assert_eq!(heard.told(), ["PCMU"]);
                let receiver = w.server().talk_receiver(channel).unwrap();
                assert_eq!(receiver.source().counters().packets, 50);
                w.request(c, "TEARDOWN", "/door", &[TAG]).expect(200);
                assert_eq!(heard.told(), ["door left"]);
                w.expect_nothing_left();
            }
        }
    }
}

#[test]
fn what_comes_out_of_order_is_mended_and_what_is_lost_is_told() {
    for packets in [false, true] {
        let mut w = World::new();
        let options = if packets { g711().with_packets() } else { g711() };
        let (_, heard) = talkative(&mut w, options);
        let c = w.talker("/door", false);
        for number in [0, 2, 1, 1, 3, 5, 4, 6, 8] {
            w.utter(c, number);
            w.run_secs(0.01);
        }
        w.run_secs(0.2);
        assert_eq!(heard.audio(), sounds([0, 1, 2, 3, 4, 5, 6, 8]));
        assert_eq!(heard.0.lock().unwrap().gaps, 1);
        // The client begins anew, under another SSRC.
        w.run_secs(2.0);
        let mut other = packet(0, 900, 160, &sound(9));
        other[11] ^= 1;
        for _ in 0..2 {
            w.send_packet(c, 3, PacketKind::Rtp, &other);
            other[3] = other[3].wrapping_add(1);
            w.run_secs(0.2);
        }
        assert!(heard.audio().contains(&sound(9)));
        w.expect_nothing_left();
    }
}

#[test]
fn who_does_not_ask_sees_nothing_of_it() {
    let mut w = World::new();
    let c = w.client();
    w.add(film("plain"));
    // The server does not know what it is as long as it has none.
    let answer = w.describe_to_talk(c, "/plain").expect(551);
    assert_eq!(answer.header("Unsupported"), TAG.1);
    let (_, heard) = talkative(&mut w, g711());
    let plain = w.describe(c, "/door").expect(200).body();
    assert!(!plain.contains("sendonly") && !plain.contains("recvonly"), "{plain}");
    w.describe_to_talk(c, "/door").expect(200);
    assert_eq!(w.describe(c, "/door").expect(200).body(), plain, "it is told as before");
    let body = w.describe_to_talk(c, "/plain").expect(200).body();
    assert!(!body.contains("sendonly"), "{body}");
    w.setup(c, "/plain", 3, UDP).expect(404);
    let unknown = ("Require", "www.onvif.org/ver20/backchannel, other");
    let answer = w.request(c, "DESCRIBE", "/door", &[unknown]).expect(551);
    assert_eq!(answer.header("Unsupported"), "other");
    // Somebody watches while somebody talks.
    let viewer = w.playing("/door", 2, true);
    let talker = w.talker("/door", true);
    w.talk(talker, 0..100);
    assert_eq!(heard.audio().len(), 100);
    assert!(w[viewer].track(1).rtp.len() > 40);
    w.expect_nothing_left();
}

#[test]
fn one_client_talks_at_a_time() {
    for tcp in [false, true] {
        let mut w = World::new();
        let (channel, heard) = talkative(&mut w, g711());
        let first = w.talker("/door", tcp);
        let second = w.client();
        let transport = if tcp { "RTP/AVP/TCP;unicast" } else { UDP };
        w.setup(second, "/door", 3, transport).expect(453);
        assert_eq!(w.census().0, 1, "the second has no session");
        // It may watch all the same.
        w.setup_over(second, "/door", 1, tcp);
        w.setup(second, "/door", 3, transport).expect(453);
        w.play(second, "/door");
        w.talk(first, 0..20);
        assert_eq!(heard.audio(), sounds(0..20));
        // Free after TEARDOWN of the session, or of the control alone.
        w.request(first, "TEARDOWN", "/door", &[]).expect(200);
        w.setup_over(second, "/door", 3, tcp);
        w.request(second, "PLAY", "/door", &[]).expect(200);
        w.talk(second, 0..20);
        assert_eq!(heard.audio(), sounds(0..20));
        w.request(second, "TEARDOWN", "/door/track3", &[]).expect(200);
        assert_eq!(w.census().0, 1, "it watches on");
        assert_eq!(w.server().talker_of(channel), None);
        let third = w.talker("/door", tcp);
        // And when a client has gone without a word.
        let at = w.now();
        w.leave(third);
        w.run_while_talked(channel);
        let time = (w.now() - at).as_secs();
        assert!(if tcp { time < 1 } else { (30..=70).contains(&time) }, "{time} s");
        let fourth = w.talker("/door", tcp);
        w.talk(fourth, 0..1);
        assert_eq!(heard.told().iter().filter(|t| t.ends_with("left")).count(), 3);
        w.expect_nothing_left();
    }
}

impl World {
    fn run_while_talked(&mut self, channel: BackChannelId) {
        for _ in 0..1000 {
            if self.server().talker_of(channel).is_none() {
                return;
            }
            self.run_secs(0.1);
        }
        panic!("somebody talks for ever");
    }
}

#[test]
fn packets_keep_a_talker_and_silence_ends_nothing_before_its_time() {
    for tcp in [false, true] {
        let mut w = World::new();
        let (channel, heard) = talkative(&mut w, g711());
        let c = w.talker("/door", tcp);
        w.tick = secs(0.1);
        for number in 0..30 {
            w.utter(c, number);
            w.run_secs(10.0);
        }
        assert_eq!(heard.audio(), sounds(0..30), "tcp {tcp}");
        w.request(c, "GET_PARAMETER", "/door", &[]).expect(200);
        w.run_secs(50.0);
        assert!(w.server().talker_of(channel).is_some());
        w.request(c, "GET_PARAMETER", "/door", &[]).expect(200);
        w.run_secs(50.0);
        w.utter(c, 30);
        w.run_secs(0.2);
        assert_eq!(heard.audio(), sounds(30..31));
        w.expect_nothing_left();
    }
}

#[test]
fn play_and_pause_are_for_all_that_is_set_up() {
    let mut w = World::new();
    let (_, heard) = talkative(&mut w, g711());
    let c = w.client();
    for track in [1, 2, 3] {
        w.setup_tcp(c, "/door", track);
    }
    w.talk(c, 0..5);
    assert_eq!(heard.audio().len(), 0, "before PLAY");
    let answer = w.request(c, "PLAY", "/door", &[TAG]).expect(200);
    assert_eq!(answer.header("RTP-Info").matches("url=").count(), 2);
    w.talk(c, 5..55);
    assert_eq!(heard.audio(), sounds(5..55));
    assert!(w[c].track(1).rtp.len() > 20 && w[c].track(3).rtp.is_empty());
    w.pause(c, "/door");
    w.talk(c, 55..60);
    assert_eq!(heard.audio().len(), 0, "in a pause");
    w.play(c, "/door");
    w.talk(c, 60..65);
    assert_eq!(heard.audio(), sounds(60..65));
    // While it plays the transport stays.
    w.setup(c, "/door", 3, UDP).expect(455);
    w.request(c, "PAUSE", "/door/track3", &[]).expect(200);
    w.setup_udp(c, "/door", 3);
    w[c].tracks
        .retain(|track| track.number != 3 || matches!(track.way, super::client::Way::Udp { .. }));
    w.request(c, "PLAY", "/door/track3", &[]).expect(200);
    w.talk(c, 65..70);
    assert_eq!(heard.audio(), sounds(65..70));
    assert_eq!(heard.told().iter().filter(|t| t.ends_with("came")).count(), 1);
    w.request(c, "TEARDOWN", "/door/track1", &[]).expect(200);
    w.request(c, "TEARDOWN", "/door/track2", &[]).expect(200);
    w.talk(c, 70..75);
    assert_eq!(heard.audio(), sounds(70..75));
    w.request(c, "TEARDOWN", "/door/track3", &[]).expect(200);
    w.run_secs(0.1);
    assert_eq!(w.census().0, 0, "it was the last");
    w[c].session = None;
    // Alone, it has no end.
    let c = w.talker("/door", true);
    let range = w.request(c, "PLAY", "/door", &[]).expect(200).header("Range").to_owned();
    assert_eq!(range, "npt=0.000-");
    w.expect_nothing_left();
}

#[test]
fn a_talker_is_sent_reports() {
    for tcp in [false, true] {
        let mut w = World::new();
        talkative(&mut w, g711());
        let c = w.talker("/door", tcp);
        w.talk(c, 0..1500);
        let reports = &w[c].track(3).rtcp;
        assert!((3..=12).contains(&reports.len()), "{} in 30 s", reports.len());
        assert!(reports.iter().all(|r| r.cname.as_deref() == Some("riverrun@10.0.0.1")));
        w.expect_nothing_left();
    }
}

#[test]
fn each_format_is_told_by_its_payload_type() {
    let mut w = World::new();
    let opus = PayloadFormat::new("audio", "opus", 48_000, 97).with_channels(2);
    let mut formats = g711().formats().to_vec();
    formats.push(opus);
    let (_, heard) = talkative(&mut w, BackChannelOptions::new(formats));
    let c = w.client();
    let sdp = w.describe_to_talk(c, "/door").expect(200).body();
    assert!(sdp.contains("m=audio 0 RTP/AVP 0 97\r\n"), "{sdp}");
    let c = w.talker("/door", true);
    let say = |w: &mut World, payload_type, number| {
        let packet = packet(payload_type, number, 960, &sound(number));
        w.send_packet(c, 3, PacketKind::Rtp, &packet);
        w.run_secs(0.02);
    };
    for number in 0..5 {
        say(&mut w, 97, number);
    }
    // Not described, and changed too fast.
    say(&mut w, 8, 5);
    say(&mut w, 0, 6);
    assert_eq!(
        (heard.told(), heard.audio()),
        (vec!["door came".into(), "opus".into()], sounds(0..5))
    );
    w.run_secs(1.0);
    say(&mut w, 0, 7);
    say(&mut w, 0, 8);
    assert_eq!((heard.told(), heard.audio()), (vec!["PCMU".to_owned()], sounds(7..9)));
    w.expect_nothing_left();
}

#[test]
fn garbage_and_floods_are_nobodys_business() {
    for tcp in [false, true] {
        let mut w = World::new();
        let (_, heard) = talkative(&mut w, g711().with_max_bitrate(80_000));
        let viewer = w.playing("/door", 2, false);
        let c = w.talker("/door", tcp);
        for garbage in [vec![], vec![0x80], vec![0xff; 200], packet(97, 5, 160, &[1; 90])] {
            for kind in [PacketKind::Rtp, PacketKind::Rtcp] {
                w.send_packet(c, 3, kind, &garbage);
            }
        }
        w.talk(c, 0..20);
        assert_eq!(heard.audio(), sounds(0..20), "tcp {tcp}");
        w.run_secs(2.0);
        w[viewer].forget_media();
        // Ten times what is allowed: as many pass as may.
        for number in 20..1020 {
            w.utter(c, number);
            w.run_secs(0.002);
        }
        let passed = heard.audio().len();
        assert!((100..=200).contains(&passed), "{passed} of 1000 in 2 s");
        assert!(w[viewer].track(1).rtp.len() > 40);
        w.expect_nothing_left();
    }
}

#[test]
fn a_channel_that_is_opened_on_demand_lets_the_client_wait() {
    let mut w = World::configured(|config| config.describe_timeout = secs(5.0));
    let (channel, heard) = talkative(&mut w, g711().opened_on_demand());
    let c = w.client();
    w.describe_to_talk(c, "/door").expect(200);
    assert_eq!(heard.told(), [""; 0], "nobody talks");
    let transport = [("Transport", "RTP/AVP/TCP;unicast"), TAG];
    // Nobody answers.
    w.ask(c, "SETUP", "/door/track3", &transport);
    assert!(w.answer_within(c, secs(4.5)).is_none());
    assert_eq!(w.answer(c).status(), 503);
    assert_eq!(heard.told(), ["wanted"]);
    // It is refused, and so is the next, for a while.
    w.ask(c, "SETUP", "/door/track3", &transport);
    w.run_secs(0.5);
    let status = StatusCode::OPTION_NOT_SUPPORTED;
    w.serve(|server, env| server.back_channel_refused(env, channel, status, secs(10.0)));
    assert_eq!(w.answer(c).expect(551).header("Unsupported"), TAG.1);
    w.request(c, "SETUP", "/door/track3", &transport).expect(551);
    assert_eq!(heard.told(), [""; 0]);
    w.run_secs(10.0);
    w.ask(c, "SETUP", "/door/track3", &transport);
    let other = w.client();
    w.ask(other, "SETUP", "/door/track3", &transport);
    w.run_secs(0.5);
    assert_eq!(heard.told(), ["wanted"]);
    w.serve(|server, env| server.back_channel_opened(env, channel));
    assert_eq!((w.answer(c).status(), w.answer(other).status()), (200, 453));
    assert_eq!(heard.told(), ["door came"]);
    assert!(w.serve(|server, _| server.close_back_channel(channel)));
    // It is removed under a talker.
    assert!(w.serve(|server, env| server.remove_back_channel(env, channel)));
    assert_eq!(heard.told(), ["door left"]);
    let sdp = w.describe(c, "/door").expect(200).body();
    assert!(!sdp.contains("sendonly"));
    w.setup(other, "/door", 3, UDP).expect(404);
    assert!(!w.serve(|server, env| server.remove_back_channel(env, channel)));
    w.expect_nothing_left();
}

/// Users by a header field. Ann may do all, bob all but talk; others may watch the lobby.
struct Names;

impl Authenticator for Names {
    fn authenticate(&mut self, request: &RequestInfo<'_>, _: &mut AccessContext<'_>) -> Decision {
        Admission::Allow(request.request.headers.value("X-User").map(str::to_owned)).into()
    }

    fn permits(&self, wanted: &Permission<'_>) -> bool {
        match wanted.user {
            Some("ann") => true,
            Some("bob") => wanted.action != Action::Talk && wanted.stream != "secret",
            _ => wanted.action != Action::Talk && wanted.stream == "lobby",
        }
    }

    fn challenge(&mut self, _: &RequestInfo<'_>, _: &mut AccessContext<'_>) -> Admission {
        Admission::refuse(StatusCode::UNAUTHORIZED)
    }
}

#[test]
fn who_may_not_talk_is_told_of_no_back_channel() {
    let mut w = World::new();
    let (channel, heard) = talkative(&mut w, g711());
    for name in ["lobby", "secret"] {
        w.add(film(name).with_back_channel(channel));
    }
    w.add(film("plain"));
    w.serve(|server, _| server.set_authenticator(Names));
    let c = w.client();
    let ask = |w: &mut World, user, method, path: &str| {
        let fields = [("X-User", user), ("Transport", UDP), TAG];
        w.request(c, method, path, &fields)
    };
    for path in ["/door", "/lobby", "/secret"] {
        assert!(ask(&mut w, "ann", "DESCRIBE", path).expect(200).body().contains("sendonly"));
    }
    // To a user without the right it is a stream like others.
    for path in ["/door", "/lobby", "/plain"] {
        let body = ask(&mut w, "bob", "DESCRIBE", path).expect(200).body();
        assert!(!body.contains("sendonly") && !body.contains("recvonly"), "{body}");
        ask(&mut w, "bob", "SETUP", &format!("{path}/track3")).expect(404);
    }
    for path in ["/secret", "/nothing"] {
        ask(&mut w, "bob", "DESCRIBE", path).expect(404);
        ask(&mut w, "bob", "SETUP", &format!("{path}/track3")).expect(404);
        ask(&mut w, "", "DESCRIBE", path).expect(401);
        ask(&mut w, "", "SETUP", &format!("{path}/track3")).expect(401);
    }
    // Who has not said who it is is asked, even where all may watch.
    for (method, path) in [("DESCRIBE", "/lobby"), ("SETUP", "/lobby/track3")] {
        ask(&mut w, "", method, path).expect(401);
    }
    w.describe(c, "/lobby").expect(200);
    assert_eq!(heard.told(), [""; 0]);
    // The right is looked at again at PLAY, and when rights have changed.
    let answer = ask(&mut w, "ann", "SETUP", "/door/track3").expect(200);
    let session = answer.header("Session").split(';').next().unwrap().to_owned();
    let fields = [("X-User", "ann"), ("Session", &*session), TAG];
    w.request(c, "PLAY", "/door", &fields).expect(200);
    assert!(w.server().talker_of(channel).is_some());
    w.serve(|server, env| {
        assert_eq!(server.end_unpermitted_sessions(env), 0);
        server.set_authenticator(Nobody);
        assert_eq!(server.end_unpermitted_sessions(env), 1);
    });
    assert!(w.server().talker_of(channel).is_none());
    w.expect_nothing_left();
}

/// Nobody may talk, and everybody else all.
struct Nobody;

impl Authenticator for Nobody {
    fn authenticate(&mut self, _: &RequestInfo<'_>, _: &mut AccessContext<'_>) -> Decision {
        Admission::Allow(None).into()
    }

    fn permits(&self, wanted: &Permission<'_>) -> bool {
        wanted.action != Action::Talk
    }
}

#[test]
fn live_and_relayed_streams_have_the_same_channel() {
    let mut w = World::new();
    let heard = Heard::default();
    let (sink, options) = (heard.clone(), g711());
    let channel = w.serve(|server, _| server.add_back_channel(options, sink)).unwrap();
    let live = LiveStreamOptions::new("live").with_back_channel(channel);
    let tracks: [LiveTrackOptions; 2] = [PCMU.into(), PCMU.into()];
    let _senders = w.serve(|server, env| server.add_live_stream(env, live, tracks)).unwrap();
    let relayed = RelayedStreamOptions::new("relayed").with_back_channel(channel);
    w.serve(|server, env| {
        let id = server.add_relayed_stream(env, relayed).unwrap();
        let track = |n| RelayedTrack::new(PayloadFormat::new("audio", "PCMU", 8000, n));
        server.relayed_source_described(env, id, vec![track(0), track(0)]).unwrap();
    });
    let c = w.talker("/live", true);
    let d = w.client();
    assert!(w.describe_to_talk(d, "/relayed").expect(200).body().contains("a=control:track3"));
    w.setup(d, "/relayed", 3, UDP).expect(453);
    w.talk(c, 0..5);
    w.teardown(c, "/live");
    let d = w.talker("/relayed", false);
    w.talk(d, 5..10);
    assert_eq!(heard.audio(), sounds(0..10));
    assert_eq!(heard.told(), ["live came", "PCMU", "live left", "relayed came", "PCMU"]);
    w.expect_nothing_left();
}

#[test]
fn aac_arrives_as_frames() {
    let mut w = World::new();
    let aac = CodecParameters::Aac {
        config: vec![0x14, 0x08].into(),
        sampling_rate: 16_000,
        channels: 1,
    };
    let (_, heard) = talkative(&mut w, BackChannelOptions::for_codecs(&[aac]).unwrap());
    let c = w.talker("/door", true);
    for number in 0..5 {
        // One access unit: its header section has 16 bits (RFC 3640 section 3.2.1).
        let unit = sound(number);
        let header = u16::try_from(unit.len() << 3).unwrap().to_be_bytes();
        let payload = [&[0, 16][..], &header, &unit].concat();
        w.send_packet(c, 3, PacketKind::Rtp, &packet(96, number, 1024, &payload));
        w.run_secs(0.06);
    }
    assert_eq!(heard.audio(), sounds(0..5));
    assert_eq!(heard.told(), ["door came", "MPEG4-GENERIC"]);
    w.expect_nothing_left();
}
