//! Whole sessions with the client of [`crate::client`]: timing, RTP-Info, pause, seek, ends, bad
//! files. These need no player and always run.

use crate::client::{Client, Content, Over, Packet, Response};
use crate::server::{Server, testdata};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const BOTH: [Over; 2] = [Over::Tcp, Over::Udp];

pub(crate) fn seconds(s: f64) -> Duration {
    Duration::from_secs_f64(s)
}

pub(crate) fn rtp(packets: &[Packet], track: usize) -> Vec<(Instant, u16, u32)> {
    packets
        .iter()
        .filter(|p| p.track == track)
        .filter_map(|p| match p.content {
            Content::Rtp { seq, timestamp, .. } => Some((p.at, seq, timestamp)),
            _ => None,
        })
        .collect()
}

/// Checks that `RTP-Info` names the first packet of each track and that none is missing after it.
/// Returns the RTP time of the start for each track.
pub(crate) fn check_rtp_info(
    client: &Client,
    play: &Response,
    packets: &[Packet],
) -> HashMap<usize, u32> {
    check_rtp_info_of_tracks_apart(client, play, packets, 0.0)
}

/// Checks the same where one track may start up to `apart` seconds behind the other: after a pause
/// each goes on where it was.
pub(crate) fn check_rtp_info_of_tracks_apart(
    client: &Client,
    play: &Response,
    packets: &[Packet],
    apart: f64,
) -> HashMap<usize, u32> {
    let info = play.rtp_info();
    assert_eq!(info.len(), client.track_count(), "RTP-Info: {:?}", play.header("RTP-Info"));
    info.into_iter()
        .map(|(url, seq, rtptime)| {
            let track = client.track_of(&url).unwrap_or_else(|| panic!("{url} is no track"));
            let arrived = rtp(packets, track);
            let first = arrived.first().unwrap_or_else(|| panic!("nothing came for {url}"));
            assert_eq!(first.1, seq, "first packet of {url}");
            for (count, (_, seq, _)) in arrived.iter().enumerate() {
                assert_eq!(
                    *seq,
                    first.1.wrapping_add(count as u16),
                    "a packet of {url} is missing"
                );
            }
            // The frames of a picture that is shown later may be sent first.
            let ahead = client.seconds(track, rtptime, first.2);
            let is_due = (-0.001..0.25 + apart).contains(&ahead);
            assert!(is_due, "first packet of {url} is {ahead} s ahead");
            (track, rtptime)
        })
        .collect()
}

/// Checks that the marker is on the last packet of each picture and nowhere else.
fn check_markers(packets: &[Packet], track: usize) {
    let arrived: Vec<(u32, bool)> = packets
        .iter()
        .filter(|p| p.track == track)
        .filter_map(|p| match p.content {
            Content::Rtp { timestamp, marker, .. } => Some((timestamp, marker)),
            _ => None,
        })
        .collect();
    for (i, (timestamp, marker)) in arrived.iter().enumerate() {
        let last = arrived.get(i + 1).is_none_or(|next| next.0 != *timestamp);
        assert_eq!(*marker, last, "marker of packet {i}");
    }
}

/// The first sender report of each track: the moment at which its `rtptime` falls.
fn starts_by_reports(
    client: &Client,
    packets: &[Packet],
    rtptimes: &HashMap<usize, u32>,
) -> HashMap<usize, f64> {
    let mut starts = HashMap::new();
    for packet in packets {
        if let Content::Report { ntp, timestamp } = packet.content {
            let since = client.seconds(packet.track, rtptimes[&packet.track], timestamp);
            starts.entry(packet.track).or_insert(ntp - since);
        }
    }
    starts
}

