//! SRTP: who is offered it, with which keys, and what goes over the wire.

use super::client::{Answer, Way};
use super::media::{TestTrack, session};
use super::world::{C, World, server_for};
use crate::client::{ContentFacts, MediaSession};
use crate::net::{MulticastInterface, UdpSocket, with_port};
use crate::payload::FormatRegistry;
use crate::rtp::srtp::keys::{MAX_MATERIAL, MasterKey};
use crate::rtp::srtp::transform::DerivedKeys;
use crate::rtp::srtp::{CryptoSuite, SrtpKeys, SrtpTransform};
use crate::rtp::transform::PacketTransform;
use crate::server::{OnDemandServerMediaSubsession, SrtpConfig};
use crate::wire::mikey::{KeyMgmt, from_attribute};
use crate::wire::rtcp::{ReportBlock, write_rr, write_sdes_cname};
use crate::wire::rtp::PacketKind;

/// A server with SRTP, one shared stream and one of one's own.
fn world(change: impl FnOnce(&mut SrtpConfig)) -> World {
    let mut srtp = SrtpConfig { allow_plain_connections: true, ..SrtpConfig::default() };
    change(&mut srtp);
    let mut w = World::configured(|config| {
        (config.srtp, config.max_packet) = (Some(srtp), 300);
    });
    let track = |shared| {
        let track = TestTrack::video().size(3000).frames(20_000);
        OnDemandServerMediaSubsession::new(track).with_reuse_first_source(shared)
    };
    w.add(session("shared").with_subsession(track(true)));
    w.add(session("own").with_subsession(track(false)).with_subsession(TestTrack::audio().alone()));
    w
}

/// The keys that a description states for each track.
fn described(w: &mut World, c: C, path: &str) -> Vec<SrtpKeys> {
    let sdp = w.describe(c, path).expect(200).body();
    let facts = ContentFacts::new("rtsp://10.0.0.1/x");
    let media = MediaSession::new(sdp.as_bytes(), &facts, FormatRegistry::standard()).unwrap();
    let keys = media.subsessions.iter().map(|track| {
        assert_eq!(track.protocol, "RTP/SAVP", "{sdp}");
        let attribute = track.keys.iter().next().expect("keys");
        let message = from_attribute(attribute.value.as_deref().unwrap()).unwrap();
        assert!(message.timestamp > 0 && message.random.len() >= 16);
        SrtpKeys::of_message(&message).unwrap()
    });
    keys.collect()
}

fn answered(answer: &Answer) -> SrtpKeys {
    let header = KeyMgmt::parse(answer.header("KeyMgmt"), "").unwrap();
    assert!(header.url.is_some_and(|url| url.contains("/track")));
    let keys = SrtpKeys::of_message(&header.message).unwrap();
    assert_eq!(Some(keys.sessions[0].0), answer.transport().ssrc, "of that stream");
    keys
}

/// SETUP of a track, whose packets the client reads with `keys`; those of the answer without.
fn set_up_with(
    w: &mut World,
    c: C,
    (path, track): (&str, usize),
    tcp: bool,
    key_mgmt: &str,
    keys: Option<SrtpKeys>,
) -> Answer {
    let url = format!("{path}/track{track}");
    let (rtp, rtcp, ports) = w.udp_pair(c);
    let transport = match tcp {
        true => "RTP/SAVP/TCP;unicast".to_owned(),
        false => format!("RTP/SAVP;unicast;client_port={ports}"),
    };
    let headers = [("Transport", &*transport), ("KeyMgmt", key_mgmt)];
    let answer = w.request(c, "SETUP", &url, &headers).expect(200);
    let spec = answer.transport();
    assert_eq!((spec.protocol.is_secure(), spec.protocol.is_tcp()), (true, tcp));
    w[c].session = answer.header("Session").split(';').next().map(str::to_owned);
    let host = server_for(w[c].address);
    let way = match (spec.interleaved, spec.server_port) {
        (Some((rtp, rtcp)), _) => Way::Tcp { rtp, rtcp },
        (None, Some((to, to_rtcp))) => {
            let server = Some((with_port(host, to), with_port(host, to_rtcp)));
            Way::Udp { rtp, rtcp, server }
        }
        other => panic!("{other:?}"),
    };
    w.add_track(c, track, way);
    let derived = DerivedKeys::new(keys.unwrap_or_else(|| answered(&answer)));
    let transform = SrtpTransform::new(&derived, &derived);
    let tracks = &mut w[c].tracks;
    tracks.last_mut().unwrap().security.transform = Some(Box::new(transform));
    answer
}

