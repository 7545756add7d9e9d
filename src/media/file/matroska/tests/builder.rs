//! Writes Matroska files, sound and unsound ones.

use super::super::ebml::id;

/// An element with its header; the size takes eight bytes.
pub(super) fn element(id: u32, data: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = id.to_be_bytes().into_iter().skip_while(|&byte| byte == 0).collect();
    out.extend(((1_u64 << 56) | data.len() as u64).to_be_bytes());
    out.extend_from_slice(data);
    out
}

/// An unsigned integer element.
pub(super) fn number(id: u32, value: u64) -> Vec<u8> {
    element(id, &value.to_be_bytes())
}

/// An element of unknown size.
pub(super) fn unknown_size(id: u32, content: &[u8]) -> Vec<u8> {
    let mut out = element(id, &[]);
    let size = out.len() - 8;
    out.truncate(size);
    out.extend([1, 255, 255, 255, 255, 255, 255, 255]);
    out.extend_from_slice(content);
    out
}

/// An element that claims `size` bytes of content whatever there is.
pub(super) fn lying(id: u32, size: u64, content: &[u8]) -> Vec<u8> {
    let mut out = element(id, &[]);
    let header = out.len() - 8;
    out.truncate(header);
    out.extend(((1_u64 << 56) | size).to_be_bytes());
    out.extend_from_slice(content);
    out
}

pub(super) fn ebml_header() -> Vec<u8> {
    element(id::EBML, &element(0x4282, b"matroska"))
}

pub(super) fn info(duration: Option<f64>) -> Vec<u8> {
    let mut content = number(id::TIMESTAMP_SCALE, 1_000_000);
    if let Some(duration) = duration {
        content.extend(element(id::DURATION, &duration.to_bits().to_be_bytes()));
    }
    element(id::INFO, &content)
}

/// Track 1, H.264; SPS 67 01 02 03, PPS 68 04.
pub(super) fn h264_track() -> Vec<u8> {
    let avcc = [1, 66, 0, 30, 0xff, 0xe1, 0, 4, 0x67, 1, 2, 3, 1, 0, 2, 0x68, 4];
    let video = [number(0xb0, 16), number(0xba, 16)].concat();
    let entry = [
        number(0xd7, 1),
        number(0x73c5, 1),
        number(0x83, 1),
        element(0x86, b"V_MPEG4/ISO/AVC"),
        number(0x23_e383, 40_000_000),
        element(0x63a2, &avcc),
        element(0xe0, &video),
    ];
    element(id::TRACK_ENTRY, &entry.concat())
}

/// An audio track.
pub(super) fn audio_track(track: u64, codec: &str, rate: f64, more: &[u8]) -> Vec<u8> {
    let audio = [element(0xb5, &rate.to_bits().to_be_bytes()), number(0x9f, 1), number(0x6264, 16)];
    let entry = [
        number(0xd7, track),
        number(0x73c5, track),
        number(0x83, 2),
        element(0x86, codec.as_bytes()),
        element(0xe1, &audio.concat()),
        more.to_vec(),
    ];
    element(id::TRACK_ENTRY, &entry.concat())
}

/// The content of a block.
pub(super) fn block(track: u8, time: i16, flags: u8, data: &[u8]) -> Vec<u8> {
    let mut out = vec![0x80 | track];
    out.extend(time.to_be_bytes());
    out.push(flags);
    out.extend_from_slice(data);
    out
}

pub(super) fn simple(track: u8, time: i16, flags: u8, data: &[u8]) -> Vec<u8> {
    element(id::SIMPLE_BLOCK, &block(track, time, flags, data))
}

pub(super) fn cluster(time: u64, blocks: &[Vec<u8>]) -> Vec<u8> {
    element(id::CLUSTER, &[number(id::TIMESTAMP, time), blocks.concat()].concat())
}

/// A picture of one slice, with its length in front.
pub(super) fn picture(key: bool, n: u8) -> Vec<u8> {
    vec![0, 0, 0, 3, if key { 0x65 } else { 0x41 }, n, 0x80]
}

/// A whole file.
pub(super) fn file(parts: &[Vec<u8>]) -> Vec<u8> {
    [ebml_header(), element(id::SEGMENT, &parts.concat())].concat()
}

pub(super) fn tracks(entries: &[Vec<u8>]) -> Vec<u8> {
    element(id::TRACKS, &entries.concat())
}

/// Ten seconds, a cluster a second of 25 pictures and 50 frames of PCM of 20 ms at 1000 Hz. The
/// file from the first cluster on.
pub(super) fn ten_seconds() -> Vec<Vec<u8>> {
    ten_seconds_from(0)
}

/// The same that begin at `start` milliseconds.
pub(super) fn ten_seconds_from(start: u64) -> Vec<Vec<u8>> {
    (0..10_u64)
        .map(|second| {
            let mut blocks = Vec::new();
            for i in 0..25_u8 {
                let time = i16::from(i) * 40;
                let flags = if i == 0 { 0x80 } else { 0 };
                blocks.push(simple(1, time, flags, &picture(i == 0, second as u8)));
                blocks.push(simple(2, time, 0x80, &[second as u8, i].repeat(20)));
                blocks.push(simple(2, time + 20, 0x80, &[second as u8, i].repeat(20)));
            }
            cluster(start + second * 1000, &blocks)
        })
        .collect()
}