#[test]
fn a_file_plays_from_start_to_end_with_its_tracks_in_step() {
    let server = Server::of_media();
    for over in BOTH {
        let mut client = Client::set_up(&server.url("h264_aac.mkv"), over);
        assert_eq!(client.track_count(), 2);
        assert!(client.next_packet(seconds(0.3)).is_none(), "media before PLAY over {over:?}");
        let began = Instant::now();
        let play = client.play("");
        if over == Over::Tcp {
            assert_eq!(client.waiting(), 0, "media before the answer to PLAY");
        }
        let packets = client.packets_for(seconds(20.0));
        let took = began.elapsed().as_secs_f64();
        assert!(took > 4.5, "five seconds took {took} over {over:?}");
        for track in 0..2 {
            let bye = packets.iter().any(|p| p.track == track && matches!(p.content, Content::Bye));
            assert!(bye, "no BYE for track {track} over {over:?}");
        }
        let rtptimes = check_rtp_info(&client, &play, &packets);
        for (&track, &rtptime) in &rtptimes {
            // Each packet comes when it is due, as seen from the start: none early, and most not
            // late, though the machine may have stopped the server for a while.
            let arrived = rtp(&packets, track);
            let last =
                arrived.iter().map(|p| client.seconds(track, rtptime, p.2)).fold(0.0, f64::max);
            assert!((4.8..5.2).contains(&last), "track {track} ends at {last}");
            let mut late = 0;
            for (at, _, timestamp) in &arrived {
                let due = client.seconds(track, rtptime, *timestamp);
                let came = at.duration_since(began).as_secs_f64();
                assert!(due - came < 1.5, "track {track}: {due} s came at {came} s");
                late += usize::from(came - due > 0.5);
            }
            assert!(late < arrived.len() / 2, "track {track}: {late} late of {}", arrived.len());
        }
        check_markers(&packets, 0);
        let starts = starts_by_reports(&client, &packets, &rtptimes);
        assert_eq!(starts.len(), 2, "each track has a sender report over {over:?}");
        // RTP-Info tells of the beginning of the range for both (RFC 2326 section 12.33).
        let apart = starts[&0] - starts[&1];
        assert!(apart.abs() < 0.005, "the tracks are {apart} s apart over {over:?}");
        assert_eq!(client.tear_down(None).status, 200);
    }
}

#[test]
fn pause_stops_and_play_goes_on_from_there() {
    let server = Server::of_media();
    for over in BOTH {
        let mut client = Client::set_up(&server.url("h264_aac.mkv"), over);
        let first = client.play("");
        let packets = client.packets_up_to(1.0, &first);
        let rtptimes = check_rtp_info(&client, &first, &packets);
        assert_eq!(client.pause().status, 200);
        // What was under way when the request came.
        let rest = client.packets_for(seconds(0.2));
        let silence = client.packets_for(seconds(1.0));
        assert!(
            !silence.iter().any(|p| matches!(p.content, Content::Rtp { .. })),
            "media while paused over {over:?}"
        );
        let again = client.play("");
        let packets = [packets, rest].into_iter().flatten().collect::<Vec<_>>();
        let npt = again.npt_start().expect("PLAY answers with a Range");
        let reached = |track| client.reached(track, &first, &packets).expect("it has played");
        let (paused, apart) = (f64::min(reached(0), reached(1)), (reached(0) - reached(1)).abs());
        // Several AAC frames share a packet, whose time is that of the first.
        assert!((-0.1..0.4).contains(&(npt - paused)), "paused at {paused}, resumed at {npt}");
        let more = client.packets_up_to(npt + 0.5, &again);
        let resumed = check_rtp_info_of_tracks_apart(&client, &again, &more, apart);
        for track in 0..2 {
            let (before, after) = (rtp(&packets, track), rtp(&more, track));
            let (last, next) = (before[before.len() - 1], after[0]);
            assert_eq!(next.1, last.1.wrapping_add(1), "sequence numbers of track {track} go on");
            let first = rtptimes[&track];
            // RFC 2326 B: RTP time goes on without a gap, or jumps as RTP-Info says.
            assert!(client.seconds(track, first, resumed[&track]) > 0.5);
            let reached = client.reached(track, &again, &more);
            assert!(
                reached.is_some_and(|at| at >= npt + 0.5),
                "track {track} goes on: {reached:?}"
            );
        }
        // Playing again from the start is playing again from the start.
        let start = client.play("npt=0-");
        assert!(start.npt_start().is_some_and(|npt| npt < 0.01), "{start:?}");
        let packets = client.packets_up_to(0.2, &start);
        check_rtp_info(&client, &start, &packets);
        assert_eq!(client.tear_down(None).status, 200);
    }
}

#[test]
fn seeking_goes_to_the_key_frame_before_and_an_end_is_an_end() {
    let server = Server::of_media();
    for (file, over) in [
        ("h264_aac.mkv", Over::Tcp),
        ("no_cues.mkv", Over::Udp),
        ("bframes.h264", Over::Udp),
        ("slices.265", Over::Tcp),
        ("vbr.mp3", Over::Udp),
        ("stereo.aac", Over::Tcp),
        ("pcm16.wav", Over::Udp),
        ("program.ts", Over::Tcp),
        ("program.m2ts", Over::Udp),
    ] {
        let mut client = Client::set_up(&server.url(file), over);
        let play = client.play("npt=2.2-3.2");
        let start = play.npt_start().expect("PLAY answers with a Range");
        assert!((1.0..=2.3).contains(&start), "{file}: asked for 2.2, got {start}");
        let mut packets = client.packets_up_to(2.7, &play);
        packets.extend(client.packets_for(seconds(2.0)));
        check_rtp_info(&client, &play, &packets);
        for track in 0..client.track_count() {
            let last = client.reached(track, &play, &packets).expect("it has played");
            assert!((2.7..=3.45).contains(&last), "{file} track {track}: ends at {last}");
        }
        assert_eq!(client.tear_down(None).status, 200);
    }
}

