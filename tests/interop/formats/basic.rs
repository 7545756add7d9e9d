//! The formats that are there without any feature.

use super::{Row, Same, check, ffmpeg};
use crate::media::Kind;
use crate::streams::{same, same_bytes};
use riverrun::payload::FormatRegistry;
use riverrun::payload::h264::SingleNalUnitMode;

/// NAL by NAL: start codes have three or four bytes, and parameter sets come again.
const H264: Same = |sent, arrived| same(Kind::H264, sent, arrived);
const H265: Same = |sent, arrived| same(Kind::H265, sent, arrived);

fn mode_0() -> FormatRegistry {
    FormatRegistry::new().with(SingleNalUnitMode::new())
}

// GStreamer's payloader of H.264 knows no mode 0; its depayloader does.
const ROWS: [Row; 16] = [
    Row::new(
        "H.264",
        "videotestsrc num-buffers=50 ! video/x-raw,format=I420,width=320,height=240,framerate=25/1 \
         ! x264enc bframes=2 key-int-max=20 bitrate=500 threads=1 \
         ! video/x-h264,stream-format=byte-stream,alignment=au",
        "rtph264pay",
        "rtph264depay ! video/x-h264,stream-format=byte-stream,alignment=au",
    )
    .same(H264),
    Row::new(
        "H.264 in slices, aggregated",
        "videotestsrc num-buffers=50 ! video/x-raw,format=I420,width=320,height=240,framerate=25/1 \
         ! x264enc tune=zerolatency key-int-max=20 bitrate=300 threads=1 option-string=slices=4 \
         ! video/x-h264,stream-format=byte-stream,alignment=au",
        "rtph264pay aggregate-mode=max-stap config-interval=-1",
        "rtph264depay ! video/x-h264,stream-format=byte-stream,alignment=au",
    )
    .same(H264),
    Row::new(
        "H.264, sent in mode 0",
        "videotestsrc num-buffers=50 ! video/x-raw,format=I420,width=320,height=240,framerate=25/1 \
         ! x264enc key-int-max=20 bitrate=300 threads=1 option-string=slice-max-size=1200 \
         ! video/x-h264,stream-format=byte-stream,alignment=au",
        "rtph264pay aggregate-mode=none",
        "rtph264depay ! video/x-h264,stream-format=byte-stream,alignment=au",
    )
    .same(H264)
    .sent_by(mode_0),
    Row::new(
        "H.265",
        "videotestsrc num-buffers=25 ! video/x-raw,format=I420,width=320,height=240,framerate=25/1 \
         ! x265enc key-int-max=10 bitrate=500 option-string=pools=none:frame-threads=1 ! h265parse \
         ! video/x-h265,stream-format=byte-stream,alignment=au",
        "rtph265pay",
        "rtph265depay ! video/x-h265,stream-format=byte-stream,alignment=au",
    )
    .same(H265),
    Row::new(
        "H.265, aggregated",
        "videotestsrc num-buffers=25 ! video/x-raw,format=I420,width=160,height=120,framerate=25/1 \
         ! x265enc key-int-max=10 bitrate=100 option-string=slices=2:pools=none:frame-threads=1 ! h265parse \
         ! video/x-h265,stream-format=byte-stream,alignment=au",
        "rtph265pay aggregate-mode=max config-interval=-1",
        "rtph265depay ! video/x-h265,stream-format=byte-stream,alignment=au",
    )
    .same(H265),
    Row::new(
        "AAC",
        "audiotestsrc num-buffers=50 samplesperbuffer=1024 ! audio/x-raw,rate=44100,channels=2 \
         ! avenc_aac",
        "rtpmp4gpay",
        "rtpmp4gdepay",
    ),
    Row::new(
        "MPEG audio, layer 3",
        "audiotestsrc num-buffers=50 samplesperbuffer=1152 ! audio/x-raw,rate=44100,channels=2 \
         ! lamemp3enc ! mpegaudioparse",
        "rtpmpapay",
        "rtpmpadepay",
    ),
    Row::new(
        "MPEG audio, layer 2",
        "audiotestsrc num-buffers=50 samplesperbuffer=1152 ! audio/x-raw,rate=48000,channels=2 \
         ! avenc_mp2 ! mpegaudioparse",
        "rtpmpapay",
        "rtpmpadepay",
    ),
    Row::new(
        "MPEG audio, layer 2, frames larger than packets",
        "audiotestsrc num-buffers=50 samplesperbuffer=1152 ! audio/x-raw,rate=32000,channels=2 \
         ! avenc_mp2 bitrate=384000 ! mpegaudioparse",
        "rtpmpapay",
        "rtpmpadepay",
    ),
    Row::new(
        "transport stream",
        "videotestsrc num-buffers=25 ! video/x-raw,format=I420,width=160,height=120,framerate=25/1 \
         ! x264enc tune=zerolatency ! mpegtsmux alignment=7",
        "rtpmp2tpay",
        "rtpmp2tdepay",
    )
    .bytes(),
    Row::new(
        "L8",
        "audiotestsrc num-buffers=50 ! audio/x-raw,format=U8,rate=22050,channels=2",
        "rtpL8pay",
        "rtpL8depay",
    )
    .bytes(),
    Row::new(
        "L16",
        "audiotestsrc num-buffers=50 ! audio/x-raw,format=S16BE,rate=44100,channels=2",
        "rtpL16pay",
        "rtpL16depay",
    )
    .bytes(),
    Row::new(
        "L16, four channels",
        "audiotestsrc num-buffers=50 ! audioconvert \
         ! audio/x-raw,format=S16BE,rate=48000,channels=4,channel-mask=(bitmask)0x33",
        "rtpL16pay",
        "rtpL16depay",
    )
    .bytes(),
    Row::new(
        "L24",
        "audiotestsrc num-buffers=50 ! audioconvert \
         ! audio/x-raw,format=S24BE,rate=48000,channels=2",
        "rtpL24pay",
        "rtpL24depay",
    )
    .bytes(),
    Row::new(
        "PCMU",
        "audiotestsrc num-buffers=50 ! audio/x-raw,rate=8000,channels=1 ! mulawenc",
        "rtppcmupay",
        "rtppcmudepay",
    )
    .bytes(),
    Row::new(
        "PCMA",
        "audiotestsrc num-buffers=50 ! audio/x-raw,rate=8000,channels=1 ! alawenc",
        "rtppcmapay",
        "rtppcmadepay",
    )
    .bytes(),
];

