//! Elements that are malformed and that streaming does not need, or that have defaults.

use super::*;

/// Plays the file of [`ten_seconds`], whose head was spoilt.
fn check(what: &str, bytes: Vec<u8>) {
    let media = probe(bytes).unwrap_or_else(|e| panic!("{what}: {e}"));
    assert_eq!(media.tracks()[0].duration, Some(ms(10_000)), "{what}");
    let mut player = Player::new(&media);
    let frames: Vec<usize> = player.interleaved().iter().map(Vec::len).collect();
    assert_eq!(frames, [250, 500], "{what}");
    assert_eq!(player.seek(ms(5500)), Ok(ms(5000)), "{what}");
    assert_eq!(player.next(1).unwrap().pts, ms(5000), "{what}");
    assert_eq!(player.next(0).unwrap().pts, ms(5000), "{what}");
}

/// The content of the element that `bytes` are.
fn inside(bytes: &[u8]) -> &[u8] {
    ebml::children(bytes).next().unwrap().1
}

/// `tracks` with `more` in front of and behind what the video entry has.
fn with_in_entry(more: &[u8]) -> [Vec<u8>; 2] {
    let entry = h264_track();
    let sound = audio_track(2, PCM, 1000.0, &[]);
    [[more, inside(&entry)], [inside(&entry), more]]
        .map(|parts| tracks(&[element(id::TRACK_ENTRY, &parts.concat()), sound.clone()]))
}

#[test]
fn elements_of_a_track_that_are_not_needed_may_be_anything() {
    let clusters = ten_seconds().concat();
    let video = |content: &[u8]| element(0xe0, content);
    let spoilt: [(&str, Vec<u8>); 22] = [
        ("UID of zero", number(0x73c5, 0)),
        ("empty UID", element(0x73c5, &[])),
        ("long UID", element(0x73c5, &[1; 30])),
        ("name in Latin 1", element(0x536e, b"Stra\xdfe")),
        ("empty name", element(0x536e, &[])),
        ("language", element(0x22_b59c, &[0xff, 0xfe, 0])),
        ("codec name", element(0x25_8688, &[0x80])),
        ("no size", video(&[])),
        ("sizes of zero", video(&[number(0xb0, 0), number(0xba, 0)].concat())),
        ("empty sizes", video(&[element(0xb0, &[]), element(0xba, &[])].concat())),
        ("large size", video(&element(0xb0, &[9; 9]))),
        ("aspect", video(&[number(0x54b0, 0), number(0x54b2, 77)].concat())),
        ("stereo", video(&number(0x53b8, 200))),
        ("frame rate of three bytes", video(&element(0x23_83e3, &[1, 2, 3]))),
        ("flags", [number(0xb9, 7), number(0x88, 0), element(0x55aa, &[])].concat()),
        ("kind", number(0x83, 99)),
        ("no bytes of CodecDelay", element(0x56aa, &[])),
        ("DefaultDuration of zero", number(0x23_e383, 0)),
        ("empty encodings", element(0x6d80, &[])),
        ("CRC", element(0xbf, &[1, 2, 3, 4])),
        ("short CRC", element(0xbf, &[1])),
        ("scale of tracks", element(0x23_314f, &[0; 3])),
    ];
    for (what, more) in spoilt {
        for entries in with_in_entry(&more) {
            check(what, file(&[info(None), entries, clusters.clone()]));
        }
    }
}