#[test]
fn a_position_that_is_not_there_is_457() {
    let server = Server::of_media();
    let mut client = Client::set_up(&server.url("h264_aac.mkv"), Over::Tcp);
    let url = server.url("h264_aac.mkv");
    assert_eq!(client.request("PLAY", &url, "Range: npt=100-\r\n").status, 457);
    assert_eq!(client.request("PLAY", &url, "Range: npt=0-\r\n").status, 200);
}

#[test]
fn one_track_ends_and_the_other_plays_on() {
    let server = Server::of_media();
    let mut client = Client::set_up(&server.url("h264_aac.mkv"), Over::Tcp);
    let play = client.play("");
    client.packets_up_to(0.3, &play);
    assert_eq!(client.tear_down(Some(0)).status, 200);
    client.packets_for(seconds(0.2));
    let packets = client.packets_until(|_, packets| rtp(packets, 1).len() > 4);
    assert!(rtp(&packets, 0).is_empty(), "track 0 was torn down");
    assert!(rtp(&packets, 1).len() > 4, "track 1 plays on");
    assert_eq!(client.tear_down(None).status, 200);
    // The session is gone.
    let url = server.url("h264_aac.mkv");
    assert_eq!(client.request("PLAY", &url, "").status, 454);
}

#[test]
fn names_are_found_and_kept_in() {
    let server = Server::of_media();
    let mut client = Client::connect(&server.url("a file.mkv"), Over::Tcp);
    assert_eq!(client.describe().status, 200);
    assert_eq!(client.track_count(), 2);
    let mut client = Client::connect(&server.url("h264_opus.mkv"), Over::Tcp);
    assert_eq!(client.describe().status, 200);
    assert_eq!(client.track_count(), 2);
    for name in [
        "missing.mkv",
        "",
        "../media/a%20file.mkv",
        "%2e%2e/media/h264_aac.mkv",
        "..%2fmedia%2fh264_aac.mkv",
        "../README.md",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "h264_aac.mkv%00.mkv",
        "h264_aac.mkv%00",
    ] {
        let url = format!("rtsp://{}/{name}", server.address);
        let status = client.request("DESCRIBE", &url, "").status;
        assert!(matches!(status, 400 | 404), "{name}: {status}");
    }
    let nothing = client.request("OPTIONS", "*", "");
    assert_eq!(nothing.status, 200);
    assert!(nothing.header("Public").is_some_and(|p| p.contains("SETUP")));
}

#[test]
fn bad_files_do_no_harm() {
    let folder = testdata("bad");
    let mut server = Server::start(&mixed_folder(&folder), &[]);
    let mut served = 0;
    for entry in std::fs::read_dir(&folder).expect("testdata/bad is there") {
        let name = entry.expect("read it").file_name().to_string_lossy().into_owned();
        let mut client = Client::connect(&server.url(&name), Over::Tcp);
        let response = client.describe();
        if response.status != 200 {
            assert!((400..=599).contains(&response.status), "{name}: {response:?}");
            assert!(!name.is_empty() && response.body.is_empty());
            continue;
        }
        // The first part of a file may be served as far as it goes.
        assert!(name.starts_with("cut"), "{name} is served:\n{}", response.body);
        served += 1;
        for track in 0..client.track_count() {
            assert_eq!(client.set_up_track(track).status, 200, "{name}");
        }
        let url = server.url(&name);
        client.request("PLAY", &url, "");
        client.packets_for(seconds(0.5));
        assert!(server.runs(), "{name} has ended the server");
    }
    assert!(served < 12, "only some of the files that are cut off can be served");
    let mut client = Client::set_up(&server.url("good.mp3"), Over::Udp);
    client.play("");
    let packets = client.packets_until(|_, packets| packets.len() > 5);
    assert!(packets.len() > 5, "the server goes on");
}

/// A copy of `folder` with a good file in it.
fn mixed_folder(folder: &std::path::Path) -> std::path::PathBuf {
    // Kept until the process ends: the server reads from it.
    let mixed = tempfile::tempdir().expect("make a folder").keep();
    for entry in std::fs::read_dir(folder).expect("read a folder") {
        let path = entry.expect("read it").path();
        let name = path.file_name().expect("a file has a name");
        std::fs::copy(&path, mixed.join(name)).expect("copy a file");
    }
    let good = testdata("media").join("cbr.mp3");
    std::fs::copy(good, mixed.join("good.mp3")).expect("copy a file");
    mixed
}

