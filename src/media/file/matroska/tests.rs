//! Probe and demultiplexer together, over files that the builder writes and over real ones.

mod builder;
mod codecs;
mod formats;
mod interleave;
mod parameter_sets;
mod time_line;
mod tolerance;

use self::builder::*;
use super::ebml::id;
use super::*;
use crate::codec::{CodecParameters, PcmEncoding};
use crate::frame::Frame;
use crate::media::SeekError;
use crate::media::access_unit;
use crate::media::file::testing::{TracksPlayer as Player, finish};
use std::time::Duration;

/// Probes with small bites; panics if that takes unreasonably many.
fn probe(bytes: Vec<u8>) -> Result<Arc<dyn MediaFile>, String> {
    let calls = bytes.len() + 1000;
    finish(probe_matroska_bytes(bytes.into()).unwrap(), 100, calls)
}

fn play(bytes: Vec<u8>) -> Vec<Vec<Frame>> {
    Player::new(&probe(bytes).unwrap()).interleaved()
}

const PCM: &str = "A_PCM/INT/LIT";
const SETS: [u8; 14] = [0, 0, 0, 1, 0x67, 1, 2, 3, 0, 0, 0, 1, 0x68, 4];

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn two_tracks() -> Vec<u8> {
    tracks(&[h264_track(), audio_track(2, PCM, 1000.0, &[])])
}

fn cue(time: u64, track: u64, position: u64) -> Vec<u8> {
    let positions =
        [number(id::CUE_TRACK, track), number(id::CUE_CLUSTER_POSITION, position)].concat();
    let point = [number(id::CUE_TIME, time), element(id::CUE_TRACK_POSITIONS, &positions)];
    element(id::CUE_POINT, &point.concat())
}

#[test]
fn pictures_and_samples_come_out_in_sync() {
    let media = probe(file(&[info(None), two_tracks(), ten_seconds().concat()])).unwrap();
    assert_eq!(media.tracks()[0].duration, Some(ms(10_000)));
    let pcm = CodecParameters::Pcm { encoding: PcmEncoding::L16, sampling_rate: 1000, channels: 1 };
    assert_eq!(media.tracks()[1].parameters, pcm);
    let frames = Player::new(&media).interleaved();
    assert_eq!((frames[0].len(), frames[1].len()), (250, 500));
    for (i, frame) in frames[0].iter().enumerate() {
        let key = i % 25 == 0;
        assert_eq!((frame.pts, frame.dts, frame.flags.key), (ms(i as u64 * 40), frame.pts, key));
        let slice = [0, 0, 0, 1, if key { 0x65 } else { 0x41 }, (i / 25) as u8, 0x80];
        let sets = if key { &SETS[..] } else { &[] };
        assert_eq!(frame.data, [sets, &slice].concat());
    }
    for (i, frame) in frames[1].iter().enumerate() {
        assert_eq!((frame.pts, frame.duration), (ms(i as u64 * 20), ms(20)));
        // Turned into network byte order.
        assert_eq!(frame.data, [(i % 50 / 2) as u8, (i / 50) as u8].repeat(20));
    }
}

#[test]
fn seeks_by_cues_and_without_them_to_the_key_frame_before() {
    let clusters = ten_seconds();
    let head = [info(Some(10_000.0)), two_tracks()].concat();
    let mut position = head.len() as u64;
    let mut cues = Vec::new();
    for (i, cluster) in clusters.iter().enumerate() {
        cues.extend(cue(i as u64 * 1000, 1, position));
        cues.extend(cue(i as u64 * 1000 + 20, 2, 0));
        position += cluster.len() as u64;
    }
    let cues = element(id::CUES, &cues);
    let with_cues_behind = {
        // The SeekHead moves all behind it by its own length.
        let seek_head = |at: u64| {
            let seek = [number(id::SEEK_ID, id::CUES.into()), number(id::SEEK_POSITION, at)];
            element(id::SEEK_HEAD, &element(id::SEEK, &seek.concat()))
        };
        let len = seek_head(0).len() as u64;
        let mut moved = Vec::new();
        let mut at = head.len() as u64 + len;
        for (i, cluster) in clusters.iter().enumerate() {
            moved.extend(cue(i as u64 * 1000, 1, at));
            at += cluster.len() as u64;
        }
        file(&[seek_head(at), head.clone(), clusters.concat(), element(id::CUES, &moved)])
    };
    let live = unknown_size(
        id::SEGMENT,
        &[
            info(None),
            two_tracks(),
            (0..10)
                .flat_map(|i| {
                    // The content of the cluster behind its 12 bytes of header.
                    unknown_size(id::CLUSTER, &clusters[i][12..])
                })
                .collect(),
        ]
        .concat(),
    );
    let files = [
        with_cues_behind,
        file(&[head.clone(), clusters.concat()]),
        file(&[info(None), two_tracks(), clusters.concat()]),
        [ebml_header(), live].concat(),
        // Cues that lie, and a SeekHead that lies about where they are.
        file(&[head.clone(), clusters.concat(), cues]),
        file(&[
            element(
                id::SEEK_HEAD,
                &element(
                    id::SEEK,
                    &[number(id::SEEK_ID, id::CUES.into()), number(id::SEEK_POSITION, 0)].concat(),
                ),
            ),
            head,
            clusters.concat(),
        ]),
    ];
    for (n, bytes) in files.into_iter().enumerate() {
        let media = probe(bytes).unwrap();
        assert_eq!(media.tracks()[0].duration, Some(ms(10_000)), "file {n}");
        let mut player = Player::new(&media);
        for (npt, key) in [(5500, 5000), (0, 0), (9999, 9000), (3000, 3000), (5500, 5000)] {
            assert_eq!(player.seek(ms(npt)), Ok(ms(key)), "file {n}");
            for track in [1, 0] {
                let frame = player.next(track).unwrap();
                assert_eq!(frame.pts, ms(key), "file {n} track {track}");
                assert!(frame.flags.key && frame.flags.discontinuity);
            }
            assert_eq!(player.next(0).unwrap().pts, ms(key + 40));
        }
        assert_eq!(player.seek(ms(10_001)), Err(SeekError::OutOfRange));
        assert_eq!(player.seek(ms(9000)), Ok(ms(9000)));
        assert_eq!(player.all(0).len(), 25);
    }
}

