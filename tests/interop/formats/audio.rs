//! The audio formats of the feature `audio-formats`.

use super::{Record, Row, check, ffmpeg};
use crate::server::testdata;
use riverrun::codec::{CodecParameters, ac3::SyncFrame};
use riverrun::payload::FormatRegistry;
use riverrun::payload::latm::LatmEntry;
use std::time::Duration;

// It has no elements for E-AC-3.
const ROWS: [Row; 14] = [
    Row::new(
        "Opus, stereo",
        "audiotestsrc num-buffers=25 wave=ticks samplesperbuffer=960 \
         ! audio/x-raw,rate=48000,channels=2 ! opusenc",
        "rtpopuspay",
        "rtpopusdepay",
    ),
    Row::new(
        "Opus, mono, 60 ms",
        "audiotestsrc num-buffers=50 samplesperbuffer=960 ! audio/x-raw,rate=48000,channels=1 \
         ! opusenc frame-size=60",
        "rtpopuspay",
        "rtpopusdepay",
    ),
    Row::new(
        "Opus, six channels",
        "audiotestsrc num-buffers=25 samplesperbuffer=960 ! audio/x-raw,rate=48000,channels=6 \
         ! opusenc",
        "rtpopuspay",
        "rtpopusdepay",
    ),
    Row::new(
        "Vorbis",
        "audiotestsrc num-buffers=60 wave=pink-noise ! audio/x-raw,rate=44100,channels=2 \
         ! vorbisenc",
        "rtpvorbispay",
        "rtpvorbisdepay",
    )
    .keeps_last(),
    Row::new(
        "Speex",
        "audiotestsrc num-buffers=50 samplesperbuffer=320 ! audio/x-raw,rate=16000,channels=1 \
         ! speexenc",
        "rtpspeexpay",
        "rtpspeexdepay",
    ),
    Row::new(
        "GSM",
        "audiotestsrc num-buffers=50 samplesperbuffer=160 ! audio/x-raw,rate=8000,channels=1 \
         ! gsmenc",
        "rtpgsmpay",
        "rtpgsmdepay",
    ),
    Row::new(
        "G.722",
        "audiotestsrc num-buffers=50 samplesperbuffer=320 ! audio/x-raw,rate=16000,channels=1 \
         ! avenc_g722",
        "rtpg722pay",
        "rtpg722depay",
    )
    .bytes(),
    Row::new(
        "G.726 at 24 kbit/s",
        "audiotestsrc num-buffers=150 samplesperbuffer=160 ! audio/x-raw,rate=8000,channels=1 \
         ! avenc_g726 bitrate=24000",
        "rtpg726pay",
        "rtpg726depay",
    )
    .bytes(),
    Row::new(
        "G.726 at 32 kbit/s, as for AAL2",
        "audiotestsrc num-buffers=150 samplesperbuffer=160 ! audio/x-raw,rate=8000,channels=1 \
         ! avenc_g726 bitrate=32000",
        "rtpg726pay force-aal2=false ! application/x-rtp,encoding-name=AAL2-G726-32",
        "rtpg726depay",
    )
    .bytes(),
    Row::new(
        "AMR",
        "audiotestsrc num-buffers=50 samplesperbuffer=160 ! audio/x-raw,rate=8000,channels=1 \
         ! amrnbenc",
        "rtpamrpay",
        "rtpamrdepay",
    ),
    Row::new(
        "AMR-WB",
        "audiotestsrc num-buffers=50 samplesperbuffer=320 ! audio/x-raw,rate=16000,channels=1 \
         ! voamrwbenc",
        "rtpamrpay",
        "rtpamrdepay",
    ),
    Row::new(
        "AC-3",
        "audiotestsrc num-buffers=50 samplesperbuffer=1536 ! audio/x-raw,rate=48000,channels=2 \
         ! avenc_ac3 bitrate=192000 ! ac3parse",
        "rtpac3pay",
        "rtpac3depay",
    ),
    Row::new(
        "AAC in LATM",
        "audiotestsrc num-buffers=50 samplesperbuffer=1024 ! audio/x-raw,rate=44100,channels=2 \
         ! avenc_aac",
        "rtpmp4apay",
        "rtpmp4adepay",
    )
    .sent_by(latm),
    // There is no free encoder of iLBC.
    Row::new(
        "iLBC",
        "fakesrc num-buffers=20 sizetype=fixed sizemax=50 filltype=random format=time \
         ! audio/x-iLBC,mode=30",
        "rtpilbcpay",
        "rtpilbcdepay",
    )
    .bytes(),
];

