//! Codecs without NAL units: their CodecIDs and wrappers, and frames as they are stored and sent.

use super::codecs::{bitmap_info, probe_track, track_of, wave_format};
use super::*;
use crate::codec::{ac3, av1, jpeg, vorbis, vp8, vp9};

/// Headers of MPEG-4 part 2 up to the video object layer (ISO/IEC 14496-2 section 6.2), and an I-VOP.
const LAYER: [u8; 18] = [0, 0, 1, 0xb0, 1, 0, 0, 1, 0xb5, 9, 0, 0, 1, 0, 0, 0, 1, 0x20];
const I_VOP: [u8; 6] = [0, 0, 1, 0xb6, 0x10, 0x60];

/// Opus of two channels (RFC 7845 section 5.1).
const OPUS_HEAD: &[u8] = b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\0";

fn opus(channels: u8) -> CodecParameters {
    CodecParameters::Opus { channels, mapping: None }
}

#[test]
fn frames_go_out_as_they_are() {
    let sequence = av1::tests::SEQUENCE.to_vec();
    let av1c = [&[0x81, 0, 0x0c, 0][..], &sequence].concat();
    let key_unit = av1::tests::frame(true, 20);
    let whole_unit = [&sequence[..], &key_unit].concat();
    let delimited = [&[0x12, 0][..], &whole_unit].concat();
    // The last OBU need not have its length (AV1 specification section 5.3.1).
    let mut without_length = sequence.clone();
    without_length.extend([6 << 3, 0x10, 9, 9]);
    let with_length = [&sequence[..], &[6 << 3 | 2, 3, 0x10, 9, 9]].concat();
    let headers = vorbis::tests::headers(48_000, 2);
    let mut laced = vec![2, headers[0].len() as u8, headers[1].len() as u8];
    headers.iter().for_each(|header| laced.extend(header));
    let no_comments = Bytes::from_static(b"\x03vorbis\0\0\0\0\0\0\0\0\x01");
    let described = CodecParameters::Vorbis {
        sampling_rate: 48_000,
        channels: 2,
        headers: [headers[0].clone(), no_comments, headers[2].clone()],
    };
    let av1_of =
        |header: &[u8]| CodecParameters::Av1 { sequence_header: Bytes::copy_from_slice(header) };
    let mpeg4 = CodecParameters::Mpeg4Video { config: LAYER.to_vec().into() };
    let mpeg4_frame = [&LAYER[..], &I_VOP].concat();
    let mpeg2_frame = [
        0, 0, 1, 0xb3, 0x2d, 2, 0x40, 0x33, 0x24, 0x9f, 0x23, 0x80, 0, 0, 1, 0, 0, 0x0f, 0xff, 0xf8,
    ];
    let mpeg2_frame = &[&mpeg2_frame[..], &[0, 0, 1, 1, 0x2b, 0xd0]].concat();
    let picture = jpeg::tests::Picture::new(16, 16, &[1, 2, 3]).file();
    let (plain, enhanced) = (ac3::tests::ac3(0, 8, 2, false), ac3::tests::enhanced(0, 0, 200, 3));
    let dependent = [&enhanced[..], &ac3::tests::enhanced(1, 0, 100, 3)].concat();
    let vp9 = |profile| CodecParameters::Vp9 { profile };
    let rate = 48_000;
    let surround = CodecParameters::Eac3 { sampling_rate: rate, channels: 6 };
    // The CodecID, the CodecPrivate, the parameters, a frame as it is stored and as it is sent.
    type Case<'a> = (&'a str, Vec<u8>, CodecParameters, &'a [u8], &'a [u8]);
    let cases: Vec<Case<'_>> = vec![
        ("V_VP8", vec![], CodecParameters::Vp8, &vp8::tests::KEY, &vp8::tests::KEY),
        ("V_VP9", vec![], vp9(Some(0)), &vp9::tests::KEY, &vp9::tests::KEY),
        ("V_VP9", vec![2, 1, 31, 1, 1, 2], vp9(Some(2)), &vp9::tests::KEY, &vp9::tests::KEY),
        ("V_AV1", av1c.clone(), av1_of(&sequence), &whole_unit, &whole_unit),
        ("V_AV1", av1c.clone(), av1_of(&sequence), &key_unit, &whole_unit),
        ("V_AV1", vec![], av1_of(&sequence), &delimited, &whole_unit),
        ("V_AV1", vec![], av1_of(&sequence), &without_length, &with_length),
        ("V_MJPEG", vec![], CodecParameters::Jpeg, &picture, &picture),
        ("V_MPEG2", vec![], CodecParameters::MpegVideo, mpeg2_frame, mpeg2_frame),
        ("V_MPEG4/ISO/ASP", LAYER.to_vec(), mpeg4.clone(), &I_VOP, &I_VOP),
        ("V_MPEG4/ISO/SP", vec![], mpeg4.clone(), &mpeg4_frame, &mpeg4_frame),
        ("V_MS/VFW/FOURCC", bitmap_info(b"XVID", &LAYER), mpeg4, &I_VOP, &I_VOP),
        ("V_MS/VFW/FOURCC", bitmap_info(b"MJPG", &[]), CodecParameters::Jpeg, &picture, &picture),
        (
            "V_MS/VFW/FOURCC",
            bitmap_info(b"VP90", &[]),
            vp9(Some(0)),
            &vp9::tests::KEY,
            &vp9::tests::KEY,
        ),
        ("V_MS/VFW/FOURCC", bitmap_info(b"AV01", &av1c), av1_of(&sequence), &key_unit, &whole_unit),
        ("A_OPUS", OPUS_HEAD.to_vec(), opus(2), &[0xfc, 1], &[0xfc, 1]),
        ("A_OPUS", vec![], opus(1), &[0xf8, 1], &[0xf8, 1]),
        ("A_VORBIS", laced, described, &[0, 7], &[0, 7]),
        (
            "A_AC3",
            vec![],
            CodecParameters::Ac3 { sampling_rate: rate, channels: 2 },
            &plain,
            &plain,
        ),
        ("A_EAC3", vec![], surround, &dependent, &dependent),
        (
            "A_MS/ACM",
            wave_format(0x2000, 2, 44_100, 0, &[]),
            CodecParameters::Ac3 { sampling_rate: rate, channels: 2 },
            &plain,
            &plain,
        ),
    ];
    for (n, (codec, private, parameters, stored, sent)) in cases.into_iter().enumerate() {
        let media = probe_track(track_of(codec, &private), &[simple(1, 0, 0x80, stored)]);
        let media = media.unwrap_or_else(|e| panic!("case {n}, {codec}: {e}"));
        assert_eq!(media.tracks()[0].parameters, parameters, "case {n}, {codec}");
        let frames = Player::new(&media).all(0);
        assert_eq!(frames.len(), 1, "case {n}, {codec}");
        assert_eq!(frames[0].data, sent, "case {n}, {codec}");
        assert!(frames[0].flags.key, "case {n}, {codec}");
    }
}