#[test]
fn block_groups_tell_key_frames_and_durations() {
    let group = |time, key: bool, n| {
        let mut content = element(id::BLOCK, &block(1, time, 0, &picture(false, n)));
        content.extend(number(id::BLOCK_DURATION, 77));
        if !key {
            content.extend(element(id::REFERENCE_BLOCK, &[0xff]));
        }
        element(id::BLOCK_GROUP, &content)
    };
    let blocks = [group(0, true, 0), group(40, false, 1), group(80, true, 2)];
    let frames = play(file(&[info(None), tracks(&[h264_track()]), cluster(0, &blocks)]));
    let keys: Vec<_> = frames[0].iter().map(|f| f.flags.key).collect();
    assert_eq!(keys, [true, false, true]);
    assert!(frames[0].iter().all(|f| f.duration == ms(77)));
    assert!(frames[0][2].data.starts_with(&SETS));
}

#[test]
fn laced_audio_is_timed_by_its_samples() {
    let config = element(0x63a2, &[0x11, 0x90]); // AAC-LC, 48 kHz, stereo
    let track = audio_track(1, "A_AAC", 48000.0, &config);
    let lace = |flags, sizes: &[u8]| {
        let data = [&[2], sizes, &[1; 3], &[2; 3], &[3; 3]].concat();
        block(1, 0, flags, &data)
    };
    for (flags, sizes) in [(2, &[3, 3][..]), (4, &[]), (6, &[0x83, 0xbf])] {
        let block = element(id::SIMPLE_BLOCK, &lace(flags | 0x80, sizes));
        let bytes =
            file(&[info(None), tracks(std::slice::from_ref(&track)), cluster(5000, &[block])]);
        let frames = play(bytes);
        let data: Vec<_> = frames[0].iter().map(|f| &f.data[..]).collect();
        assert_eq!(data, [[1; 3], [2; 3], [3; 3]]);
        let times: Vec<_> = frames[0].iter().map(|f| f.pts.as_micros()).collect();
        assert_eq!(times, [0, 21_333, 42_666], "counted from the first frame of the file");
    }
}

#[test]
fn stripped_headers_are_put_back() {
    let compression = [number(0x4254, 3), element(0x4255, &[9, 8])].concat();
    let encoding = [number(0x5031, 0), element(0x5034, &compression)].concat();
    let encodings = element(0x6d80, &element(0x6240, &encoding));
    let track = audio_track(1, "A_PCM/INT/BIG", 1000.0, &encodings);
    let clusters = cluster(0, &[simple(1, 0, 0x80, &[7, 6])]);
    let frames = play(file(&[info(None), tracks(std::slice::from_ref(&track)), clusters]));
    assert_eq!(frames[0][0].data, [9, 8, 7, 6][..]);
    // Any other compression leaves the track out.
    let zlib = element(0x6d80, &element(0x6240, &element(0x5034, &number(0x4254, 0))));
    let track = audio_track(1, "A_PCM/INT/BIG", 1000.0, &zlib);
    let none = probe(file(&[info(None), tracks(&[track]), cluster(0, &[])]));
    assert_eq!(none.unwrap_err(), "no track that can be streamed");
}

