//! The same formats against FFmpeg's, over UDP on the loopback interface: its `rtp` muxer sends, and
//! it receives what a description in a file says.

use super::{Record, Same, are_wanted, bytes, depacketize, packetize};
use crate::ffmpeg::ffmpeg;
use crate::streams::same_bytes;
use crate::tools::{all, have, once_more_over_udp, run, run_now, scratch, turn_of_player};
use riverrun::codec::CodecParameters;
use riverrun::payload::FormatRegistry;
use riverrun::wire::sdp::{MediaDescription, SessionDescription};
use std::net::UdpSocket;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Makes frames, and says of what codec.
type Made = fn() -> (CodecParameters, Vec<Record>);

/// A format, and what of it is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    name: &'static str,
    /// Arguments with which FFmpeg makes the stream, if it sends it: then what it sends is received,
    /// and sent back.
    encoder: &'static str,
    /// Options of its `rtp` muxer.
    muxer: &'static str,
    /// The description, if FFmpeg writes none.
    sdp: &'static str,
    /// Frames of the test's own, for which FFmpeg has no encoder, and what comes before them in the
    /// file `made`, if FFmpeg sends that file.
    made: Option<(Made, &'static str)>,
    /// Whether FFmpeg does not send the frames that wait when the stream ends.
    keeps_last: bool,
    same: Same,
    formats: fn() -> FormatRegistry,
}

impl Row {
    /// What an encoder of FFmpeg's makes.
    pub(crate) const fn new(name: &'static str, encoder: &'static str) -> Self {
        Self {
            name,
            encoder,
            muxer: "",
            sdp: "",
            made: None,
            keeps_last: false,
            same: same_bytes,
            formats: FormatRegistry::new,
        }
    }

    /// Frames that FFmpeg only receives.
    pub(crate) const fn made(name: &'static str, made: Made) -> Self {
        Self { made: Some((made, "")), ..Self::new(name, "") }
    }

    /// Frames that FFmpeg sends as they are in the file `made`, behind `header`.
    pub(crate) const fn in_file(
        name: &'static str,
        encoder: &'static str,
        header: &'static str,
        made: Made,
    ) -> Self {
        Self { made: Some((made, header)), ..Self::new(name, encoder) }
    }

    pub(crate) const fn muxer(self, muxer: &'static str) -> Self {
        Self { muxer, ..self }
    }

    pub(crate) const fn described_by(self, sdp: &'static str) -> Self {
        Self { sdp, ..self }
    }

    pub(crate) const fn keeps_last(self) -> Self {
        Self { keeps_last: true, ..self }
    }

    pub(crate) const fn same(self, same: Same) -> Self {
        Self { same, ..self }
    }

    pub(crate) const fn sent_by(self, formats: fn() -> FormatRegistry) -> Self {
        Self { formats, ..self }
    }
}

const PATIENCE: Duration = Duration::from_secs(60);

/// Two sockets on ports of which the first is even.
fn port_pair() -> (UdpSocket, UdpSocket, u16) {
    let bind = |port: u16| UdpSocket::bind(("127.0.0.1", port));
    let pair = std::iter::repeat_with(|| {
        let rtp = bind(0).ok()?;
        let port = rtp.local_addr().ok()?.port();
        let rtcp = bind(port.checked_add(1)?).ok()?;
        (port % 2 == 0).then_some((rtp, rtcp, port))
    });
    pair.take(1000).flatten().next().expect("a pair of ports")
}

/// What FFmpeg sends: its description and its packets. What its encoder has made is in `sent`.
fn receive(row: &Row, folder: &Path) -> Result<(Vec<u8>, Vec<Record>), String> {
    let (rtp, _rtcp, port) = port_pair();
    rtp.set_read_timeout(Some(Duration::from_millis(100))).map_err(|e| e.to_string())?;
    let ended = AtomicBool::new(false);
    let packets = std::thread::scope(|scope| {
        let receiver = scope.spawn(|| {
            let (mut packets, mut buffer) = (Vec::new(), [0; 2048]);
            loop {
                // What it had sent is there when it has ended.
                let is_last = ended.load(Ordering::SeqCst);
                match rtp.recv(&mut buffer) {
                    Ok(len) => packets.push(Record::new(Duration::ZERO, &buffer[..len])),
                    Err(_) if is_last => return packets,
                    Err(_) => {}
                }
            }
        });
        let mut command = ffmpeg();
        let made: Vec<&str> = row.encoder.split_whitespace().collect();
        let codec = made.iter().position(|argument| argument.starts_with("-c")).unwrap_or(0);
        let (source, encoder) = made.split_at(codec);
        let bit_exact = ["-flags", "+bitexact"];
        // Twice the same: an encoder makes the same of the same.
        command.arg("-re").args(source);
        command.args(["-map", "0"]).args(encoder).args(bit_exact);
        command.args(["-f", "rtp"]).args(row.muxer.split_whitespace());
        if row.sdp.is_empty() {
            command.args(["-sdp_file", "sdp"]);
        }
        command.arg(format!("rtp://127.0.0.1:{port}?pkt_size=1400"));
        command.args(["-map", "0"]).args(encoder).args(bit_exact).args(["-f", "data", "sent"]);
        let played = run(&mut command, folder, PATIENCE);
        ended.store(true, Ordering::SeqCst);
        let packets = receiver.join().map_err(|_| "the receiver panicked".to_owned())?;
        if played.succeeded { Ok(packets) } else { Err(format!("FFmpeg: {}", played.complaints)) }
    })?;
    let sdp = match row.sdp {
        "" => std::fs::read(folder.join("sdp")).map_err(|e| e.to_string())?,
        sdp => sdp.into(),
    };
    Ok((sdp, packets))
}

