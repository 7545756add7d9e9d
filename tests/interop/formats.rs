//! Payload formats against GStreamer's payloaders and depayloaders, without a network between them, and against
//! FFmpeg's:
//! what comes out is what the encoder has made, and descriptions are understood by both.
//!
//! Each format has a row in a table of a file in `formats`. What FFmpeg 5.1 and GStreamer 1.22 of
//! Debian 12 send (their payloaders, which the crate receives from) and receive (their depayloaders,
//! which it sends to):
//!
//! | format | GStreamer | FFmpeg |
//! | --- | --- | --- |
//! | H.264 | both; sends mode 1 alone | both, in modes 0 and 1 |
//! | H.265, AAC, MPEG audio, transport streams, L16, L24, PCMU, PCMA | both | both |
//! | L8 | both | sends it without a description, and does not receive it |
//! | MPEG-1 video | its payloader takes MPEG-2 alone; receives | both |
//! | MPEG-2 video, MPEG-4 video, VP8, VP9, JPEG | both | both; sends no JPEG of 4:2:2 |
//! | AV1, E-AC-3, ONVIF metadata | neither | neither |
//! | Opus, Vorbis, Speex, G.722, G.726, AAC in LATM | both | both; Opus in stereo alone |
//! | AMR, AMR-WB | both, octet-aligned alone | both, octet-aligned alone |
//! | iLBC | both | both |
//! | GSM, AC-3 | both | receives |
//! | KLV | both | neither |
//! | text | neither | receives, without redundancy |
//!
//! A row of a format that a peer only receives has frames of its own; GStreamer plays MPEG-1 video
//! among the files of `others`.

use crate::gstreamer::PYTHON;
use crate::streams::same_bytes;
use crate::tools::{Extent, all, extent, have, run, scratch};
use riverrun::Frame;
use riverrun::payload::{
    DepacketizedFrame, DepacketizedFrames, FormatRegistry, PacketBuffer, PayloadFormat, RtpPayload,
};
use riverrun::rtp::RtpSink;
use riverrun::wire::rtp::RtpPacket;
use riverrun::wire::sdp::{MediaDescription, SessionDescription};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

#[cfg(feature = "audio-formats")]
mod audio;
mod basic;
#[cfg(feature = "data-formats")]
mod data;
mod ffmpeg;
#[cfg(feature = "video-formats")]
mod video;

/// Compares what was sent with what has arrived.
pub(crate) type Same = fn(&[u8], &[u8]) -> Result<(), String>;

/// A format and the elements of GStreamer for it, in the syntax of gst-launch-1.0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// Source and encoder; the source named `made` has the frames of `made`.
    pub(crate) encoder: &'static str,
    pub(crate) made: fn() -> Vec<Record>,
    pub(crate) payloader: &'static str,
    pub(crate) depayloader: &'static str,
    /// How the crate cuts the stream into frames.
    pub(crate) frames: Frames,
    /// Whether the payloader sends no packet with the frames that wait when the stream ends.
    pub(crate) keeps_last: bool,
    pub(crate) same: Same,
    /// The formats that the crate sends.
    pub(crate) formats: fn() -> FormatRegistry,
}

/// How the frames that a depacketizer gives are related to those that GStreamer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frames {
    /// They are the same, and have the same times.
    Same,
    /// They contain the same bytes.
    Bytes,
}

impl Row {
    pub(crate) const fn new(
        name: &'static str,
        encoder: &'static str,
        payloader: &'static str,
        depayloader: &'static str,
    ) -> Self {
        Self {
            name,
            encoder,
            made: Vec::new,
            payloader,
            depayloader,
            frames: Frames::Same,
            keeps_last: false,
            same: same_bytes,
            formats: FormatRegistry::new,
        }
    }

    pub(crate) const fn made(self, made: fn() -> Vec<Record>) -> Self {
        Self { made, ..self }
    }

    pub(crate) const fn same(self, same: Same) -> Self {
        Self { same, ..self }
    }

    pub(crate) const fn sent_by(self, formats: fn() -> FormatRegistry) -> Self {
        Self { formats, ..self }
    }

    pub(crate) const fn bytes(self) -> Self {
        Self { frames: Frames::Bytes, ..self }
    }

    pub(crate) const fn keeps_last(self) -> Self {
        Self { keeps_last: true, ..self }
    }

    fn elements(&self) -> impl Iterator<Item = &str> {
        let all = [self.encoder, self.payloader, self.depayloader];
        all.into_iter().flat_map(|bin| bin.split('!')).filter_map(|element| {
            let element = element.split_whitespace().next()?;
            (!element.contains(['/', '='])).then_some(element)
        })
    }
}

