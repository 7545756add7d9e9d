//! The video formats of the feature `video-formats`.

use super::{Row, check, ffmpeg};
use crate::streams::same_bytes;

// GStreamer's payloader of MPEG video takes MPEG-2 alone; the elements of AV1 are in a package of its own, of plugins in Rust.
const ROWS: [Row; 9] = [
    Row::new(
        "VP8",
        "videotestsrc num-buffers=40 ! video/x-raw,format=I420,width=320,height=240,framerate=25/1 \
         ! vp8enc keyframe-max-dist=15 deadline=1",
        "rtpvp8pay picture-id-mode=15-bit",
        "rtpvp8depay",
    ),
    Row::new(
        "VP8 without numbers of pictures",
        "videotestsrc num-buffers=40 ! video/x-raw,format=I420,width=160,height=120,framerate=25/1 \
         ! vp8enc keyframe-max-dist=15 deadline=1",
        "rtpvp8pay",
        "rtpvp8depay",
    ),
    Row::new(
        "VP9",
        "videotestsrc num-buffers=40 ! video/x-raw,format=I420,width=320,height=240,framerate=25/1 \
         ! vp9enc keyframe-max-dist=15 deadline=1 cpu-used=8",
        "rtpvp9pay picture-id-mode=15-bit",
        "rtpvp9depay",
    ),
    // FFmpeg's encoder of it does not work as an element of GStreamer 1.22.
    Row::new(
        "MPEG-2 video",
        concat!(
            "filesrc location=\"",
            env!("CARGO_MANIFEST_DIR"),
            "/testdata/media/pictures.m2v\" ! mpegvideoparse",
        ),
        "rtpmpvpay",
        "rtpmpvdepay",
    )
    .bytes(),
    Row::new(
        "MPEG-4 video",
        "videotestsrc num-buffers=40 ! video/x-raw,format=I420,width=320,height=240,framerate=25/1 \
         ! avenc_mpeg4 gop-size=25 bitrate=500000 ! mpeg4videoparse",
        "rtpmp4vpay config-interval=1",
        "rtpmp4vdepay",
    )
    .bytes(),
    Row::new(
        "JPEG, 4:2:0",
        "videotestsrc num-buffers=25 ! video/x-raw,format=I420,width=320,height=240,framerate=25/1 \
         ! jpegenc",
        "rtpjpegpay",
        "rtpjpegdepay",
    )
    .same(same_jpegs),
    Row::new(
        "JPEG, 4:2:2",
        "videotestsrc num-buffers=25 ! video/x-raw,format=Y42B,width=320,height=240,framerate=25/1 \
         ! jpegenc quality=60",
        "rtpjpegpay",
        "rtpjpegdepay",
    )
    .same(same_jpegs),
    Row::new(
        "JPEG of 100 by 75 pixels",
        "videotestsrc num-buffers=25 ! video/x-raw,format=I420,width=100,height=75,framerate=25/1 \
         ! jpegenc",
        "rtpjpegpay",
        "rtpjpegdepay",
    )
    .same(same_jpegs),
    Row::new(
        "JPEG of 2,560 by 1,440 pixels",
        "videotestsrc num-buffers=5 ! video/x-raw,format=I420,width=2560,height=1440,framerate=25/1 \
         ! jpegenc quality=20",
        "rtpjpegpay",
        "rtpjpegdepay",
    )
    .same(same_jpegs),
];

/// What a receiver of RFC 2435 has of a stream of JPEG, whose other headers it makes itself: for each
/// picture its height and width in units of eight pixels, the quantization table of each component, and
/// the scan.
fn jpegs(stream: &[u8]) -> Result<Vec<u8>, String> {
    let (mut known, mut rest) = (Vec::new(), stream);
    let mut tables = [&[][..]; 4];
    while let Some((&[0xff, code], tail)) = rest.split_first_chunk() {
        rest = tail;
        // Pictures begin and end with markers without a segment.
        if matches!(code, 0xd8 | 0xd9) {
            continue;
        }
        let (&len, _) = rest.split_first_chunk().ok_or("a segment without a length")?;
        let len = usize::from(u16::from_be_bytes(len));
        let (segment, tail) = rest.split_at_checked(len).ok_or("a segment is cut off")?;
        rest = tail;
        match code {
            // One segment may have several tables, or each its own; one may be for all components.
            0xdb => segment.get(2..).unwrap_or_default().chunks(65).for_each(|table| {
                tables[usize::from(table[0] & 3)] = &table[1..];
            }),
            0xc0 => {
                let (&[.., height, low, width, end, _], components) =
                    segment.split_first_chunk::<8>().ok_or("a frame header is cut off")?;
                let units = |high, low| u16::from_be_bytes([high, low]).div_ceil(8).to_be_bytes();
                known.extend([units(height, low), units(width, end)].concat());
                let table = |c: &[u8]| c.get(2).map_or(&[][..], |id| tables[usize::from(id & 3)]);
                known.extend(components.chunks(3).flat_map(table));
            }
            0xda => {
                let is_end = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0 | 0xd0..=0xd7);
                let end = rest.windows(2).position(is_end).ok_or("a scan without an end")?;
                known.extend(&rest[..end]);
                rest = &rest[end..];
            }
            _ => {}
        }
    }
    if rest.is_empty() { Ok(known) } else { Err(format!("{} bytes are no JPEG", rest.len())) }
}

fn same_jpegs(sent: &[u8], arrived: &[u8]) -> Result<(), String> {
    let (sent, arrived) = (jpegs(sent)?, jpegs(arrived)?);
    if sent.is_empty() { Err("nothing was sent".into()) } else { same_bytes(&sent, &arrived) }
}

#[test]
fn gstreamer_and_the_crate_read_each_others_video() {
    check(&ROWS);
}

// It knows nothing of AV1 over RTP.
const OF_FFMPEG: [ffmpeg::Row; 7] = [
    ffmpeg::Row::new(
        "VP8",
        "-f lavfi -i testsrc=d=1:s=320x240 -c:v libvpx -g 10 -deadline good -cpu-used 4 -threads 1",
    ),
    ffmpeg::Row::new(
        "VP9",
        "-f lavfi -i testsrc=d=1:s=320x240 -c:v libvpx-vp9 -g 10 -deadline good -cpu-used 4 \
         -threads 1 -pix_fmt yuv420p -strict experimental",
    ),
    ffmpeg::Row::new(
        "MPEG-1 video",
        "-f lavfi -i testsrc=d=1:s=320x240 -c:v mpeg1video -g 10 -threads 1",
    ),
    ffmpeg::Row::new(
        "MPEG-2 video",
        "-f lavfi -i testsrc=d=1:s=320x240 -c:v mpeg2video -g 10 -bf 2 -threads 1",
    ),
    ffmpeg::Row::new(
        "MPEG-4 video",
        "-f lavfi -i testsrc=d=1:s=320x240 -c:v mpeg4 -g 10 -threads 1 -flags +global_header",
    ),
    ffmpeg::Row::new(
        "JPEG, 4:2:0",
        "-f lavfi -i testsrc=d=1:s=160x120 -c:v mjpeg -huffman default -force_duplicated_matrix 1 \
         -pix_fmt yuvj420p",
    )
    .same(same_jpegs),
    ffmpeg::Row::new(
        "JPEG with one table",
        "-f lavfi -i testsrc=d=1:s=160x120 -c:v mjpeg -huffman default -pix_fmt yuvj420p",
    )
    .same(same_jpegs),
];

#[test]
fn ffmpeg_and_the_crate_read_each_others_video() {
    ffmpeg::check(&OF_FFMPEG);
}
