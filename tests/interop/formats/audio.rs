//! The audio formats of the feature `audio-formats`.

use super::{Row, check};

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