/// A frame or a packet in a file of `formats.py`.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pts: Duration,
    duration: Duration,
    data: Vec<u8>,
}

impl Record {
    fn new(pts: Duration, data: &[u8]) -> Self {
        Self { pts, duration: Duration::ZERO, data: data.to_vec() }
    }
}

fn read_records(file: &Path) -> Result<Vec<Record>, String> {
    let bytes = std::fs::read(file).map_err(|e| format!("{}: {e}", file.display()))?;
    let (mut rest, mut records) = (&bytes[..], Vec::new());
    while let Some((head, tail)) = rest.split_first_chunk::<20>() {
        let number = |at: usize| u64::from_be_bytes(head[at..at + 8].try_into().expect("eight"));
        let len = u32::from_be_bytes(head[16..].try_into().expect("four")) as usize;
        let (data, tail) = tail.split_at_checked(len).ok_or("a file ends early")?;
        let [pts, duration] = [0, 8].map(|at| Duration::from_nanos(number(at)));
        records.push(Record { pts, duration, data: data.to_vec() });
        rest = tail;
    }
    Ok(records)
}

fn write_records(file: &Path, records: &[Record]) -> Result<(), String> {
    let mut bytes = Vec::new();
    for Record { pts, duration, data } in records {
        bytes.extend((pts.as_nanos() as u64).to_be_bytes());
        bytes.extend((duration.as_nanos() as u64).to_be_bytes());
        bytes.extend((data.len() as u32).to_be_bytes());
        bytes.extend(data);
    }
    std::fs::write(file, bytes).map_err(|e| e.to_string())
}

/// Runs `formats.py`; once more if it fails, and says so: on a machine that has much else to do a
/// pipeline of GStreamer's at times does not end. A fault that is always there fails twice.
fn python(arguments: &[&str], folder: &Path) -> Result<(), String> {
    let play = || {
        let mut command = Command::new(PYTHON);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/formats.py"));
        let played = run(command.args(arguments), folder, Duration::from_secs(60));
        if played.succeeded { Ok(()) } else { Err(format!("GStreamer: {}", played.complaints)) }
    };
    play().or_else(|fault| {
        eprintln!("{arguments:?}, once more: {fault}");
        play()
    })
}

/// The frames that a depacketizer makes of GStreamer's packets.
fn depacketize(
    format: &PayloadFormat,
    packets: &[Record],
) -> Result<Vec<DepacketizedFrame>, String> {
    let formats = FormatRegistry::standard();
    let mut depacketizer = formats.depacketizer(format).map_err(|e| e.to_string())?;
    let mut frames = DepacketizedFrames::new();
    for Record { data, .. } in packets {
        let packet = RtpPacket::parse(data).map_err(|e| e.to_string())?;
        let payload = RtpPayload::new(packet.payload, packet.timestamp).with_marker(packet.marker);
        depacketizer
            .handle_payload(&payload, &mut frames)
            .map_err(|e| format!("{e}: {:02x?}", packet.payload))?;
    }
    depacketizer.handle_end(&mut frames);
    Ok(std::iter::from_fn(|| frames.pop()).collect())
}

fn bytes<'a>(frames: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    frames.into_iter().flatten().copied().collect()
}

/// Compares what has come with what the encoder has made.
fn compare(
    row: &Row,
    sent: &[Record],
    arrived: &[DepacketizedFrame],
    clock_rate: u32,
) -> Result<(), String> {
    let most = if row.keeps_last { arrived.len().max(sent.len() / 2) } else { sent.len() };
    let sent = sent.get(..most).unwrap_or(sent);
    let sent_bytes = bytes(sent.iter().map(|record| &record.data[..]));
    (row.same)(&sent_bytes, &bytes(arrived.iter().map(|frame| &frame.data[..])))?;
    if arrived.iter().any(|frame| frame.damaged || frame.discontinuity) {
        return Err("frames are marked as damaged".to_owned());
    }
    if row.frames == Frames::Bytes {
        return Ok(());
    }
    if arrived.len() != sent.len() {
        return Err(format!("{} frames of {} arrived", arrived.len(), sent.len()));
    }
    for (sent_one, frame) in sent.iter().zip(arrived) {
        let since = frame.timestamp.wrapping_sub(arrived[0].timestamp) as i32;
        let expected = sent_one.pts.as_secs_f64() - sent[0].pts.as_secs_f64();
        let off = f64::from(since) / f64::from(clock_rate) - expected;
        // The first packets of Vorbis, for one, have times that depend on what was before.
        if off.abs() > 0.005 {
            return Err(format!("the frame of {:?} is {off} s off", sent_one.pts));
        }
    }
    Ok(())
}

