//! Sample entries.

use super::*;
use crate::codec::{CodecParameters, PcmEncoding};

fn track_of(entry: Vec<u8>) -> Result<CodecParameters, String> {
    let track = Written { entries: vec![entry], ..Written::mp3(50) };
    probe(file(&[track])).map(|media| media.tracks()[0].parameters.clone())
}

fn pcm(encoding: PcmEncoding, sampling_rate: u32, channels: u8) -> Result<CodecParameters, String> {
    Ok(CodecParameters::Pcm { encoding, sampling_rate, channels })
}

#[test]
fn sound_is_told_by_its_sample_entry() {
    let entry = |kind: &[u8; 4], bits, boxes: &[u8]| sound_entry(kind, 2, bits, 44_100, boxes);
    let aac = |object_type, config: &[u8]| track_of(entry(b"mp4a", 16, &esds(object_type, config)));
    let lc = [0x12, 0x10];
    for object_type in [0x40, 0x67] {
        let Ok(CodecParameters::Aac { config, sampling_rate, channels }) = aac(object_type, &lc)
        else {
            panic!("no AAC")
        };
        assert_eq!((&config[..], sampling_rate, channels), (&lc[..], 44_100, 2));
    }
    // In a QuickTime `wave` box, behind the fields of version 1.
    let mut quicktime = sound_entry(b"mp4a", 2, 16, 44_100, &[]);
    quicktime[17] = 1;
    quicktime.extend([0; 16]);
    let wave = [boxed(b"frma", b"mp4a"), esds(0x40, &lc), vec![0, 0, 0, 8, 0, 0, 0, 0]].concat();
    quicktime.extend(boxed(b"wave", &wave));
    let len = quicktime.len() as u32;
    quicktime[..4].copy_from_slice(&len.to_be_bytes());
    assert!(matches!(track_of(quicktime), Ok(CodecParameters::Aac { .. })));
    for object_type in [0x69, 0x6b] {
        assert_eq!(aac(object_type, &[]), Ok(CodecParameters::MpegAudio));
    }
    // MPEG-1 audio under the name of MPEG-4: object type 34.
    assert_eq!(aac(0x40, &[0xf8, 0x40]), Ok(CodecParameters::MpegAudio));
    assert_eq!(track_of(entry(b".mp3", 16, &[])), Ok(CodecParameters::MpegAudio));
    assert!(aac(0xa9, &[]).unwrap_err().contains("no track"));
    for (kind, bits, encoding) in [
        (b"twos", 16, PcmEncoding::L16),
        (b"sowt", 16, PcmEncoding::L16),
        (b"in24", 24, PcmEncoding::L24),
        (b"raw ", 8, PcmEncoding::L8),
        (b"ulaw", 16, PcmEncoding::Pcmu),
        (b"alaw", 16, PcmEncoding::Pcma),
    ] {
        assert_eq!(track_of(entry(kind, bits, &[])), pcm(encoding, 44_100, 2));
    }
    let config = |bits| full(b"pcmC", 0, 0, &[1, bits]);
    assert_eq!(track_of(entry(b"ipcm", 16, &config(24))), pcm(PcmEncoding::L24, 44_100, 2));
    for unknown in [
        entry(b"ipcm", 16, &config(32)),
        entry(b"ipcm", 16, &[]),
        entry(b"twos", 8, &[]),
        entry(b"fl32", 32, &[]),
        entry(b"fLaC", 16, &[]),
        entry(b"enca", 16, &esds(0x40, &lc)),
        boxed(b"mp4a", &[0; 9]),
    ] {
        assert!(track_of(unknown).is_err());
    }
    // Version 2: rate, channels, bits and format stand in other fields.
    let mut lpcm = sound_entry(b"lpcm", 3, 16, 1, &[]);
    lpcm[17] = 2;
    lpcm.extend(words(&[72]));
    lpcm.extend(96_000_f64.to_bits().to_be_bytes());
    lpcm.extend(words(&[4, 0x7f00_0000, 24, 2 | 4, 12, 1]));
    let len = lpcm.len() as u32;
    lpcm[..4].copy_from_slice(&len.to_be_bytes());
    assert_eq!(track_of(lpcm), pcm(PcmEncoding::L24, 96_000, 4));
}