#[test]
fn large_blocks_of_pcm_are_cut_up() {
    let block = simple(2, 0, 0x80, &vec![5; 2 * 48_000]);
    let entries = tracks(&[audio_track(2, PCM, 48_000.0, &[])]);
    let frames = play(file(&[info(None), entries, cluster(0, &[block])]));
    assert_eq!(frames[0].len(), 50);
    assert!(frames[0].iter().all(|f| f.data.len() == 2 * 960 && f.duration == ms(20)));
    assert_eq!(frames[0][49].pts, ms(980));
}

#[test]
fn strings_may_end_in_zero_bytes() {
    let entries = tracks(&[audio_track(2, "A_PCM/INT/LIT\0", 1000.0, &[])]);
    let frames = play(file(&[info(None), entries, ten_seconds().concat()]));
    assert_eq!(frames[0].len(), 500);
}

#[test]
fn other_tracks_are_left_out() {
    let flac = audio_track(3, "A_FLAC", 48_000.0, &[]);
    let broken = element(id::TRACK_ENTRY, &[number(0xd7, 4), element(0x86, &[0xff])].concat());
    let entries = tracks(&[flac, broken, h264_track(), h264_track()]);
    let media = probe(file(&[info(None), entries, ten_seconds().concat()])).unwrap();
    assert_eq!(media.tracks().len(), 1);
    assert_eq!(Player::new(&media).all(0).len(), 250);
}

#[test]
fn broken_pictures_are_left_out_and_marked() {
    let blocks = [
        simple(1, 0, 0x80, &picture(true, 0)),
        simple(1, 40, 0, &[0xff, 0xff, 0xff, 0xff, 1]),
        simple(1, 80, 0, &[0, 0]),
        simple(1, 120, 0, &picture(false, 3)),
        simple(1, 160, 0, &[&picture(false, 4)[..], &[0, 0, 0, 9, 1]].concat()),
    ];
    let frames = play(file(&[info(None), tracks(&[h264_track()]), cluster(0, &blocks)]));
    let seen: Vec<_> =
        frames[0].iter().map(|f| (f.pts.as_millis(), f.flags.discontinuity)).collect();
    assert_eq!(seen, [(0, false), (120, true), (160, false)]);
    assert_eq!(frames[0][2].data[..], [0, 0, 0, 1, 0x41, 4, 0x80]);
}

#[test]
fn files_that_point_in_circles_or_lie_about_sizes_come_to_an_end() {
    let head = [info(None), two_tracks()].concat();
    let seek = |id: u32, at| {
        element(id::SEEK, &[number(id::SEEK_ID, id.into()), number(id::SEEK_POSITION, at)].concat())
    };
    let to_itself = element(
        id::SEEK_HEAD,
        &[seek(id::SEEK_HEAD, 0), seek(id::CUES, u64::MAX), seek(id::INFO, 1 << 62)].concat(),
    );
    let crc_first = element(0xbf, &[0; 4]);
    let clusters = ten_seconds().concat();
    for start in [to_itself, crc_first, element(0xec, &[0; 300])] {
        assert_eq!(play(file(&[start, head.clone(), clusters.clone()]))[0].len(), 250);
    }
    for size in [1 << 20, (1 << 56) - 2] {
        let long_block = lying(id::SIMPLE_BLOCK, size, &block(1, 0, 0x80, &[0; 9]));
        let long_group = lying(id::BLOCK_GROUP, size, &long_block);
        let long_cluster = lying(id::CLUSTER, size, &[]);
        for tail in [long_block, long_group, long_cluster] {
            // The cut-off end is left out.
            let bytes = file(&[head.clone(), clusters.clone(), tail.clone()]);
            assert_eq!(play(bytes)[0].len(), 250);
            // In the middle of things, the next cluster is found again.
            let middle = cluster(0, &[simple(1, 0, 0x80, &picture(true, 0)), tail]);
            let frames = play(file(&[head.clone(), middle, clusters.clone()]));
            assert_eq!(frames[0].len(), 251);
        }
        for id in [id::TRACKS, id::INFO, id::SEEK_HEAD] {
            assert!(probe(file(&[lying(id, size, &head)])).is_err());
        }
        assert!(probe([ebml_header(), lying(id::SEGMENT, size, &head)].concat()).is_err());
    }
    // A file behind a file of unknown size is not played.
    let open_end = unknown_size(id::SEGMENT, &[head.clone(), clusters.clone()].concat());
    let twice = [ebml_header(), open_end].concat().repeat(2);
    assert_eq!(play(twice)[0].len(), 250);
    let zeros = [head.clone(), vec![0; 100_000], clusters].concat();
    let _ = probe(file(&[zeros]));
    assert!(probe(Vec::new()).is_err());
    assert!(probe(ebml_header()).is_err());
    assert!(probe(vec![0x1a; 1000]).is_err());
    assert!(probe(file(&[head])).is_err());
}