fn set_up(w: &mut World, c: C, path: &str, tcp: bool) -> Answer {
    set_up_with(w, c, (path, 1), tcp, "", None)
}

#[test]
fn srtp_is_offered_where_nobody_listens_in() {
    // Nobody has TLS in this world.
    let mut w = world(|srtp| srtp.allow_plain_connections = false);
    let c = w.client();
    let sdp = w.describe(c, "/shared").expect(200).body();
    assert!(sdp.contains("RTP/AVP 96") && !sdp.contains("key-mgmt"), "{sdp}");
    for transport in ["RTP/SAVP;unicast;client_port=5000-5001", "RTP/SAVP/TCP;unicast"] {
        assert!(w.setup(c, "/shared", 1, transport).expect(461).value("KeyMgmt").is_none());
    }
    w.setup_tcp(c, "/shared", 1);
    let mut w = world(|srtp| (srtp.allow_plain_connections, srtp.required) = (false, true));
    let c = w.client();
    assert!(!w.describe(c, "/shared").expect(403).body().contains("mikey"));
    for protocol in ["SAVP", "AVP", "SAVPF", "AVP/TCP", "SAVP/TCP"] {
        let transport = format!("RTP/{protocol};unicast;client_port=5000-5001");
        w.setup(c, "/shared", 1, &transport).expect(461);
    }
    w.expect_nothing_left();
}

#[test]
fn a_server_that_requires_srtp_serves_nothing_else() {
    let mut w = world(|srtp| srtp.required = true);
    let c = w.client();
    for transport in ["RTP/AVP;unicast;client_port=5000-5001", "RTP/AVP/TCP;unicast"] {
        w.setup(c, "/shared", 1, transport).expect(461);
    }
    let list = "RTP/AVP/TCP;unicast,RTP/SAVPF/TCP;unicast";
    let answer = w.setup(c, "/shared", 1, list).expect(200);
    assert_eq!(answer.transport().protocol.as_str(), "RTP/SAVPF/TCP", "the first that is served");
    w.teardown(c, "/shared");
    w.expect_nothing_left();
}

#[test]
fn clients_of_both_kinds_have_streams_of_their_kind() {
    let mut w = world(|_| {});
    let secure = [false, true].map(|tcp| {
        let c = w.client();
        set_up(&mut w, c, "/shared", tcp);
        c
    });
    let plain = w.client();
    w.setup_udp(plain, "/shared", 1);
    for c in secure.into_iter().chain([plain]) {
        w.play(c, "/shared");
    }
    w.run_secs(3.0);
    assert_eq!(w.server().stream_count(), 2);
    let [udp, tcp] = secure.map(|c| w[c].track(1));
    assert!(udp.frames().len() > 60 && w[plain].track(1).frames().len() > 60);
    assert!(udp.rtcp.iter().any(|r| r.info.is_some()), "reports, too");
    // One encryption for both.
    let (first, rest) = (&tcp.security.raw[0], &tcp.security.raw);
    let at = udp.security.raw.iter().position(|packet| packet == first).expect("the same");
    let both = udp.security.raw[at..].iter().zip(rest).take(500);
    assert!(both.len() > 400 && both.into_iter().all(|(udp, tcp)| udp == tcp));
    assert_eq!(w.rejected(), 0);
    for c in secure {
        w.teardown(c, "/shared");
    }
    w.teardown(plain, "/shared");
    w.expect_nothing_left();
}

#[test]
fn a_client_may_change_between_both() {
    let mut w = world(|_| {});
    let c = w.client();
    w.setup_tcp(c, "/shared", 1);
    set_up(&mut w, c, "/shared", true);
    assert_eq!(w.server().stream_count(), 1, "the plain one has ended");
    let repeated = w.setup(c, "/shared", 1, "RTP/SAVP/TCP;unicast").expect(200);
    answered(&repeated);
    w.play(c, "/shared");
    w.run_secs(1.0);
    assert!(w[c].tracks.last().unwrap().frames().len() > 20);
    w.pause(c, "/shared");
    w.setup_tcp(c, "/shared", 1);
    w.play(c, "/shared");
    w.run_secs(1.0);
    assert!(w[c].track(1).frames().len() > 20);
    w.teardown(c, "/shared");
    w.expect_nothing_left();
}