#[test]
fn gstreamer_and_the_crate_read_each_others_packets() {
    check(&ROWS);
}

// It sends samples of L8 without describing them, and does not receive them.
const OF_FFMPEG: [ffmpeg::Row; 11] = [
    ffmpeg::Row::new(
        "H.264",
        "-f lavfi -i testsrc=d=1:s=160x120 -c:v libx264 -g 10 -threads 1 -pix_fmt yuv420p \
         -flags +global_header",
    )
    .same(H264),
    ffmpeg::Row::new(
        "H.264 in mode 0",
        "-f lavfi -i testsrc=d=1:s=160x120 -c:v libx264 -g 10 -threads 1 -pix_fmt yuv420p \
         -x264-params slice-max-size=1200",
    )
    .muxer("-rtpflags h264_mode0")
    .same(H264)
    .sent_by(mode_0),
    ffmpeg::Row::new(
        "H.265",
        "-f lavfi -i testsrc=d=1:s=160x120 -c:v libx265 -g 10 -pix_fmt yuv420p \
         -x265-params log-level=error:pools=none:frame-threads=1",
    )
    .same(H265),
    ffmpeg::Row::new("AAC", "-f lavfi -i sine=d=1 -c:a aac -ac 2").keeps_last(),
    ffmpeg::Row::new("MPEG audio, layer 3", "-f lavfi -i sine=d=1 -c:a libmp3lame -ac 2")
        .keeps_last(),
    ffmpeg::Row::new("MPEG audio, layer 2", "-f lavfi -i sine=d=1 -c:a mp2 -ac 2").keeps_last(),
    ffmpeg::Row::new("L16", "-f lavfi -i sine=d=1 -c:a pcm_s16be -ac 2"),
    ffmpeg::Row::new("L24", "-f lavfi -i sine=d=1 -c:a pcm_s24be -ac 2 -ar 48000"),
    // It writes a description for its muxer of one stream alone.
    ffmpeg::Row::new(
        "transport stream",
        "-f lavfi -i testsrc=d=1:s=160x120 -c:v mpeg2video -g 10 -threads 1",
    )
    .muxer("-f rtp_mpegts")
    .described_by("v=0\r\nm=video 0 RTP/AVP 33\r\n")
    .same(same_program),
    ffmpeg::Row::new("PCMU", "-f lavfi -i sine=d=1 -c:a pcm_mulaw -ar 8000"),
    ffmpeg::Row::new("PCMA", "-f lavfi -i sine=d=1 -c:a pcm_alaw -ar 8000"),
];

/// Which packets of a transport stream the first track has in FFmpeg's.
const TRACK: u16 = 0x100;

/// What is in the PES packets of a track (ISO/IEC 13818-1 sections 2.4.3.2 and 2.4.3.6).
fn elementary(stream: &[u8]) -> Option<Vec<u8>> {
    let mut track = Vec::new();
    for packet in stream.chunks(188) {
        let (&[_, high, low, flags], rest) = packet.split_first_chunk()?;
        if u16::from_be_bytes([high & 0x1f, low]) != TRACK {
            continue;
        }
        let adaptation = if flags & 0x20 == 0 { 0 } else { usize::from(*rest.first()?) + 1 };
        let payload = rest.get(adaptation..)?;
        let header = if high & 0x40 == 0 { 0 } else { usize::from(*payload.get(8)?) + 9 };
        track.extend(payload.get(header..)?);
    }
    Some(track)
}

/// Whether a track has arrived, in a transport stream or out of it, but for the end that FFmpeg holds
/// back: its muxer the last packet, its demuxer the last picture.
fn same_program(sent: &[u8], arrived: &[u8]) -> Result<(), String> {
    let is_program = arrived.first() == Some(&0x47);
    let track = if is_program { elementary(arrived) } else { Some(arrived.to_vec()) };
    let track = track.ok_or("no transport stream arrived")?;
    let most = track.len().max(sent.len() / 2).min(sent.len());
    same_bytes(&sent[..most], &track)
}

#[test]
fn ffmpeg_and_the_crate_read_each_others_packets() {
    ffmpeg::check(&OF_FFMPEG);
}
