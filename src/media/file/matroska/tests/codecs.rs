//! Codecs: the wrappers of Microsoft's formats, and parameter sets that are only in the stream.

use super::*;

const SPS: [u8; 4] = [0x67, 1, 2, 3];
const PPS: [u8; 2] = [0x68, 4];

/// A track of this codec with nothing else but a CodecPrivate.
pub(super) fn track_of(codec: &str, private: &[u8]) -> Vec<u8> {
    let kind = if codec.starts_with('V') { 1 } else { 2 };
    let mut entry = [number(0xd7, 1), number(0x83, kind), element(0x86, codec.as_bytes())].concat();
    if !private.is_empty() {
        entry.extend(element(0x63a2, private));
    }
    element(id::TRACK_ENTRY, &entry)
}

pub(super) fn probe_track(
    track: Vec<u8>,
    blocks: &[Vec<u8>],
) -> Result<Arc<dyn MediaFile>, String> {
    probe(file(&[info(None), tracks(&[track]), cluster(0, blocks)]))
}

/// NAL units with start codes or with lengths of four bytes.
fn units(annexb: bool, units: &[&[u8]]) -> Vec<u8> {
    let unit = |unit: &&[u8]| {
        let len = if annexb { 1 } else { unit.len() as u32 };
        [&len.to_be_bytes()[..], unit].concat()
    };
    units.iter().flat_map(unit).collect()
}

pub(super) fn wave_format(tag: u16, channels: u16, rate: u32, bits: u16, extra: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(tag.to_le_bytes());
    out.extend(channels.to_le_bytes());
    out.extend(rate.to_le_bytes());
    out.extend([0; 6]);
    out.extend(bits.to_le_bytes());
    out.extend((extra.len() as u16).to_le_bytes());
    out.extend_from_slice(extra);
    out
}

pub(super) fn bitmap_info(code: &[u8; 4], extra: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 40];
    out[0] = 40;
    out[16..20].copy_from_slice(code);
    out.extend_from_slice(extra);
    out
}

#[test]
fn sound_in_a_waveformatex_is_played() {
    let extensible = [&[24, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0x10, 0][..], &[0; 8]].concat();
    let pcm = |encoding, sampling_rate, channels| CodecParameters::Pcm {
        encoding,
        sampling_rate,
        channels,
    };
    let aac = CodecParameters::Aac {
        config: vec![0x11, 0x90].into(),
        sampling_rate: 48_000,
        channels: 2,
    };
    let mp3 = [&[0xff, 0xfb, 0x90, 0x64][..], &[0; 413]].concat();
    let adts = [0xff, 0xf1, 0x4c, 0x80, 1, 0x3f, 0xfc, 1, 2];
    // The CodecPrivate, what it stands for, a frame as it is stored and as it is sent.
    type Case<'a> = (Vec<u8>, CodecParameters, &'a [u8], &'a [u8]);
    let cases: [Case<'_>; 9] = [
        (wave_format(7, 1, 8000, 8, &[]), pcm(PcmEncoding::Pcmu, 8000, 1), &[1, 2], &[1, 2]),
        (wave_format(6, 2, 8000, 8, &[]), pcm(PcmEncoding::Pcma, 8000, 2), &[1, 2], &[1, 2]),
        (wave_format(1, 1, 8000, 8, &[]), pcm(PcmEncoding::L8, 8000, 1), &[1, 2], &[1, 2]),
        (wave_format(1, 1, 44_100, 16, &[]), pcm(PcmEncoding::L16, 44_100, 1), &[1, 2], &[2, 1]),
        (
            wave_format(0xfffe, 2, 48_000, 24, &extensible),
            pcm(PcmEncoding::L24, 48_000, 2),
            &[1, 2, 3, 4, 5, 6],
            &[3, 2, 1, 6, 5, 4],
        ),
        (wave_format(0x55, 2, 44_100, 0, &[1; 12]), CodecParameters::MpegAudio, &mp3, &mp3),
        (wave_format(0x50, 2, 44_100, 0, &[]), CodecParameters::MpegAudio, &mp3, &mp3),
        (wave_format(0xff, 2, 48_000, 16, &[0x11, 0x90]), aac.clone(), &[1, 2, 3], &[1, 2, 3]),
        (wave_format(0x1600, 2, 48_000, 16, &[]), aac, &adts, &[1, 2]),
    ];
    for (n, (private, parameters, sent, received)) in cases.into_iter().enumerate() {
        let media = probe_track(track_of("A_MS/ACM", &private), &[simple(1, 0, 0x80, sent)]);
        let media = media.unwrap_or_else(|e| panic!("case {n}: {e}"));
        assert_eq!(media.tracks()[0].parameters, parameters, "case {n}");
        let frames = Player::new(&media).all(0);
        assert_eq!((frames.len(), &frames[0].data[..]), (1, received), "case {n}");
    }
    for private in [&wave_format(1, 1, 8000, 32, &[])[..], &wave_format(3, 1, 8000, 32, &[]), &[7]]
    {
        let none = probe_track(track_of("A_MS/ACM", private), &[]);
        assert_eq!(none.unwrap_err(), "no track that can be streamed");
    }
}