#[test]
fn tracks_that_nothing_tells_the_parameters_of_are_left_out() {
    let progressive = {
        let mut picture = jpeg::tests::Picture::new(16, 16, &[1, 2, 3]);
        picture.process.0 = 0xc2;
        picture.file()
    };
    for (codec, private, stored) in [
        ("A_OPUS", b"OpusHead\x01".to_vec(), vec![0xfc]),
        ("A_VORBIS", vec![2, 255, 255], vec![0]),
        ("A_AC3", vec![], vec![0x0b; 50]),
        ("V_MPEG4/ISO/ASP", vec![], I_VOP.to_vec()),
        ("V_MJPEG", vec![], progressive),
        ("V_THEORA", vec![], vec![1]),
    ] {
        let none = probe_track(track_of(codec, &private), &[simple(1, 0, 0x80, &stored)]);
        assert_eq!(none.unwrap_err(), "no track that can be streamed", "{codec}");
    }
}

#[test]
fn pictures_begin_with_a_key_frame_whatever_the_container_says() {
    let (key, inter) = (&vp8::tests::KEY[..], &vp8::tests::INTER[..]);
    let blocks = [
        simple(1, 0, 0x80, inter),
        simple(1, 40, 0, inter),
        simple(1, 80, 0, key),
        simple(1, 120, 0x80, inter),
        simple(1, 160, 0, &[]),
        simple(1, 200, 0, inter),
    ];
    let media = probe_track(track_of("V_VP8", &[]), &blocks).unwrap();
    let frames = Player::new(&media).all(0);
    let seen: Vec<_> = frames.iter().map(|f| (f.pts, f.flags.key, f.flags.discontinuity)).collect();
    assert_eq!(seen, [(ms(80), true, false), (ms(120), false, false), (ms(200), false, true)]);
}

#[test]
fn sound_lasts_as_long_as_its_frames_say_and_begins_at_its_delay() {
    // Ten milliseconds of CodecDelay; frames of 20, 40 and 20 ms (RFC 6716 section 3.1).
    let entry = [track_entry("A_OPUS", OPUS_HEAD), number(id::CODEC_DELAY, 10_000_000)];
    let blocks = [
        simple(1, 10, 0x80, &[0xfc, 1]),
        simple(1, 30, 0x80, &[0xfd, 1, 2]),
        simple(1, 71, 0x80, &[0xfc, 3]),
    ];
    let media = probe_track(element(id::TRACK_ENTRY, &entry.concat()), &blocks).unwrap();
    let frames = Player::new(&media).all(0);
    let times: Vec<_> = frames.iter().map(|f| (f.pts, f.duration)).collect();
    assert_eq!(times, [(ms(0), ms(20)), (ms(20), ms(40)), (ms(60), ms(20))]);
}

/// The content of a `TrackEntry`.
fn track_entry(codec: &str, private: &[u8]) -> Vec<u8> {
    [number(0xd7, 1), element(0x86, codec.as_bytes()), element(0x63a2, private)].concat()
}