#[test]
fn samples_of_pcm_go_out_in_frames_of_20_ms() {
    // A sample of each channel at 1000 Hz is a sample of the file; ten of which lie together.
    let one = |i: u8| Stored {
        data: vec![i, 0, i, 1],
        duration: 1,
        offset: 0,
        key: true,
        description: 1,
    };
    let small = Written {
        entries: vec![sound_entry(b"sowt", 2, 16, 1000, &[])],
        timescale: 1000,
        samples: (0..100).map(one).collect(),
        of_chunk: 30,
        // QuickTime may count single bytes, and means samples of all channels.
        sizes: Some(full(b"stsz", 0, 0, &words(&[1, 100]))),
        ..Written::video(0)
    };
    let frames = play(file(std::slice::from_ref(&small)));
    let expected: Vec<u8> = (0..100).flat_map(|i| [0, i, 1, i]).collect();
    let joined = |frames: &[Frame]| frames.iter().flat_map(|f| f.data.to_vec()).collect::<Vec<_>>();
    assert_eq!(joined(&frames[0]), expected);
    assert!(frames[0].iter().all(|f| f.duration <= ms(20)));
    assert_eq!(frames[0].len(), 7, "20 and 10 of each chunk, and the last 10");
    // The same in two samples of 50 ms.
    let joined_samples: Vec<_> = small
        .samples
        .chunks(50)
        .map(|s| Stored {
            data: s.iter().flat_map(|s| s.data.clone()).collect(),
            duration: 50,
            ..one(0)
        })
        .collect();
    let large = Written { samples: joined_samples, sizes: None, of_chunk: 1, ..small };
    let mut player = player(file(&[large]));
    let frames = player.interleaved();
    assert_eq!(joined(&frames[0]), expected);
    let times: Vec<_> = frames[0].iter().map(|f| f.pts.as_millis()).collect();
    assert_eq!(times, [0, 20, 40, 50, 70, 90]);
    assert_eq!(player.seek(ms(60)), Ok(ms(60)));
    assert_eq!(player.next(0).unwrap().pts, ms(50));
}

/// A picture with parameter sets in front.
fn with_sets(sets: &[&[u8]], i: u8) -> Vec<u8> {
    let mut data = Vec::new();
    for nal in sets {
        data.extend((nal.len() as u32).to_be_bytes());
        data.extend(*nal);
    }
    [data, picture(true, i)].concat()
}

#[test]
fn sets_may_be_in_the_stream_only() {
    let mut track = Written { entries: vec![video_entry(b"avc3", &[])], ..Written::video(50) };
    let sets: [&[u8]; 2] = [&[0x67, 1, 2, 3], &[0x68, 4]];
    for i in [0, 25] {
        track.samples[i].data = with_sets(&sets, i as u8);
    }
    let media = probe(file(std::slice::from_ref(&track))).unwrap();
    let CodecParameters::H264 { sps, pps } = &media.tracks()[0].parameters else { panic!() };
    assert_eq!((&sps[0][..], &pps[0][..]), (sets[0], sets[1]));
    let frames = TracksPlayer::new(&media).interleaved();
    for i in [0, 25] {
        let data = [&SETS[..], &[0, 0, 0, 1, 0x65, i as u8, 0x80]].concat();
        assert_eq!(frames[0][i].data, data);
    }
    // Without any it cannot be played.
    let bare = Written { entries: vec![video_entry(b"avc3", &[])], ..Written::video(50) };
    assert!(probe(file(&[bare])).is_err());
}

#[test]
fn samples_of_another_entry_go_out_with_its_sets() {
    let mut other = AVCC;
    other[11] = 9;
    // Lengths of two bytes in the second.
    other[4] = 0xfd;
    let mut track = Written {
        entries: vec![
            video_entry(b"avc1", &AVCC),
            video_entry(b"avc1", &other),
            video_entry(b"vp09", &[]),
        ],
        of_chunk: 25,
        ..Written::video(100)
    };
    for (i, sample) in track.samples.iter_mut().enumerate() {
        sample.description = [1, 2, 1, 3][i / 25];
        if i / 25 == 1 {
            sample.data.drain(..2);
        }
    }
    let mut player = player(file(&[track]));
    let check = |frame: &Frame, last: u8, i: u8| {
        let mut sets = SETS;
        sets[7] = last;
        assert_eq!(frame.data, [&sets[..], &[0, 0, 0, 1, 0x65, i, 0x80]].concat());
    };
    let frames = player.interleaved();
    assert_eq!(frames[0].len(), 75, "the samples of the third are left out");
    for (i, last) in [(0, 3), (25, 9), (50, 3)] {
        check(&frames[0][i], last, i as u8);
    }
    for (second, last) in [(1, 9), (0, 3), (2, 3), (1, 9)] {
        assert_eq!(player.seek(ms(second * 1000)), Ok(ms(second * 1000)));
        check(&player.next(0).unwrap(), last, second as u8 * 25);
    }
}

#[test]
fn tracks_that_cannot_be_streamed_are_left_out() {
    let other = Written { entries: vec![boxed(b"tx3g", &[0; 40])], ..Written::mp3(10) };
    let empty = Written { samples: Vec::new(), ..Written::video(0) };
    let media = probe(file(&[other.clone(), Written::video(50), empty.clone()])).unwrap();
    assert_eq!(media.tracks().len(), 1);
    assert_eq!(TracksPlayer::new(&media).all(0).len(), 50);
    for tracks in [&[other][..], &[empty], &[]] {
        assert!(probe(file(tracks)).is_err());
    }
}

