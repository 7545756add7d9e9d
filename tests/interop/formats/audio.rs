//! The audio formats of the feature `audio-formats`.

use super::{Record, Row, check, ffmpeg};
use riverrun::codec::CodecParameters;
use std::time::Duration;

const ROWS: [Row; 12] = [
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

const OF_FFMPEG: [(&str, ffmpeg::Row); 9] = [
    ("Opus", ffmpeg::Row::Encoded("-f lavfi -i sine=d=1 -c:a libopus -ac 2 -b:a 32k")),
    ("Vorbis", ffmpeg::Row::KeepsLast("-f lavfi -i sine=d=1 -c:a libvorbis -ac 2 -ar 44100")),
    ("Speex", ffmpeg::Row::Encoded("-f lavfi -i sine=d=1 -c:a libspeex -ar 16000")),
    ("G.722", ffmpeg::Row::Encoded("-f lavfi -i sine=d=1 -c:a g722 -ar 16000")),
    ("G.726", ffmpeg::Row::Encoded("-f lavfi -i sine=d=1 -c:a g726le -ar 8000 -b:a 24k")),
    ("G.726 as for AAL2", ffmpeg::Row::Encoded("-f lavfi -i sine=d=1 -c:a g726 -ar 8000 -b:a 32k")),
    ("AMR", ffmpeg::Row::Made(|| amr(false))),
    ("AMR-WB", ffmpeg::Row::Made(|| amr(true))),
    ("iLBC", ffmpeg::Row::Made(ilbc)),
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

#[test]
fn ffmpeg_and_the_crate_read_each_others_audio() {
    ffmpeg::check(&OF_FFMPEG);
}