#[test]
fn each_client_has_a_key_of_its_own_for_a_stream_of_its_own() {
    for suite in [CryptoSuite::AesCm128HmacSha1_32, CryptoSuite::AeadAes256Gcm] {
        let mut w = world(|srtp| (srtp.suite, srtp.mki_len) = (suite, 4));
        let keys: Vec<_> = [false, true]
            .map(|tcp| {
                let c = w.client();
                let keys = described(&mut w, c, "/own");
                assert_eq!(keys.len(), 2);
                assert_eq!(keys[0].keys()[0].master.suite(), suite);
                assert_eq!(*keys[0].keys()[0].mki, [0, 0, 0, 1]);
                for track in [1, 2] {
                    // With the keys of the description, as clients have them that read no more.
                    let known = Some(keys[track - 1].clone());
                    let answer = set_up_with(&mut w, c, ("/own", track), tcp, "", known);
                    assert_eq!(answered(&answer).keys(), keys[track - 1].keys());
                }
                w.play(c, "/own");
                keys
            })
            .into_iter()
            .flatten()
            .collect();
        for (n, key) in keys.iter().enumerate() {
            assert!(keys[..n].iter().all(|other| other.keys() != key.keys()));
        }
        w.run_secs(3.0);
        for c in [C(0), C(1)] {
            assert!(w[c].track(1).frames().len() > 60 && w[c].track(2).frames().len() > 100);
            w.teardown(c, "/own");
        }
        w.expect_nothing_left();
    }
}

#[test]
fn who_joins_behind_a_roll_over_is_told_the_counter() {
    let mut w = world(|_| {});
    let first = w.client();
    let keys = described(&mut w, first, "/shared").remove(0);
    assert_eq!(keys.sessions, [(0, 0)], "there is no stream yet");
    let answer = set_up(&mut w, first, "/shared", false);
    let (ssrc, counter) = answered(&answer).sessions[0];
    assert_eq!(counter, 0);
    w.serve(|server, _| {
        let stream = server.streams.iter().next().expect("a stream").0;
        server.streams.get_mut(stream).unwrap().set_sequence_number(65_000);
    });
    w.play(first, "/shared");
    w.run_secs(4.0);
    let second = w.client();
    let keys = described(&mut w, second, "/shared").remove(0);
    assert_eq!(keys.sessions, [(ssrc, 1)]);
    set_up_with(&mut w, second, ("/shared", 1), true, "", Some(keys));
    w.play(second, "/shared");
    w.run_secs(3.0); // behind the next key frame
    assert!(w[second].track(1).frames().len() > 20);
    // The stream ends, and begins anew with another SSRC.
    for c in [first, second] {
        w.teardown(c, "/shared");
    }
    assert_eq!(w.server().stream_count(), 0);
    let third = w.client();
    let keys = described(&mut w, third, "/shared").remove(0);
    let answer = set_up_with(&mut w, third, ("/shared", 1), false, "", Some(keys));
    assert_ne!(answered(&answer).sessions[0], (ssrc, 1));
    assert_eq!(answered(&answer).sessions[0].1, 0);
}

#[test]
fn keys_of_shared_streams_change_with_time() {
    let mut w = world(|_| {});
    let mut keys: Vec<SrtpKeys> = Vec::new();
    let (c, other) = (w.client(), w.client());
    for _ in 0..130 {
        let described = described(&mut w, c, "/shared").remove(0);
        let answer = set_up(&mut w, c, "/shared", true);
        assert_eq!(answered(&answer).keys(), described.keys(), "as the description said");
        let again = set_up(&mut w, other, "/shared", true);
        assert_eq!(answered(&again).keys(), described.keys());
        // What comes is protected with them.
        w.play(c, "/shared");
        w.run_secs(0.1);
        assert!(!w[c].track(1).rtp.is_empty());
        keys.push(described);
        w.teardown(c, "/shared");
        w.teardown(other, "/shared");
    }
    keys.dedup_by(|a, b| a.keys() == b.keys());
    assert_eq!(keys.len(), 3);
}

