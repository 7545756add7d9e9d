//! A publisher, in the words of [`World`].

use super::client::{Answer, Way};
use super::media::mark;
use super::world::{C, World, server_for};
use crate::net::with_port;
use crate::server::{PublishConfig, PublishPolicy};
use crate::wire::rtp::{HEADER_LEN, PacketKind, write_header};
use std::ops::Range;
use std::time::Duration;

/// Video and sound, as FFmpeg describes them.
pub(super) const SDP: &str = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=No Name\r\n\
    c=IN IP4 10.0.0.1\r\nt=0 0\r\na=tool:libavformat\r\n\
    m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n\
    a=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z0LAHtk=,aM48gA==\r\n\
    a=control:streamid=0\r\n\
    m=audio 0 RTP/AVP 0\r\na=control:streamid=1\r\n";

/// Interval of pictures, and of packets of sound.
pub(super) const FRAME: Duration = Duration::from_millis(40);
/// Pictures from one key frame to the next.
pub(super) const GROUP: u32 = 10;

/// A world in which everybody may publish.
pub(super) fn open_world(change: impl FnOnce(&mut PublishConfig)) -> World {
    World::configured(|config| {
        config.publish.policy = PublishPolicy::Anybody;
        change(&mut config.publish);
    })
}

/// An RTP packet of a publisher.
pub(super) fn packet(payload_type: u8, number: u32, units: u32, payload: &[u8]) -> Vec<u8> {
    let mut header = [0; HEADER_LEN];
    let timestamp = 0xffff_0000_u32.wrapping_add(number.wrapping_mul(units));
    write_header(&mut header, true, payload_type, number as u16, timestamp, 0x5eed);
    [&header[..], payload].concat()
}

/// A picture in one NAL unit.
pub(super) fn picture(number: u32, key: bool) -> Vec<u8> {
    let mut unit = vec![if key { 0x65 } else { 0x41 }];
    unit.extend(mark(number, 1));
    unit.resize(200, 0x55);
    unit
}

impl World {
    #[track_caller]
    pub(super) fn announce(&mut self, c: C, path: &str, sdp: &str) -> Answer {
        let headers = [("Content-Type", "application/sdp")];
        let answer = self.request_with_body(c, "ANNOUNCE", path, &headers, sdp);
        if let Some(session) = answer.value("Session") {
            self[c].session = session.split(';').next().map(str::to_owned);
        }
        answer
    }

    /// SETUP of a track to record. `number` is its number in the description, from 1.
    #[track_caller]
    pub(super) fn setup_record(&mut self, c: C, url: &str, number: usize, tcp: bool) -> Answer {
        if tcp {
            let channels = format!("{}-{}", 2 * number - 2, 2 * number - 1);
            let transport = format!("RTP/AVP/TCP;unicast;interleaved={channels};mode=record");
            let answer = self.request(c, "SETUP", url, &[("Transport", &transport)]).expect(200);
            let (rtp, rtcp) = answer.transport().interleaved.expect("channels");
            self.add_track(c, number, Way::Tcp { rtp, rtcp });
            return answer;
        }
        let (rtp, rtcp, ports) = self.udp_pair(c);
        let transport = format!("RTP/AVP/UDP;unicast;client_port={ports};mode=record");
        let answer = self.request(c, "SETUP", url, &[("Transport", &transport)]).expect(200);
        let (rtp_port, rtcp_port) = answer.transport().server_port.expect("ports");
        let host = server_for(self[c].address);
        let server = Some((with_port(host, rtp_port), with_port(host, rtcp_port)));
        self.add_track(c, number, Way::Udp { rtp, rtcp, server });
        answer
    }

    /// Announces and sets up both tracks of [`SDP`] over a connection, and records.
    #[track_caller]
    pub(super) fn record(&mut self, c: C, path: &str, tcp: bool) {
        self.announce(c, path, SDP).expect(200);
        for number in [1, 2] {
            self.setup_record(c, &format!("{path}/streamid={}", number - 1), number, tcp);
        }
        self.request(c, "RECORD", path, &[("Range", "npt=0.000-")]).expect(200);
    }

    /// A new publisher.
    #[track_caller]
    pub(super) fn publisher(&mut self, path: &str, tcp: bool) -> C {
        let c = self.client();
        self.record(c, path, tcp);
        c
    }

    /// Sends pictures and sound of these numbers, in real time.
    pub(super) fn publish(&mut self, c: C, numbers: Range<u32>) {
        for number in numbers {
            self.send_picture(c, number);
            let sound = packet(0, number, 320, &[0x55; 320]);
            self.send_packet(c, 2, PacketKind::Rtp, &sound);
            self.run(FRAME);
        }
    }

    pub(super) fn send_picture(&mut self, c: C, number: u32) {
        let unit = picture(number, number % GROUP == 0);
        self.send_packet(c, 1, PacketKind::Rtp, &packet(96, number, 3600, &unit));
    }

    /// A viewer of both tracks of what is published.
    #[track_caller]
    pub(super) fn viewer(&mut self, path: &str, tcp: bool) -> C {
        let c = self.client();
        let sdp = self.describe(c, path).expect(200).body();
        assert!(sdp.contains("H264/90000") && sdp.contains("m=audio"), "{sdp}");
        for track in [1, 2] {
            self.setup_over(c, path, track, tcp);
        }
        self.play(c, path);
        c
    }

    /// The pictures that a viewer has got, which follow each other without a gap.
    #[track_caller]
    pub(super) fn pictures(&self, c: C) -> Vec<u32> {
        let track = self[c].track(1);
        let follow = |a: &super::client::Rtp, b: &super::client::Rtp| {
            b.sequence == a.sequence.wrapping_add(1)
                && b.timestamp.wrapping_sub(a.timestamp) < u32::MAX / 2
                && b.ssrc == a.ssrc
        };
        for pair in track.rtp.windows(2) {
            assert!(follow(&pair[0], &pair[1]), "{pair:?}");
        }
        track.frames()
    }
}
