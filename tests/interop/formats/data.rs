//! The data formats of the feature `data-formats`.

use super::{Record, Row, check, ffmpeg};
use riverrun::codec::CodecParameters;
use riverrun::payload::FormatRegistry;
use riverrun::payload::text::PlainText;
use std::time::Duration;

// It has no elements for text: they are in a package of their own, of plugins in Rust.
const ROWS: [Row; 1] = [Row::new(
    "KLV",
    "appsrc name=made format=time caps=\"meta/x-klv,parsed=(boolean)true\"",
    "rtpklvpay",
    "rtpklvdepay",
)
.made(klv)];

/// Units of one item with a local set (MISB ST 0601), some larger than a packet.
fn klv() -> Vec<Record> {
    let unit = |n: u16| {
        let len = n * 300;
        let mut unit = vec![0x06, 0x0e, 0x2b, 0x34, 2, 0x0b, 1, 1, 0x0e, 1, 3, 1, 1, 0, 0, 0, 0x82];
        unit.extend(len.to_be_bytes());
        unit.resize(unit.len() + usize::from(len), n as u8);
        Record::new(Duration::from_millis(u64::from(n) * 40), &unit)
    };
    (0..20).map(unit).collect()
}

#[test]
fn gstreamer_and_the_crate_read_each_others_data() {
    check(&ROWS);
}

// It receives text, without redundancy, and sends none. It knows no KLV over RTP.
const OF_FFMPEG: [ffmpeg::Row; 1] =
    [ffmpeg::Row::made("text", text).sent_by(|| FormatRegistry::new().with(PlainText))];

fn text() -> (CodecParameters, Vec<Record>) {
    let piece = |n: u64| {
        Record::new(Duration::from_millis(n * 300), format!("Größe {n}\u{2028}").as_bytes())
    };
    (CodecParameters::Text, (0..10).map(piece).collect())
}

#[test]
fn ffmpeg_reads_the_data_of_the_crate() {
    ffmpeg::check(&OF_FFMPEG);
}