#[test]
fn pictures_in_a_bitmapinfoheader_are_played() {
    let avcc = [1, 66, 0, 30, 0xff, 0xe1, 0, 4, 0x67, 1, 2, 3, 1, 0, 2, 0x68, 4];
    let h264 =
        CodecParameters::H264 { sps: vec![SPS.to_vec().into()], pps: vec![PPS.to_vec().into()] };
    let sets = units(true, &[&SPS, &PPS]);
    let slice = [0x65, 1, 0x80];
    // The code, what follows the header, whether the blocks have start codes, and their units.
    type Case<'a> = (&'a [u8; 4], &'a [u8], bool, &'a [&'a [u8]]);
    let cases: [Case<'_>; 4] = [
        (b"AVC1", &avcc, false, &[&slice]),
        (b"H264", &sets, true, &[&slice]),
        (b"x264", &[], true, &[&SPS, &PPS, &slice]),
        (b"h264", &avcc, true, &[&slice]),
    ];
    for (code, extra, annexb, content) in cases {
        let private = bitmap_info(code, extra);
        let block = simple(1, 0, 0x80, &units(annexb, content));
        let media = probe_track(track_of("V_MS/VFW/FOURCC", &private), &[block]).unwrap();
        assert_eq!(media.tracks()[0].parameters, h264);
        let frames = Player::new(&media).all(0);
        assert_eq!(frames[0].data, units(true, &[&SPS, &PPS, &slice]));
    }
    let hevc: [&[u8]; 4] = [&[0x40, 1, 7], &[0x42, 1, 8], &[0x44, 1, 9], &[0x26, 1, 0x80]];
    let private = bitmap_info(b"HEVC", &units(true, &hevc[..3]));
    let block = simple(1, 0, 0x80, &units(true, &hevc[3..]));
    let media = probe_track(track_of("V_MS/VFW/FOURCC", &private), &[block]).unwrap();
    assert_eq!(Player::new(&media).all(0)[0].data, units(true, &hevc));
    for private in [bitmap_info(b"WMV3", &[]), vec![40; 18]] {
        let none = probe_track(track_of("V_MS/VFW/FOURCC", &private), &[]);
        assert_eq!(none.unwrap_err(), "no track that can be streamed");
    }
}

#[test]
fn parameter_sets_may_be_in_the_blocks_alone() {
    let avc = "V_MPEG4/ISO/AVC";
    let hevc = "V_MPEGH/ISO/HEVC";
    let key: [&[u8]; 3] = [&SPS, &PPS, &[0x65, 1, 0x80]];
    let next: [&[u8]; 1] = [&[0x41, 2, 0x80]];
    let key_265: [&[u8]; 4] = [&[0x40, 1, 7], &[0x42, 1, 8], &[0x44, 1, 9], &[0x26, 1, 0x80]];
    let next_265: [&[u8]; 1] = [&[2, 1, 0x80]];
    let empty_avcc = [1, 66, 0, 30, 0xff, 0xe0, 0];
    let sps_alone = [1, 66, 0, 30, 0xff, 0xe1, 0, 4, 0x67, 1, 2, 3, 0];
    let cut_off = [1, 66, 0, 30, 0xff, 0xe1, 0, 40, 0x67];
    let mut empty_hvcc = vec![0; 23];
    (empty_hvcc[0], empty_hvcc[21]) = (1, 0xff);
    // The codec, its CodecPrivate, the NAL units of a key picture and of the next.
    type Case<'a> = (&'a str, &'a [u8], &'a [&'a [u8]], &'a [&'a [u8]]);
    let cases: [Case<'_>; 7] = [
        (avc, &[], &key, &next),
        (avc, &empty_avcc, &key, &next),
        (avc, &sps_alone, &key, &next),
        (avc, &cut_off, &key, &next),
        (avc, &[0; 5], &key, &next),
        (hevc, &[], &key_265, &next_265),
        (hevc, &empty_hvcc, &key_265, &next_265),
    ];
    for (n, (codec, private, key, next)) in cases.into_iter().enumerate() {
        for (annexb, flags) in [(true, 0x80), (false, 0x80), (true, 0), (false, 0)] {
            let blocks =
                [simple(1, 0, flags, &units(annexb, key)), simple(1, 40, 0, &units(annexb, next))];
            let media = probe_track(track_of(codec, private), &blocks);
            let media = media.unwrap_or_else(|e| panic!("case {n}: {e}"));
            assert!(access_unit::is_complete(&media.tracks()[0].parameters), "case {n}");
            let frames = Player::new(&media).all(0);
            let data: Vec<_> = frames.iter().map(|f| (f.data.to_vec(), f.flags.key)).collect();
            assert_eq!(data, [(units(true, key), true), (units(true, next), false)], "case {n}");
        }
    }
}

#[test]
fn a_track_without_parameter_sets_does_not_take_the_others_along() {
    let bare = track_of("V_MPEG4/ISO/AVC", &[]);
    let entries = tracks(&[bare, audio_track(2, PCM, 1000.0, &[])]);
    let media = probe(file(&[info(None), entries, ten_seconds().concat()])).unwrap();
    assert_eq!(media.tracks().len(), 1);
    assert_eq!(Player::new(&media).all(0).len(), 500);
}