#[test]
fn what_a_track_needs_has_its_defaults() {
    // Only what says what it is: no kind, no UID; sampling rate and channels of RFC 9559.
    let empty = [element(0xb5, &[]), element(0x9f, &[]), number(0x6264, 16)].concat();
    let zero = [element(0xb5, &[0; 8]), number(0x9f, 0), number(0x6264, 16)].concat();
    let odd =
        [element(0xb5, &[0x44, 0x7a, 0]), element(0x9f, &[1; 9]), number(0x6264, 16)].concat();
    let not_a_number =
        [element(0xb5, &f64::NAN.to_bits().to_be_bytes()), number(0x6264, 16)].concat();
    for audio in [empty, zero, odd, not_a_number, number(0x6264, 16)] {
        let entry = [number(0xd7, 2), element(0x86, PCM.as_bytes()), element(0xe1, &audio)];
        let entry = element(id::TRACK_ENTRY, &entry.concat());
        let block = simple(2, 0, 0x80, &[0; 320]);
        let media = probe(file(&[info(None), tracks(&[entry]), cluster(0, &[block])])).unwrap();
        let CodecParameters::Pcm { sampling_rate, channels, .. } = media.tracks()[0].parameters
        else {
            panic!("no PCM");
        };
        assert_eq!((sampling_rate, channels), (8000, 1));
    }
    // An AudioSpecificConfig that makes no sense.
    let track = audio_track(1, "A_AAC", 48_000.0, &element(0x63a2, &[0xff]));
    let media =
        probe(file(&[info(None), tracks(&[track]), cluster(0, &[simple(1, 0, 0x80, &[1])])]));
    assert!(matches!(
        media.unwrap().tracks()[0].parameters,
        CodecParameters::Aac { sampling_rate: 48_000, channels: 1, .. }
    ));
}

#[test]
fn elements_of_the_segment_may_be_malformed_missing_or_there_twice() {
    let clusters = ten_seconds().concat();
    let head = |infos: Vec<u8>| file(&[infos, two_tracks(), clusters.clone()]);
    check("no Info", head(Vec::new()));
    check("empty Info", head(element(id::INFO, &[])));
    check("empty scale", head(element(id::INFO, &element(id::TIMESTAMP_SCALE, &[]))));
    check("scale of zero", head(element(id::INFO, &number(id::TIMESTAMP_SCALE, 0))));
    check("long scale", head(element(id::INFO, &element(id::TIMESTAMP_SCALE, &[1; 9]))));
    check("odd Duration", head(element(id::INFO, &element(id::DURATION, &[1, 2, 3]))));
    check("Duration that is none", head(info(Some(f64::NAN))));
    check("endless Duration", head(info(Some(f64::INFINITY))));
    check("negative Duration", head(info(Some(-3.0))));
    check("title in Latin 1", head(element(id::INFO, &element(0x7ba9, b"\xe4\xff"))));
    check("two Infos", head([info(Some(10_000.0)), info(None)].concat()));
    check("large Info", head(element(id::INFO, &vec![0; 2 << 20])));
    check("large SeekHead", head(element(id::SEEK_HEAD, &vec![0xec; 100 << 10])));
    check("CRC", head(element(0xbf, &[9; 4])));
    check("void", head(element(0xec, &[])));
    check("zeros", head(vec![0; 70_000]));
    check("size beyond the end", head(lying(id::INFO, 1 << 40, &[])));
    let seek_id = element(id::SEEK_ID, &id::INFO.to_be_bytes());
    let seek = element(id::SEEK, &[seek_id, number(id::SEEK_POSITION, 9)].concat());
    check("SeekHead beyond the end", head(lying(id::SEEK_HEAD, 1 << 40, &seek)));
    let tags = unknown_size(0x1254_c367, &element(0x7373, &[0; 20]));
    check(
        "Info of unknown size",
        head(unknown_size(id::INFO, &number(id::TIMESTAMP_SCALE, 1_000_000))),
    );
    check("Tags of unknown size", head(tags));
    let twice = [two_tracks(), tracks(&[]), two_tracks()].concat();
    check("Tracks thrice", file(&[tracks(&[]), twice, clusters.clone()]));
    let open = unknown_size(id::TRACKS, inside(&two_tracks()));
    check("Tracks of unknown size", file(&[info(None), open, clusters.clone()]));
    let video = unknown_size(id::TRACK_ENTRY, inside(&h264_track()));
    let sound = unknown_size(id::TRACK_ENTRY, inside(&audio_track(2, PCM, 1000.0, &[])));
    check("entries of unknown size", file(&[tracks(&[video, sound]), clusters.clone()]));
}