#[test]
fn gstreamer_and_the_crate_read_each_others_audio() {
    check(&ROWS);
}

const OF_FFMPEG: [ffmpeg::Row; 12] = [
    ffmpeg::Row::new("Opus", "-f lavfi -i sine=d=1 -c:a libopus -ac 2 -b:a 32k"),
    ffmpeg::Row::new("Vorbis", "-f lavfi -i sine=d=1 -c:a libvorbis -ac 2 -ar 44100").keeps_last(),
    ffmpeg::Row::new("Speex", "-f lavfi -i sine=d=1 -c:a libspeex -ar 16000"),
    ffmpeg::Row::new("G.722", "-f lavfi -i sine=d=1 -c:a g722 -ar 16000"),
    ffmpeg::Row::new("G.726", "-f lavfi -i sine=d=1 -c:a g726le -ar 8000 -b:a 24k"),
    ffmpeg::Row::new("G.726 as for AAL2", "-f lavfi -i sine=d=1 -c:a g726 -ar 8000 -b:a 32k"),
    ffmpeg::Row::new("AAC in LATM", "-f lavfi -i sine=d=1 -c:a aac -ac 2")
        .muxer("-rtpflags latm")
        .sent_by(latm),
    ffmpeg::Row::in_file("AMR", "-f amr -i made -c copy", "#!AMR\n", || amr(false))
        .muxer("-muxdelay 0.1")
        .keeps_last(),
    ffmpeg::Row::in_file("AMR-WB", "-f amr -i made -c copy", "#!AMR-WB\n", || amr(true))
        .muxer("-muxdelay 0.1")
        .keeps_last(),
    ffmpeg::Row::in_file("iLBC", "-f ilbc -i made -c copy", "#!iLBC20\n", ilbc)
        .muxer("-muxdelay 0.1")
        .keeps_last(),
    // It has depayloaders of these alone.
    ffmpeg::Row::made("GSM", gsm),
    ffmpeg::Row::made("AC-3", ac3),
];

/// Half a second of frames of 20 ms, each with `header` and of `len` bytes.
fn made(header: &[u8], len: usize) -> Vec<Record> {
    let frame = |n: u64| {
        let mut data = header.to_vec();
        data.resize(len, n as u8);
        Record::new(Duration::from_millis(n * 20), &data)
    };
    (0..25).map(frame).collect()
}

/// At 12.2 and 6.6 kbit/s.
fn amr(wideband: bool) -> (CodecParameters, Vec<Record>) {
    let frames = if wideband { made(&[0x04], 18) } else { made(&[0x3c], 32) };
    // The last bits of the last byte are none of speech.
    let frames = frames.into_iter().map(|frame| {
        let mut data = frame.data;
        if let Some(last) = data.last_mut() {
            *last &= 0xf0;
        }
        Record { data, ..frame }
    });
    (CodecParameters::Amr { wideband, channels: 1 }, frames.collect())
}

fn ilbc() -> (CodecParameters, Vec<Record>) {
    (CodecParameters::Ilbc { mode: 20 }, made(&[], 38))
}

fn gsm() -> (CodecParameters, Vec<Record>) {
    (CodecParameters::Gsm, made(&[0xd0], 33))
}

/// The frames of a file.
fn ac3() -> (CodecParameters, Vec<Record>) {
    let file = std::fs::read(testdata("media").join("tones.ac3")).expect("the file is there");
    let (mut rest, mut frames) = (&file[..], Vec::new());
    while let Ok(SyncFrame { frame_len, .. }) = SyncFrame::parse(rest) {
        let (frame, tail) = rest.split_at(frame_len);
        // 1,536 samples at 48 kHz.
        frames.push(Record::new(Duration::from_millis(32) * frames.len() as u32, frame));
        rest = tail;
    }
    (CodecParameters::Ac3 { sampling_rate: 48_000, channels: 2 }, frames)
}

fn latm() -> FormatRegistry {
    FormatRegistry::new().with(LatmEntry::new())
}

#[test]
fn ffmpeg_and_the_crate_read_each_others_audio() {
    ffmpeg::check(&OF_FFMPEG);
}