#[test]
fn damaged_bytes_lose_frames_and_nothing_else() {
    let sound = file(&[info(None), two_tracks(), ten_seconds()[..3].concat()]);
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    for _ in 0..300 {
        let mut bytes = sound.clone();
        for _ in 0..1 + random() % 8 {
            let at = random() as usize % bytes.len();
            bytes[at] = random() as u8;
        }
        if random() % 4 == 0 {
            bytes.truncate(random() as usize % bytes.len());
        }
        let Ok(media) = probe(bytes) else { continue };
        let mut player = Player::new(&media);
        player.interleaved();
        let _ = player.sources[0].seek(
            ms(random() % 4000),
            &mut SourceContext { now: player.now, demuxers: &mut player.demuxers },
        );
        player.next(0);
    }
}

#[test]
fn a_track_that_is_opened_late_starts_at_a_key_frame() {
    let media = probe(file(&[info(None), two_tracks(), ten_seconds().concat()])).unwrap();
    let mut player = Player::new(&media);
    let cx = &mut SourceContext { now: player.now, demuxers: &mut player.demuxers };
    player.sources[0].close(cx);
    for _ in 0..130 {
        player.next(1).unwrap();
    }
    let cx = &mut SourceContext { now: player.now, demuxers: &mut player.demuxers };
    player.sources[0] = Arc::clone(&media).open_track(0, 1, cx).unwrap();
    let frame = player.next(0).unwrap();
    assert_eq!((frame.pts, frame.dts), (ms(3000), ms(3000)));
    assert!(frame.flags.key && frame.flags.discontinuity);
    assert_eq!(player.next(1).unwrap().pts, ms(2600), "the other lost nothing");
    // Its first seek moves, even to where another has been.
    assert_eq!(player.seek(ms(0)), Ok(ms(0)));
    assert_eq!((player.next(0).unwrap().pts, player.next(1).unwrap().pts), (ms(0), ms(0)));
}

#[test]
fn real_files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/media");
    for (name, tracks) in [
        ("a file.mkv", None),
        ("h264_aac.mkv", Some(2)),
        ("h264_opus.mkv", Some(2)),
        ("h264_pcm.mkv", Some(2)),
        ("h265_mp3.mkv", Some(2)),
        ("no_cues.mkv", None),
        ("video.webm", Some(2)),
        ("vp8_vorbis.webm", Some(2)),
        ("vp9_opus.webm", Some(2)),
        ("av1_opus.mkv", Some(2)),
        ("mpeg4_ac3.mkv", Some(2)),
        ("mpeg2_eac3.mkv", Some(2)),
        ("jpeg.mkv", Some(1)),
    ] {
        let probe = probe_matroska(&folder.join(name)).unwrap();
        let media = finish(probe, 64 << 10, 100).unwrap();
        if let Some(tracks) = tracks {
            assert_eq!(media.tracks().len(), tracks, "{name}");
        }
        let duration = media.tracks()[0].duration.unwrap();
        let mut player = Player::new(&media);
        let whole = player.interleaved();
        for (track, frames) in whole.iter().enumerate() {
            let end = frames.iter().map(|f| f.pts + f.duration).max().unwrap();
            assert!(end.abs_diff(duration) < ms(200), "{name} {track}: {end:?} {duration:?}");
            assert!(frames.iter().all(|f| f.dts <= f.pts), "{name} {track}");
            assert!(frames.iter().all(|f| !f.flags.discontinuity), "{name} {track}");
            if !matches!(media.tracks()[track].parameters, CodecParameters::Aac { .. }) {
                continue;
            }
            for pair in frames.windows(2) {
                assert_eq!(pair[1].pts, pair[0].pts + pair[0].duration, "{name} {track}");
            }
        }
        // What follows a seek is what follows that place anyway.
        let landed = player.seek(duration / 2).unwrap();
        assert!(landed <= duration / 2);
        for (track, frames) in player.interleaved().iter().enumerate() {
            // Save the pictures that lead the key frame in presentation.
            let same = frames.iter().filter(|f| {
                // An end of sequence may be in front of the first.
                let same = |w: &&Frame| f.data.ends_with(&w.data) && w.pts.abs_diff(f.pts) < ms(2);
                whole[track].iter().any(|w| same(&w))
            });
            assert_eq!(same.count(), frames.len(), "{name} {track}");
            let late = whole[track].iter().filter(|f| f.pts >= landed).count();
            assert!((late..late + 2).contains(&frames.len()), "{name} {track}");
            let first = frames.first().unwrap();
            assert!(first.pts + first.duration >= landed, "{name} {track}");
        }
    }
}