#[test]
fn what_is_in_front_of_the_segment_and_its_size_do_not_matter() {
    let content = [info(None), two_tracks(), ten_seconds().concat()].concat();
    let segment = element(id::SEGMENT, &content);
    let after = |header: Vec<u8>| [header, segment.clone()].concat();
    check("no DocType", after(element(id::EBML, &[])));
    check("empty DocType", after(element(id::EBML, &element(0x4282, &[]))));
    check("other DocType", after(element(id::EBML, &element(0x4282, b"Matr\xf6ska"))));
    check(
        "versions",
        after(element(id::EBML, &[number(0x4286, 0), element(0x4285, &[9; 9])].concat())),
    );
    check("large header", after(element(id::EBML, &element(0xec, &[0; 9000]))));
    check("header of unknown size", after(unknown_size(id::EBML, &element(0x4282, b"webm"))));
    check("header of size 0", after(lying(id::EBML, 0, &element(0x4282, b"webm"))));
    check("header that is too long", after(lying(id::EBML, 1 << 50, &element(0x4282, b"webm"))));
    check("void", after([ebml_header(), element(0xec, &[0; 40])].concat()));
    let lying = |size| [ebml_header(), lying(id::SEGMENT, size, &content)].concat();
    check("segment of size 0", lying(0));
    check("segment that is too long", lying(1 << 50));
    // One that ends within the header of an element.
    assert!(probe(lying(3)).is_err());
    let unknown = unknown_size(id::INFO, &content);
    assert!(probe([ebml_header(), super::lying(id::SEGMENT, 3, &unknown)].concat()).is_err());
}

#[test]
fn elements_of_a_cluster_may_be_malformed() {
    let seconds = ten_seconds();
    let spoilt = |more: &[u8]| -> Vec<u8> {
        let content = |c: &Vec<u8>| element(id::CLUSTER, &[inside(c), more].concat());
        file(&[info(None), two_tracks(), seconds.iter().flat_map(content).collect()])
    };
    check("position", spoilt(&element(0xa7, &[9; 12])));
    check("previous size", spoilt(&element(0xab, &[])));
    check("CRC", spoilt(&element(0xbf, &[7; 4])));
    check(
        "empty blocks",
        spoilt(&[element(id::SIMPLE_BLOCK, &[]), element(id::BLOCK_GROUP, &[])].concat()),
    );
    check("empty Timestamp", {
        let first = element(
            id::CLUSTER,
            &[element(id::TIMESTAMP, &[]), inside(&seconds[0])[17..].to_vec()].concat(),
        );
        file(&[info(None), two_tracks(), first, seconds[1..].concat()])
    });
    let unsized_ones = |c: &Vec<u8>| lying(id::CLUSTER, 0, inside(c));
    check(
        "clusters of size 0",
        file(&[two_tracks(), seconds.iter().flat_map(unsized_ones).collect()]),
    );
    // Groups of unknown size, with durations that say nothing.
    let group = |n: u8, empty: bool| {
        let duration =
            if empty { element(id::BLOCK_DURATION, &[]) } else { number(id::BLOCK_DURATION, 0) };
        let block = element(id::BLOCK, &block(1, i16::from(n) * 40, 0x80, &picture(true, n)));
        [block, duration].concat()
    };
    let blocks = [
        unknown_size(id::BLOCK_GROUP, &group(0, true)),
        unknown_size(id::BLOCK_GROUP, &group(1, false)),
        element(id::BLOCK_GROUP, &group(2, true)),
        element(id::BLOCK_GROUP, &group(3, false)),
    ];
    let frames = play(file(&[tracks(&[h264_track()]), cluster(0, &blocks)]));
    let seen: Vec<_> = frames[0].iter().map(|f| (f.pts, f.duration)).collect();
    assert_eq!(seen, [0, 40, 80, 120].map(|at| (ms(at), ms(40))));
}