#[test]
fn a_stream_ends_before_its_key_is_used_up_and_the_next_has_another() {
    // By the packets that it may yet protect, and by the reports that it has protected.
    for (rtp_left, rtcp_index) in [(1 << 16 | 500, 1000), (1 << 48, (1 << 31) - (1 << 16) - 2)] {
        let mut w = world(|_| {});
        let old = [false, true].map(|tcp| {
            let c = w.client();
            let answer = set_up(&mut w, c, "/shared", tcp);
            w.play(c, "/shared");
            (c, answered(&answer))
        });
        w.run_secs(2.0);
        w.serve(|server, _| {
            let stream = server.streams.iter().next().expect("a stream").0;
            server.streams.get_mut(stream).unwrap().age_key(rtp_left, rtcp_index);
        });
        w.run_secs(60.0);
        let received = old.each_ref().map(|(c, _)| w[*c].track(1).rtp.len());
        for (c, _) in &old {
            assert_eq!(w[*c].track(1).byes(), 1, "the end is told");
            assert!(w[*c].track(1).rtp.len() > 50);
        }
        // Who comes now has nothing to do with that.
        let new = w.client();
        let described = described(&mut w, new, "/shared").remove(0);
        assert_ne!(described.keys(), old[0].1.keys());
        let answer = set_up(&mut w, new, "/shared", false);
        assert_eq!(answered(&answer).keys(), described.keys());
        w.play(new, "/shared");
        w.run_secs(3.0);
        assert!(w[new].track(1).frames().len() > 60);
        assert_eq!(received, old.each_ref().map(|(c, _)| w[*c].track(1).rtp.len()));
        w.teardown(new, "/shared");
        w.expect_nothing_left();
    }
}

/// A report of a client about its track, protected with `keys`.
fn report(w: &World, c: C, keys: Option<&DerivedKeys>) -> Vec<u8> {
    let block = ReportBlock {
        ssrc: w[c].track(1).rtp[0].ssrc,
        fraction_lost: 7,
        cumulative_lost: 0,
        highest_sequence: 0,
        jitter: 0,
        last_sr: 0,
        delay_since_last_sr: 0,
    };
    let mut report = Vec::new();
    write_rr(&mut report, 77, &[block]);
    write_sdes_cname(&mut report, 77, "client");
    if let Some(keys) = keys {
        assert!(SrtpTransform::new(keys, keys).protect_rtcp(&mut report));
    }
    report
}

impl World {
    fn rejected(&self) -> u64 {
        let streams = self.server().streams.iter();
        streams.map(|(_, stream)| stream.rejected_packets()).sum()
    }

    fn reporters(&self) -> usize {
        self.server().streams.iter().map(|(_, stream)| stream.reporting_receivers()).sum()
    }
}

#[test]
fn reports_come_with_the_key_of_the_stream_or_of_the_client() {
    for (path, tcp) in [("/shared", false), ("/shared", true), ("/own", false), ("/own", true)] {
        let mut w = world(|_| {});
        let own = MasterKey::from_random(CryptoSuite::AeadAes128Gcm, &[7; MAX_MATERIAL]);
        let own = SrtpKeys::new(own, &[]).with_session(77, 0);
        let header = KeyMgmt { url: None, message: own.to_message(&[1; 20], 0) }.to_string();
        let [with, without] = ["", &*header].map(|header| {
            let c = w.client();
            let keys = answered(&set_up_with(&mut w, c, (path, 1), tcp, header, None));
            w.play(c, path);
            (c, DerivedKeys::new(keys))
        });
        w.run_secs(1.0);
        let own = DerivedKeys::new(own);
        let wrong = [(with.0, Some(&own)), (without.0, Some(&without.1)), (with.0, None)];
        for (n, (c, keys)) in wrong.into_iter().enumerate() {
            let report = report(&w, c, keys);
            w.send_packet(c, 1, PacketKind::Rtcp, &report);
            w.run_secs(0.1);
            assert_eq!((w.reporters(), w.rejected()), (0, n as u64 + 1), "{path} {tcp}");
        }
        for (n, (c, keys)) in [(with.0, &with.1), (without.0, &own)].into_iter().enumerate() {
            let report = report(&w, c, Some(keys));
            for _ in 0..2 {
                w.send_packet(c, 1, PacketKind::Rtcp, &report);
            }
            w.run_secs(0.1);
            assert_eq!(w.reporters(), n + 1, "{path} {tcp}");
            assert_eq!(w.rejected(), n as u64 + 4, "the second is a replay");
        }
    }
}

