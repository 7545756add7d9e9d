//! Sample tables: cursors over windows of them find what reading all of them would.

use super::super::sample::Sample;
use super::super::sample_cursor::{Next, SampleCursor};
use super::*;
use crate::media::file::container::window::Input;
use std::io::{Seek, SeekFrom, Write};

/// A track with sizes, durations, offsets and chunks all over the place.
fn random_track(n: usize, random: &mut impl FnMut(u32) -> u32) -> Written {
    let (mut duration, mut offset) = (40, 0);
    let stored = |i: usize| {
        if random(3) == 0 {
            (duration, offset) = (random(100), random(400) as i32 - 200);
        }
        let key = i == 0 || random(9) == 0;
        let mut data = vec![0; random(50) as usize];
        data.extend(picture(key, i as u8));
        Stored { data, duration, offset, key, description: 1 }
    };
    let samples = (0..n).map(stored).collect();
    Written { samples, of_chunk: 1 + random(40) as usize, ..Written::video(0) }
}

fn random() -> impl FnMut(u32) -> u32 {
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    move |below: u32| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 20) as u32 % below.max(1)
    }
}

#[test]
fn cursors_find_what_is_in_the_tables() {
    let mut random = random();
    for round in 0..20 {
        let track = random_track(1 + round * 97, &mut random);
        let bytes = file(std::slice::from_ref(&track));
        let input = Input::Memory(bytes.clone().into());
        let mut probe = Mp4Probe::new(input.clone(), "in memory".into()).unwrap();
        let media = loop {
            if let Some(media) = probe.go_on().unwrap() {
                break media;
            }
        };
        let table = &media.infos[0].samples;
        let mut dts = 0;
        let expected: Vec<(i64, i64, bool, &[u8])> = track
            .samples
            .iter()
            .map(|s| {
                let at = dts;
                dts += i64::from(s.duration);
                (at, at + i64::from(s.offset), s.key, &s.data[..])
            })
            .collect();
        for _ in 0..30 {
            let from = random(expected.len() as u32) as usize;
            let mut cursor = SampleCursor::new(table, from as u64, &input).unwrap();
            let mut found = Vec::new();
            loop {
                match cursor.next(table, 1, &input).unwrap() {
                    Next::Sample(Sample { at, len, dts, pts, key, .. }) => {
                        found.push((dts, pts, key, &bytes[at as usize..(at + len) as usize]));
                    }
                    Next::Work => {}
                    Next::OutOfFile | Next::End => break,
                }
            }
            assert!(found == expected[from..], "round {round} from {from}");
            let tick = i64::from(random(dts as u32 + 100));
            let keys = expected.iter().enumerate().filter(|(_, e)| e.2);
            // Key frames of such a track are not in order; the last in decoding order counts of
            // those that are looked at.
            let (sample, pts) = table.key_at(tick, &input).unwrap();
            assert!(expected[sample as usize].2 && expected[sample as usize].1 == pts);
            let later = keys.filter(|(i, e)| *i > sample as usize && e.1 <= tick);
            assert!(later.count() <= 1 || pts <= tick, "{tick} {sample} {pts}");
        }
    }
}

#[test]
fn tables_of_millions_of_samples_take_little() {
    // Ten hours of samples each of which lasts another time than the one before: 1.8 million
    // entries in a table. The media is not there; it is not read.
    let n = 1_800_000_u32;
    let times: Vec<u32> = (0..n).flat_map(|i| [1, 19 + i % 3]).collect();
    let stbl = [
        Written::video(0).stsd(),
        table(b"stts", 2, &times),
        table(b"stsc", 3, &[1, n, 1]),
        full(b"stsz", 0, 0, &words(&[7, n])),
        table(b"stco", 1, &[32]),
    ];
    let mdia = [
        full(b"mdhd", 0, 0, &words(&[0, 0, 1000, 0, 0])),
        boxed(b"minf", &boxed(b"stbl", &stbl.concat())),
    ];
    let trak = [full(b"tkhd", 0, 7, &words(&[0, 0, 1, 0, 0])), boxed(b"mdia", &mdia.concat())];
    let moov = boxed(b"moov", &[mvhd(), boxed(b"trak", &trak.concat())].concat());
    let input = Input::Memory([ftyp(), moov].concat().into());
    let mut probe = Mp4Probe::new(input.clone(), "in memory".into()).unwrap();
    let media = loop {
        if let Some(media) = probe.go_on().unwrap() {
            break media;
        }
    };
    assert_eq!(media.duration, Some(ms(36_000_000)));
    let table = &media.infos[0].samples;
    for hour in [0, 1, 5, 9] {
        let sample = table.sample_at(hour * 3_600_000, &input).unwrap();
        assert_eq!(table.times_of(sample, &input).unwrap().0, hour * 3_600_000);
        assert_eq!(sample, hour as u64 * 180_000);
    }
}

#[test]
fn files_above_four_gigabytes_are_read() {
    let tracks = [Written::video(50), Written::mp3(80)];
    // A hole of 5 GiB in front of the media.
    let hole = 5_u64 << 30;
    let head = [ftyp(), words(&[1]), b"mdat".to_vec()].concat();
    let (moov, media) = movie(&tracks, hole, true);
    let end = hole + media.len() as u64;
    let mut sparse = tempfile::NamedTempFile::new().unwrap();
    let out = sparse.as_file_mut();
    out.write_all(&head).unwrap();
    out.write_all(&(end - ftyp().len() as u64).to_be_bytes()).unwrap();
    out.seek(SeekFrom::Start(hole)).unwrap();
    out.write_all(&media).unwrap();
    out.write_all(&moov).unwrap();
    let media = finish(probe_mp4(sparse.path()).unwrap(), 4096, 1000).unwrap();
    let frames = TracksPlayer::new(&media).interleaved();
    check_pictures(&frames[0], &tracks[0].samples);
    assert_eq!(frames[1].len(), 80);
}

#[test]
fn a_chunk_with_all_samples_is_found_a_way_into() {
    let track = Written { of_chunk: usize::MAX, ..Written::video(10_000) };
    let mut player = player(file(std::slice::from_ref(&track)));
    assert_eq!(player.seek(ms(399_000)), Ok(ms(399_000)));
    let frames = player.all(0);
    check_pictures(&frames, &track.samples[9975..]);
}

#[test]
fn small_sizes_are_read() {
    for (bits, bytes) in [(4_u32, vec![0x77; 25]), (8, vec![7; 50]), (16, [0, 7].repeat(50))] {
        let sizes = full(b"stz2", 0, 0, &[words(&[bits, 50]), bytes].concat());
        let track = Written { sizes: Some(sizes), ..Written::video(50) };
        check_pictures(&play(file(std::slice::from_ref(&track)))[0], &track.samples);
    }
    let sizes = Some(full(b"stsz", 0, 0, &words(&[7, 50])));
    let track = Written { sizes, ..Written::video(50) };
    check_pictures(&play(file(std::slice::from_ref(&track)))[0], &track.samples);
}

#[test]
fn what_lies_beyond_the_end_is_not_played() {
    let track = Written::video(50);
    let head = ftyp();
    let (moov, _) = movie(std::slice::from_ref(&track), 0, false);
    let at = (head.len() + moov.len() + 8) as u64;
    let (moov, media) = movie(std::slice::from_ref(&track), at, false);
    let mut bytes = [head, moov, boxed(b"mdat", &media)].concat();
    bytes.truncate(bytes.len() - 7 * 20 - 3);
    assert_eq!(play(bytes)[0].len(), 29);
}