/// The packets that the crate sends of frames.
fn packetize(
    format: &PayloadFormat,
    sender: Box<dyn riverrun::payload::Packetizer>,
    frames: &[Record],
) -> Result<Vec<Record>, String> {
    let mut sink = RtpSink::new(format, sender, 1448, [7; 12]).map_err(|e| e.to_string())?;
    let (mut packets, mut batch) = (Vec::new(), PacketBuffer::default());
    let mut take = |batch: &PacketBuffer, pts| {
        packets.extend(
            (0..batch.spans().len())
                .filter_map(|i| batch.packet(i))
                .map(|packet| Record::new(pts, packet)),
        );
    };
    for Record { pts, duration, data } in frames {
        sink.handle_frame(&Frame::new(data.clone(), *pts, *duration), *pts, &mut batch);
        take(&batch, *pts);
    }
    sink.flush(&mut batch);
    take(&batch, frames.last().map_or(Duration::ZERO, |last| last.pts));
    Ok(packets)
}

fn both_ways(row: &Row) -> Result<(), String> {
    let (_folder, folder) = scratch();
    write_records(&folder.join("made"), &(row.made)())?;
    python(&["pay", row.encoder, row.payloader], &folder)?;
    let sdp = std::fs::read(folder.join("sdp")).map_err(|e| e.to_string())?;
    let said = || String::from_utf8_lossy(&sdp).into_owned();
    let sdp_of_theirs = SessionDescription::parse(&sdp).map_err(|e| format!("{e}: {}", said()))?;
    let formats = FormatRegistry::standard();
    let media = sdp_of_theirs.media.first().ok_or("no media")?;
    let theirs = formats.format_in(media).map_err(|e| format!("{e}: {}", said()))?;
    let parameters = formats.parameters(&theirs).map_err(|e| format!("{e}: {}", said()))?;
    let sent = read_records(&folder.join("frames"))?;
    if sent.len() < 5 {
        return Err(format!("{} frames are too few", sent.len()));
    }
    let arrived = depacketize(&theirs, &read_records(&folder.join("packets"))?)?;
    compare(row, &sent, &arrived, theirs.clock_rate)?;

    let (ours, sender) = (row.formats)().sender(&parameters, 97).map_err(|e| e.to_string())?;
    let mut media = MediaDescription::new(&*ours.media, 0, "RTP/AVP", ours.payload_type);
    ours.write_to(&mut media);
    // As a relay passes it on: GStreamer knows the size of large pictures of JPEG by nothing else.
    let size =
        theirs.dimensions.map(|(width, height)| format!("a=x-dimensions:{width},{height}\r\n"));
    let sdp = format!("v=0\r\n{media}{}", size.unwrap_or_default());
    std::fs::write(folder.join("sdp"), sdp).map_err(|e| e.to_string())?;
    write_records(&folder.join("packets"), &packetize(&ours, sender, &sent)?)?;
    python(&["depay", row.depayloader], &folder).map_err(|e| format!("{e}, with {media}"))?;
    let arrived = read_records(&folder.join("arrived"))?;
    let arrived = bytes(arrived.iter().map(|record| &record.data[..]));
    let sent = bytes(sent.iter().map(|record| &record.data[..]));
    // Headers may come first.
    let tail = arrived.get(arrived.len().saturating_sub(sent.len())..).unwrap_or_default();
    (row.same)(&sent, tail)
        .or_else(|_| (row.same)(&sent, &arrived))
        .map_err(|e| format!("GStreamer's depayloader: {e}, with {media}"))
}

/// Whether rows are run: not where some files are to be played.
fn are_wanted() -> bool {
    !matches!(extent(), Extent::Skip | Extent::Named(_))
}

/// Runs the rows whose elements are there.
pub(crate) fn check(rows: &[Row]) {
    const IMPORT: &str = "import gi; gi.require_version('GstSdp', '1.0')";
    if !are_wanted() || !have("GStreamer's SDP for Python", &[PYTHON, "-c", IMPORT]) {
        return;
    }
    let elements: BTreeSet<&str> = rows.iter().flat_map(Row::elements).collect();
    let is_there = |element: &&&str| {
        have(&format!("GStreamer's {element}"), &["gst-inspect-1.0", "--exists", element])
    };
    let there: BTreeSet<&str> = elements.iter().filter(is_there).copied().collect();
    let rows = rows.iter().filter(|row| row.elements().all(|element| there.contains(element)));
    all(rows.map(|row| (row.name.to_owned(), row)).collect(), both_ways);
}