/// Whether somebody has bound the port.
fn is_bound(port: u16) -> bool {
    let table = std::fs::read_to_string("/proc/net/udp").unwrap_or_default();
    table.contains(&format!(":{port:04X} "))
}

/// Sends frames to FFmpeg; returns the bytes of the frames that it has received.
fn send(
    row: &Row,
    parameters: &CodecParameters,
    frames: &[Record],
    folder: &Path,
) -> Result<Vec<u8>, String> {
    let (format, sender) = (row.formats)().sender(parameters, 97).map_err(|e| e.to_string())?;
    let packets = packetize(&format, sender, frames)?;
    // First, so that it takes the ports and the sender's patience begins when it starts.
    let _turn = turn_of_player();
    let (rtp, rtcp, port) = port_pair();
    drop((rtp, rtcp));
    let mut media = MediaDescription::new(&*format.media, port, "RTP/AVP", format.payload_type);
    format.write_to(&mut media);
    let sdp = format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=test\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n{media}"
    );
    std::fs::write(folder.join("own.sdp"), sdp).map_err(|e| e.to_string())?;
    let mut command = ffmpeg();
    command.args(["-protocol_whitelist", "file,udp,rtp", "-i", "own.sdp"]);
    // It does not find out which pictures of some formats are key frames, and waits for one.
    command.args(["-map", "0", "-c", "copy", "-copyinkf", "-f", "data", "arrived"]);
    let (played, sent) = std::thread::scope(|scope| {
        let sender = scope.spawn(|| send_all(&packets, port));
        (run_now(&mut command, folder, PATIENCE), sender.join())
    });
    sent.map_err(|_| "the sender panicked".to_owned())??;
    let arrived = std::fs::read(folder.join("arrived")).map_err(|e| e.to_string());
    arrived.map_err(|e| format!("{e}: {}, with {media}", played.complaints))
}

/// Sends packets and a BYE once the receiver is there.
fn send_all(packets: &[Record], port: u16) -> Result<(), String> {
    let until = Instant::now() + PATIENCE;
    while !is_bound(port) || !is_bound(port + 1) {
        if Instant::now() > until {
            return Err("FFmpeg does not listen".to_owned());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let (rtp, rtcp, _) = port_pair();
    let send = |socket: &UdpSocket, bytes: &[u8], port| {
        socket.send_to(bytes, ("127.0.0.1", port)).map(drop).map_err(|e| e.to_string())
    };
    for Record { data, .. } in packets {
        send(&rtp, data, port)?;
        std::thread::sleep(Duration::from_millis(5));
    }
    let ssrc = packets.first().and_then(|packet| packet.data.get(8..12)).unwrap_or_default();
    let bye = [&[0x80, 0xc9, 0, 1][..], ssrc, &[0x81, 0xcb, 0, 1], ssrc].concat();
    // The last packets may still be in its socket.
    std::thread::sleep(Duration::from_millis(300));
    send(&rtcp, &bye, port + 1)
}

fn both_ways(row: &Row) -> Result<(), String> {
    let (_folder, folder) = scratch();
    if let Some((make, header)) = row.made {
        let (parameters, frames) = make();
        let sent = bytes(frames.iter().map(|frame| &frame.data[..]));
        if row.encoder.is_empty() {
            return (row.same)(&sent, &send(row, &parameters, &frames, &folder)?);
        }
        let file = [header.as_bytes(), &sent].concat();
        std::fs::write(folder.join("made"), file).map_err(|e| e.to_string())?;
    }
    let (sdp, packets) = receive(row, &folder)?;
    let said = || String::from_utf8_lossy(&sdp).into_owned();
    let read = SessionDescription::parse(&sdp).map_err(|e| format!("{e}: {}", said()))?;
    let formats = FormatRegistry::standard();
    let media = read.media.first().ok_or("no media")?;
    let format = formats.format_in(media).map_err(|e| format!("{e}: {}", said()))?;
    let parameters = formats.parameters(&format).map_err(|e| format!("{e}: {}", said()))?;
    let arrived = depacketize(&format, &packets)?;
    let sent = std::fs::read(folder.join("sent")).map_err(|e| e.to_string())?;
    let first = arrived.first().map_or(0, |frame| frame.timestamp);
    let frames: Vec<_> = arrived
        .iter()
        .map(|frame| {
            let units = f64::from(frame.timestamp.wrapping_sub(first));
            let pts = Duration::from_secs_f64(units / f64::from(format.clock_rate));
            Record::new(pts, &frame.data)
        })
        .collect();
    let arrived = bytes(frames.iter().map(|frame| &frame.data[..]));
    let all = !row.keeps_last || arrived.len() < sent.len() / 2;
    let sent = if all { &sent } else { sent.get(..arrived.len()).unwrap_or(&sent) };
    (row.same)(sent, &arrived)?;
    let back = send(row, &parameters, &frames, &folder)?;
    (row.same)(sent, &back).map_err(|e| format!("to FFmpeg: {e}"))
}

/// Runs all rows if FFmpeg is there.
pub(crate) fn check(rows: &[Row]) {
    if !are_wanted() || !have("FFmpeg", &["ffmpeg", "-version"]) {
        return;
    }
    all(rows.iter().map(|row| (row.name.to_owned(), row)).collect(), |row| {
        once_more_over_udp("udp", || both_ways(row))
    });
}