#[test]
fn codecs_of_bindings_are_told_by_their_boxes() {
    use crate::codec::{ac3, av1, jpeg, vp9};
    let sound = |kind: &[u8; 4], boxes: &[u8]| sound_entry(kind, 2, 16, 48_000, boxes);
    // Encapsulation of Opus in ISOBMFF section 4.3.2: version, channels, pre-skip, rate, gain, family.
    let dops = boxed(b"dOps", &[0, 1, 1, 0x38, 0, 0, 0xbb, 0x80, 0, 0, 0]);
    let sequence = av1::tests::SEQUENCE.to_vec();
    let av1c = boxed(b"av1C", &[&[0x81, 0, 0x0c, 0][..], &sequence].concat());
    let unit = [&sequence[..], &av1::tests::frame(true, 20)].concat();
    let vpcc = full(b"vpcC", 1, 0, &[2, 10, 0x80, 1, 1, 1, 0, 0]);
    let layer: &[u8] = &[0, 0, 1, 0xb0, 1, 0, 0, 1, 0, 0, 0, 1, 0x20];
    let vop: &[u8] = &[0, 0, 1, 0xb6, 0x10, 0x60];
    let picture = jpeg::tests::Picture::new(16, 16, &[1, 2, 3]).file();
    let mpeg2: &[u8] = &[
        0, 0, 1, 0xb3, 0x2d, 2, 0x40, 0x33, 0x24, 0x9f, 0x23, 0x80, 0, 0, 1, 0, 0, 0x0f, 0xff,
        0xf8, 0, 0, 1, 1,
    ];
    let opus = CodecParameters::Opus { channels: 1, mapping: None };
    let vp9_of = |profile| CodecParameters::Vp9 { profile: Some(profile) };
    let amr = |wideband| CodecParameters::Amr { wideband, channels: 1 };
    let (sampling_rate, channels) = (48_000, 6);
    let plain = ac3::tests::ac3(0, 8, 7, true);
    let enhanced = ac3::tests::enhanced(0, 0, 200, 3);
    let speech = [[0x44; 12].as_slice(), &[0x3c; 32]].concat();
    let video = |kind, boxes: &[u8]| video_entry_with(kind, boxes);
    type Case<'a> = (Vec<u8>, CodecParameters, &'a [u8], u64);
    let cases: Vec<Case<'_>> = vec![
        (sound(b"Opus", &dops), opus, &[0xfc, 1], 20_000),
        (sound(b"ac-3", &[]), CodecParameters::Ac3 { sampling_rate, channels }, &plain, 32_000),
        (sound(b"ec-3", &[]), CodecParameters::Eac3 { sampling_rate, channels }, &enhanced, 32_000),
        // Two frames of comfort noise and one of 12.2 kbit/s; no data (RFC 4867 section 5.3).
        (sound(b"samr", &[]), amr(false), &speech, 60_000),
        (sound(b"sawb", &[]), amr(true), &[0x7c], 20_000),
        (
            video(b"av01", &av1c),
            CodecParameters::Av1 { sequence_header: sequence.into() },
            &unit,
            0,
        ),
        (video(b"vp09", &vpcc), vp9_of(2), &vp9::tests::KEY, 0),
        (video(b"vp09", &[]), vp9_of(0), &vp9::tests::KEY, 0),
        (video(b"vp08", &vpcc), CodecParameters::Vp8, &crate::codec::vp8::tests::KEY, 0),
        (video(b"jpeg", &[]), CodecParameters::Jpeg, &picture, 0),
        (video(b"mp4v", &esds(0x6c, &[])), CodecParameters::Jpeg, &picture, 0),
        (
            video(b"mp4v", &esds(0x20, layer)),
            CodecParameters::Mpeg4Video { config: layer.to_vec().into() },
            vop,
            0,
        ),
        (video(b"mp4v", &esds(0x61, &[])), CodecParameters::MpegVideo, mpeg2, 0),
        (video(b"mp4v", &esds(0x6a, &[])), CodecParameters::MpegVideo, mpeg2, 0),
    ];
    for (n, (entry, parameters, data, micros)) in cases.into_iter().enumerate() {
        let stored =
            Stored { data: data.to_vec(), duration: 960, offset: 0, key: true, description: 1 };
        let samples = vec![stored.clone(), stored];
        let track = Written { entries: vec![entry], timescale: 48_000, samples, ..Written::mp3(0) };
        let media = probe(file(&[track])).unwrap_or_else(|e| panic!("case {n}: {e}"));
        assert_eq!(media.tracks()[0].parameters, parameters, "case {n}");
        let frames = TracksPlayer::new(&media).all(0);
        assert_eq!(frames.len(), 2, "case {n}");
        assert!(frames.iter().all(|frame| frame.data == data && frame.flags.key), "case {n}");
        if micros > 0 {
            assert_eq!(frames[0].duration, Duration::from_micros(micros), "case {n}");
        }
    }
    for unknown in [
        sound(b"Opus", &boxed(b"dOps", &[1; 11])),
        sound(b"ac-3", &[]),
        video(b"mp4v", &esds(0x21, &[])),
        video(b"mp4v", &[]),
        video(b"mjpa", &[]),
    ] {
        assert!(track_of(unknown).is_err());
    }
}