#[test]
fn one_live_stream_for_all() {
    let server = Server::start(&testdata("media"), &["--reuse-first-source", "--loop"]);
    let url = server.url("a file.mkv");
    let mut first = Client::set_up(&url, Over::Udp);
    let play = first.play("");
    let before = first.packets_up_to(0.5, &play);
    let mut second = Client::set_up(&url, Over::Tcp);
    second.play("");
    // The file has two seconds.
    let span = |client: &Client, track, packets: &[Packet]| {
        let arrived = rtp(packets, track);
        let ends = arrived.first().zip(arrived.last());
        ends.map_or(0.0, |(first, last)| client.seconds(track, first.2, last.2))
    };
    let on_two = second
        .packets_until(|client, packets| (0..2).all(|track| span(client, track, packets) > 2.3));
    let on_one = first.packets_for(seconds(0.3));
    let ssrc = |packets: &[Packet], track: usize| {
        packets.iter().find_map(|p| match p.content {
            Content::Rtp { ssrc, .. } if p.track == track => Some(ssrc),
            _ => None,
        })
    };
    for track in 0..2 {
        let one = ssrc(&before, track);
        assert!(one.is_some(), "track {track} plays");
        assert_eq!(one, ssrc(&on_two, track), "track {track} is one stream");
        let span = span(&second, track, &on_two);
        assert!(span > 2.3, "track {track} loops: {span} s");
    }
    assert!(!on_two.iter().any(|p| matches!(p.content, Content::Bye)));
    drop(second);
    assert!(!on_one.is_empty());
    let on_one = first.packets_until(|_, packets| rtp(packets, 0).len() > 10);
    assert!(rtp(&on_one, 0).len() > 10, "one client's end is not the other's");
}

#[test]
fn a_full_server_says_so() {
    let server = Server::start(&testdata("media"), &["--max-sessions", "1"]);
    let url = server.url("cbr.mp3");
    let mut first = Client::set_up(&url, Over::Tcp);
    let mut second = Client::connect(&url, Over::Tcp);
    assert_eq!(second.describe().status, 200);
    let refused = second.set_up_track(0);
    assert_eq!(refused.status, 503);
    assert!(refused.header("Retry-After").is_some());
    assert_eq!(first.tear_down(None).status, 200);
    assert_eq!(second.set_up_track(0).status, 200);
    // A session that streams over a connection ends with it, and its place is free at once.
    second.play("");
    drop(second);
    std::thread::sleep(seconds(0.2));
    let mut third = Client::connect(&url, Over::Udp);
    third.describe();
    assert_eq!(third.set_up_track(0).status, 200);
}

#[test]
fn an_interrupt_ends_it_with_goodbyes() {
    for over in BOTH {
        let mut server = Server::of_media();
        let mut client = Client::set_up(&server.url("h264_aac.mkv"), over);
        let play = client.play("");
        client.packets_up_to(0.3, &play);
        let status = server.interrupt(seconds(5.0)).expect("it ends in time");
        assert!(status.success(), "{status}");
        let mut goodbyes = [false; 2];
        while let Some(packet) = client.next_packet(seconds(0.3)) {
            if matches!(packet.content, Content::Bye) {
                goodbyes[packet.track] = true;
            }
        }
        // Over UDP the goodbyes have come before the connection closes: they are in the sockets.
        assert_eq!(goodbyes, [true; 2], "over {over:?}");
    }
}

#[test]
fn nonsense_is_answered_and_others_play_on() {
    let mut server = Server::of_media();
    let mut player = Client::set_up(&server.url("h264_aac.mkv"), Over::Tcp);
    player.play("");
    for nonsense in [
        &b"\r\n\r\n\r\nNONSENSE\r\n\r\n"[..],
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"DESCRIBE rtsp://x/ RTSP/7.3\r\nCSeq: 1\r\n\r\n",
        b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 99999999999\r\n\r\n",
        b"\x00\x01\x02\x03\xff\xff\xff\xff\r\n\r\n",
        b"DESCRIBE",
        b"$\x00\xff\xff abc",
        b"SETUP rtsp://x/h264_aac.mkv RTSP/1.0\r\nCSeq: 3\r\nTransport: ;;;,,,\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(&server.address).expect("connect");
        stream.write_all(nonsense).expect("send it");
        stream.set_read_timeout(Some(seconds(0.3))).expect("set a time-out");
        let mut answer = [0; 512];
        if let Ok(n) = stream.read(&mut answer) {
            let answer = String::from_utf8_lossy(&answer[..n]);
            assert!(!answer.starts_with("RTSP/1.0 200"), "{answer}");
        }
    }
    let long = vec![b'a'; 1 << 20];
    let mut stream = TcpStream::connect(&server.address).expect("connect");
    // The server may close before all of it is sent.
    let _ = stream.write_all(&long);
    assert!(server.runs());
    let packets = player.packets_until(|_, packets| rtp(packets, 0).len() > 5);
    assert!(rtp(&packets, 0).len() > 5, "the player plays on");
}