#[test]
fn keys_that_cannot_be_used_refuse_a_setup() {
    let mut w = world(|_| {});
    let c = w.client();
    let message = |change: fn(&mut crate::wire::mikey::MikeyMessage)| {
        let own = MasterKey::from_random(CryptoSuite::default(), &[7; MAX_MATERIAL]);
        let mut message = SrtpKeys::new(own, &[]).with_session(77, 0).to_message(&[1; 20], 0);
        change(&mut message);
        KeyMgmt { url: None, message }.to_string()
    };
    for bad in [
        "prot=mikey;data=\"AAAA\"".to_owned(),
        "nonsense".to_owned(),
        message(|message| message.keys.clear()),
        message(|message| message.keys[0].material.truncate(16)),
        message(|message| message.policies[0].suite = Some(CryptoSuite::AeadAes256Gcm)),
    ] {
        let headers = [("Transport", "RTP/SAVP/TCP;unicast"), ("KeyMgmt", &*bad)];
        w.request(c, "SETUP", "/shared/track1", &headers).expect(463);
        assert_eq!((w.server().stream_count(), w.server().pool().len()), (0, 0));
        // A client without SRTP may say what it likes.
        let headers = [("Transport", "RTP/AVP/TCP;unicast"), ("KeyMgmt", &*bad)];
        let answer = w.request(c, "SETUP", "/shared/track1", &headers).expect(200);
        w[c].session = answer.header("Session").split(';').next().map(str::to_owned);
        w.teardown(c, "/shared");
    }
}

#[test]
fn groups_are_encrypted_where_srtp_is_required() {
    use crate::net::Groupsock;
    use crate::server::{MulticastTrack, ServerMediaSession};
    for required in [true, false] {
        let mut w = world(|srtp| srtp.required = required);
        let (group, source) = ("232.1.1.1".parse().unwrap(), "10.0.0.1".parse().unwrap());
        let tracks = w.serve(|server, env| {
            let mut open = |port| {
                let to = std::net::SocketAddr::new(group, port);
                Groupsock::open(env, to, 1, MulticastInterface::Any, Some(source)).unwrap()
            };
            let (rtp, rtcp) = (open(5004), open(5005));
            let track = MulticastTrack::new(TestTrack::video().frames(20_000), rtp, rtcp);
            server.add_multicast_streams(env, vec![track]).unwrap()
        });
        let mut session = ServerMediaSession::new("group", "", "");
        for track in tracks {
            session.add_subsession(track).unwrap();
        }
        w.add(session);
        let c = w.client();
        let member = std::net::SocketAddr::new(w[c].address.ip(), 5004);
        let mut socket = UdpSocket::bind_shared(&mut w.env, member).unwrap();
        socket.join_multicast(&mut w.env, group, MulticastInterface::Any, Some(source)).unwrap();
        let (good, bad) = match required {
            true => ("RTP/SAVP;multicast", "RTP/AVP;multicast"),
            false => ("RTP/AVP;multicast", "RTP/SAVP;multicast"),
        };
        w.setup(c, "/group", 1, bad).expect(461);
        let sdp = w.describe(c, "/group").expect(200).body();
        assert_eq!(sdp.contains("key-mgmt"), required, "{sdp}");
        let answer = w.setup(c, "/group", 1, good).expect(200);
        w.play(c, "/group");
        w.run_secs(0.5);
        let mut transform = required.then(|| {
            let keys = answered(&answer);
            assert_eq!(described(&mut w, c, "/group")[0].keys(), keys.keys());
            SrtpTransform::incoming(&DerivedKeys::new(keys))
        });
        let mut buffer = [0; 2048];
        let mut packets = 0;
        while let Ok((n, _)) = socket.recv_from(&mut w.env, &mut buffer) {
            let len = match &mut transform {
                Some(transform) => transform.unprotect_rtp(&mut buffer[..n]).expect("authentic"),
                None => n,
            };
            crate::wire::rtp::RtpPacket::parse(&buffer[..len]).unwrap();
            packets += 1;
        }
        assert!(packets > 5);
    }
}
