//! Frames of the codecs that have a [`Form`](super::super::forms::Form).

use super::*;
use crate::codec::OpusMapping;

const VP8_KEY: [u8; 10] = [0x10, 0, 0, 0x9d, 1, 0x2a, 64, 0, 48, 0];
const VP8_OTHER: [u8; 4] = [0x11, 0, 0, 7];

fn mpeg4() -> CodecParameters {
    CodecParameters::Mpeg4Video { config: Bytes::new() }
}

#[test]
fn the_form_of_each_codec_is_known() {
    let klv = [&[6, 0x0e, 0x2b, 0x34][..], &[0; 12], &[2, 7, 7]].concat();
    let gsm = [&[0xd1][..], &[7; 32]].concat();
    let picture = [0, 0, 1, 0, 0, 0x08, 0, 0, 0, 0, 1, 1, 9, 9];
    let amr = |header: u8, len: usize| [&[header][..], &vec![7; len]].concat();
    let mono = CodecParameters::Opus { channels: 1, mapping: None };
    let surround = CodecParameters::Opus {
        channels: 6,
        mapping: Some(OpusMapping::new(4, 2, vec![0, 4, 1, 2, 3, 5])),
    };
    let narrow = CodecParameters::Amr { wideband: false, channels: 1 };
    let wide = CodecParameters::Amr { wideband: true, channels: 2 };
    let klv_unit = CodecParameters::Klv { clock_rate: 90_000 };
    for (parameters, good, bad) in [
        (CodecParameters::Vp8, VP8_KEY.to_vec(), vec![0x10, 0, 0, 1, 2, 3, 64, 0, 48, 0]),
        (CodecParameters::Vp8, VP8_OTHER.to_vec(), vec![0x11]),
        (CodecParameters::Vp9 { profile: None }, vec![0x86, 0], vec![0x46, 0]),
        (CodecParameters::Av1 { sequence_header: Bytes::new() }, vec![0x32, 1, 7], vec![0x30, 7]),
        (
            CodecParameters::Jpeg,
            vec![0xff, 0xd8, 0xff, 0xd9, 0, 0],
            vec![0xff, 0xd8, 0xff, 0xdb, 1],
        ),
        (CodecParameters::MpegVideo, picture.to_vec(), vec![0, 0, 1, 0xb3, 1, 2, 3, 4]),
        (mpeg4(), vec![0, 0, 1, 0xb6, 0x40, 1], vec![0, 0, 1, 0xb3, 1]),
        (mono, vec![0xf8, 0xff, 0xfe], b"OggS\0\x02".to_vec()),
        (surround, vec![0xf8, 1, 7], vec![0xfb]),
        (narrow.clone(), amr(0x3c, 31), amr(0x3c, 30)),
        (narrow, [amr(4, 12), amr(0x7c, 0)].concat(), b"#!AMR\n".to_vec()),
        (wide, amr(0x44, 60), amr(0x44, 31)),
        (CodecParameters::Gsm, [&gsm[..], &gsm].concat(), vec![0x11; 33]),
        (CodecParameters::Gsm, gsm.clone(), gsm[1..].to_vec()),
        (klv_unit.clone(), klv.clone(), klv[..18].to_vec()),
        (klv_unit, [&klv[..], &klv].concat(), vec![7; 19]),
        (CodecParameters::OnvifMetadata, b"<a/>\n".to_vec(), b"<a".to_vec()),
        (CodecParameters::Text, "h\u{e9}".into(), vec![0xe9]),
    ] {
        assert_eq!(sent(parameters.clone(), &[&good]), [Sent::NoReceiver], "{parameters:?}");
        let error = refused(parameters.clone(), &bad);
        assert!(matches!(error, InputError::OtherForm { .. }), "{parameters:?}: {error:?}");
        assert!(error.to_string().contains("wanted is"), "{error}");
    }
    for (parameters, block) in [
        (CodecParameters::G722 { channels: 2 }, 2),
        (CodecParameters::G726 { bits: 5, aal2: false }, 5),
        (CodecParameters::Ilbc { mode: 20 }, 38),
        (CodecParameters::Ilbc { mode: 30 }, 50),
    ] {
        assert_eq!(sent(parameters.clone(), &[&vec![7; 3 * block]]), [Sent::NoReceiver]);
        let len = 3 * block + 1;
        assert_eq!(refused(parameters, &vec![7; len]), InputError::PartialSamples { len, block });
    }
}

#[test]
fn a_picture_of_vp8_is_a_key_frame_by_its_bytes() {
    let (sender, stream, _) = stream(CodecParameters::Vp8);
    let mut source = reading(&stream);
    assert!(sender.key_frame_wanted(), "somebody has come");
    assert_eq!(sender.send_access_unit(VP8_OTHER.to_vec(), Duration::ZERO), Sent::Accepted);
    assert!(bytes(&mut source).is_none(), "decoding does not start there");
    for (data, key) in [(&VP8_KEY[..], true), (&VP8_OTHER, false)] {
        assert_eq!(sender.send_access_unit(data.to_vec(), Duration::ZERO), Sent::Accepted);
        let FramePoll::Ready(frame) = poll(&mut source) else { panic!() };
        assert_eq!((&frame.data[..], frame.flags.key), (data, key));
    }
}

#[test]
fn the_configuration_of_mpeg4_video_is_taken_from_the_stream() {
    let (sender, stream, woken) = stream(mpeg4());
    assert!(!stream.is_described());
    let config = [0, 0, 1, 0xb0, 1, 0, 0, 1, 0xb5, 9, 0, 0, 1, 0, 0, 0, 1, 0x20, 1, 2, 3];
    let frame = [&config[..], &[0, 0, 1, 0xb6, 0x10, 7]].concat();
    let before = stream.fingerprint();
    assert_eq!(sender.send_access_unit(frame.clone(), Duration::ZERO), Sent::NoReceiver);
    assert!(stream.is_described());
    assert_eq!(woken.load(Ordering::SeqCst), 1);
    assert_ne!(stream.fingerprint(), before);
    let CodecParameters::Mpeg4Video { config: told } = stream.parameters() else { panic!() };
    assert_eq!(told, config[..]);
    let _ = sender.send_access_unit(frame, Duration::ZERO);
    assert_eq!(woken.load(Ordering::SeqCst), 1);
}
