//! Movie fragments.

use super::*;
use crate::media::Wait;
use std::fs::OpenOptions;
use std::io::Write;

const FORMS: [Form; 4] = [
    Form { base: 0x2_0000, timed: true, of_run: 100 },
    Form { base: 1, timed: true, of_run: 7 },
    Form { base: 0, timed: true, of_run: 5 },
    Form { base: 0x2_0000, timed: false, of_run: 10 },
];

fn tracks() -> [Written; 2] {
    [Written::video(250), Written::mp3(400)]
}

#[test]
fn fragments_of_all_forms_are_played_and_sought() {
    let tracks = tracks();
    for (n, form) in FORMS.into_iter().enumerate() {
        let media = probe(fragmented(&tracks, form)).unwrap();
        assert_eq!(media.tracks()[0].duration, Some(ms(10_000)), "form {n}");
        let mut player = TracksPlayer::new(&media);
        let frames = player.interleaved();
        check_pictures(&frames[0], &tracks[0].samples);
        assert_eq!(frames[1].len(), 400, "form {n}");
        for (i, frame) in frames[1].iter().enumerate() {
            assert_eq!(
                (frame.pts, &frame.data[..]),
                (ms(i as u64 * 24), &tracks[1].samples[i].data[..])
            );
        }
        for (npt, key) in [(5500, 5000), (0, 0), (9999, 9000), (3000, 3000), (2999, 2000)] {
            assert_eq!(player.seek(ms(npt)), Ok(ms(key)), "form {n}");
            let picture = player.next(0).unwrap();
            assert_eq!(picture.pts, ms(key), "form {n}");
            assert!(picture.flags.key && picture.flags.discontinuity);
            let sound = player.next(1).unwrap();
            assert!(sound.pts <= ms(key) && sound.pts + sound.duration > ms(key), "form {n}");
            assert_eq!(player.next(0).unwrap().pts, ms(key + 40));
        }
    }
}

/// An `mfra` box whose entries are these times and places of track 1.
fn mfra(entries: &[(u32, u32)]) -> Vec<u8> {
    let mut tfra = words(&[1, 0, entries.len() as u32]);
    for (time, at) in entries {
        tfra.extend(words(&[*time, *at]));
        tfra.extend([1, 1, 1]);
    }
    let tfra = full(b"tfra", 0, 0, &tfra);
    let len = tfra.len() as u32 + 24;
    boxed(b"mfra", &[tfra, full(b"mfro", 0, 0, &words(&[len]))].concat())
}

fn sidx(entries: &[(u32, u32)], first_offset: u32) -> Vec<u8> {
    let mut out = words(&[1, 1000, 0, first_offset]);
    out.extend((entries.len() as u32).to_be_bytes());
    for (len, duration) in entries {
        out.extend(words(&[*len, *duration, 0x9000_0000]));
    }
    full(b"sidx", 0, 0, &out)
}

/// Where the fragments are.
fn places(bytes: &[u8]) -> Vec<usize> {
    let mut places = Vec::new();
    let mut at = 0;
    for (kind, content) in boxes::boxes_in(bytes) {
        if kind == *b"moof" {
            places.push(at);
        }
        at += content.len() + 8;
    }
    places
}

#[test]
fn indices_are_used_and_lies_in_them_found_out() {
    let tracks = [Written::video(250), Written::mp3(417)];
    let bytes = fragmented(&tracks, FORMS[0]);
    let head = fragmented_head(&tracks).len();
    let places = places(&bytes);
    assert_eq!(places.len(), 11);
    let true_entries: Vec<_> =
        places[..10].iter().enumerate().map(|(i, &at)| (i as u32 * 1000, at as u32)).collect();
    let mut ends = places.clone();
    ends.push(bytes.len());
    let lens: Vec<_> = ends.windows(2).map(|w| ((w[1] - w[0]) as u32, 1000)).collect();
    let behind = |entries: &[(u32, u32)]| [bytes.clone(), mfra(entries)].concat();
    let in_front = |entries: &[(u32, u32)], first: u32| {
        [&bytes[..head], &sidx(entries, first), &bytes[head..]].concat()
    };
    let off: Vec<_> = true_entries.iter().map(|(time, at)| (time + 500, *at)).collect();
    let nowhere: Vec<_> = true_entries.iter().map(|(time, at)| (*time, at + 9)).collect();
    for (n, bytes) in [
        behind(&true_entries),
        behind(&true_entries[..7]),
        in_front(&lens[..10], 0),
        in_front(&lens[..8], 0),
        behind(&off),
        behind(&nowhere),
        behind(&[(5000, u32::MAX)]),
        behind(&[(9000, 0)]),
        in_front(&lens[..10], 77),
        in_front(&[(0xffff_ffff, 1000)], 0),
        in_front(&[], 0),
    ]
    .into_iter()
    .enumerate()
    {
        let media = probe(bytes).unwrap();
        assert_eq!(media.tracks()[0].duration, Some(ms(10_008)), "file {n}");
        let mut player = TracksPlayer::new(&media);
        for (npt, key) in [(5500, 5000), (0, 0), (9999, 9000), (3000, 3000), (8999, 8000)] {
            assert_eq!(player.seek(ms(npt)), Ok(ms(key)), "file {n}");
            let (picture, sound) = (player.next(0).unwrap(), player.next(1).unwrap());
            assert_eq!(picture.pts, ms(key), "file {n}");
            assert!(picture.flags.key);
            assert!(sound.pts <= ms(key) && sound.pts + sound.duration > ms(key), "file {n}");
        }
        assert_eq!(player.seek(Duration::ZERO), Ok(Duration::ZERO));
        let frames = player.interleaved();
        assert_eq!((frames[0].len(), frames[1].len()), (250, 417), "file {n}");
    }
}

#[test]
fn samples_of_the_movie_box_come_before_fragments() {
    let tracks = tracks();
    // The first second in the movie.
    let first = [
        Written { samples: tracks[0].samples[..25].to_vec(), ..tracks[0].clone() },
        Written { samples: tracks[1].samples[..42].to_vec(), ..tracks[1].clone() },
    ];
    let trex = |i: u32| full(b"trex", 0, 0, &words(&[i, 1, 0, 0, 0]));
    let mvex = boxed(b"mvex", &[trex(1), trex(2)].concat());
    let with_mvex = |mut moov: Vec<u8>| {
        moov.extend(&mvex);
        let len = moov.len() as u32;
        moov[..4].copy_from_slice(&len.to_be_bytes());
        moov
    };
    let head = |at| with_mvex(movie(&first, at, false).0);
    let at = (ftyp().len() + head(0).len() + 8) as u64;
    let mut bytes = [ftyp(), head(at), boxed(b"mdat", &movie(&first, at, false).1)].concat();
    for timed in [true, false] {
        let form = Form { timed, ..FORMS[0] };
        for (from, sound) in [(25, 42), (50, 84)] {
            let parts = [
                (1, from as u32 * 40, &tracks[0].samples[from..from + 25]),
                (2, sound as u32 * 1152, &tracks[1].samples[sound..sound + 42]),
            ];
            let fragment = fragment(bytes.len() as u64, &parts, form);
            bytes.extend(fragment);
        }
        let mut player = player(bytes.clone());
        let frames = player.interleaved();
        check_pictures(&frames[0], &tracks[0].samples[..75]);
        assert_eq!(frames[1].len(), 126);
        for (i, frame) in frames[1].iter().enumerate() {
            assert_eq!((frame.pts, frame.flags.discontinuity), (ms(i as u64 * 24), false));
        }
        for (npt, key) in [(2500, 2000), (999, 0), (1000, 1000), (0, 0)] {
            assert_eq!(player.seek(ms(npt)), Ok(ms(key)));
            assert_eq!(player.next(0).unwrap().pts, ms(key));
        }
        bytes
            .truncate(bytes.len() - (bytes.len() - at as usize - movie(&first, at, false).1.len()));
    }
}

#[test]
fn a_file_that_grows_is_played_to_its_present_end() {
    let tracks = tracks();
    let whole = fragmented(&tracks, FORMS[0]);
    let places = places(&whole);
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut out = OpenOptions::new().append(true).open(file.path()).unwrap();
    // Three seconds, and a fragment that is only half there.
    out.write_all(&whole[..places[3] + 300]).unwrap();
    let media = finish(probe_mp4(file.path()).unwrap(), 4096, 1000).unwrap();
    assert_eq!(media.tracks()[0].duration, Some(ms(3000)));
    let mut player = TracksPlayer::new(&media);
    for _ in 0..60 {
        player.next(0).unwrap();
    }
    // It goes on while it is played, and comes to where nothing more is.
    out.write_all(&whole[places[3] + 300..places[5]]).unwrap();
    assert_eq!(player.all(0).len(), 65);
    out.write_all(&whole[places[5]..]).unwrap();
    assert_eq!(player.next(0), None, "the end has been told");
    assert_eq!(player.seek(ms(0)), Ok(ms(0)));
    assert_eq!(player.all(0).len(), 250);
    assert_eq!(player.all(1).len(), 400);
}

#[test]
fn a_file_that_grows_is_followed_until_nothing_more_comes() {
    let tracks = tracks();
    for form in FORMS {
        let whole = fragmented(&tracks, form);
        let places = places(&whole);
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut out = OpenOptions::new().append(true).open(file.path()).unwrap();
        out.write_all(&whole[..places[3] + 3]).unwrap();
        let media = finish(probe_mp4(file.path()).unwrap(), 4096, 1000).unwrap();
        assert!(media.can_be_followed());
        let mut player = TracksPlayer::following(&media, ms(10_000));
        let mut frames = [Vec::new(), Vec::new()];
        // Cut in the head of a fragment, in its tables, in its data, and between two.
        let cuts = [3, 60, 700, 0, 9, 300];
        let cuts = cuts.iter().zip(&places[3..]).map(|(more, place)| place + more);
        let mut written = places[3] + 3;
        for cut in cuts.chain([whole.len()]) {
            for (track, frames) in frames.iter_mut().enumerate() {
                let (more, again) = player.until_wait(track);
                frames.extend(more);
                let again = again.expect("it waits");
                assert!(again > player.now && again - player.now <= ms(100), "{again:?}");
            }
            // Nine seconds pass with nothing, and then there is more.
            player.now += ms(9000);
            out.write_all(&whole[written..cut]).unwrap();
            written = cut;
        }
        for (track, frames) in frames.iter_mut().enumerate() {
            frames.extend(player.until_wait(track).0);
        }
        let begun = player.now;
        assert_eq!((player.next(0), player.next(1)), (None, None));
        let waited = player.now - begun;
        assert!((ms(10_000)..ms(10_300)).contains(&waited), "{waited:?}");
        check_pictures(&frames[0], &tracks[0].samples);
        assert_eq!(frames[1].len(), 400);
        for (i, frame) in frames[1].iter().enumerate() {
            let (pts, data) = (ms(i as u64 * 24), &tracks[1].samples[i].data[..]);
            assert_eq!((frame.pts, &frame.data[..]), (pts, data));
            assert!(!frame.flags.discontinuity);
        }
        // It can be sought as ever, and waits at its end again.
        assert_eq!(player.seek(ms(2000)), Ok(ms(2000)));
        assert_eq!(player.until_wait(0).0.len(), 200);
        assert_eq!(player.next(0), None);
    }
}

#[test]
fn only_fragments_are_followed() {
    let media = probe(file(&tracks())).unwrap();
    assert!(!media.can_be_followed());
    let mut player = TracksPlayer::following(&media, ms(10_000));
    let (frames, again) = player.until_wait(0);
    assert_eq!((frames.len(), again), (250, None));
}

#[test]
fn a_fragment_that_is_not_made_known_yet_is_waited_for() {
    let tracks = tracks();
    let mut whole = fragmented(&tracks, FORMS[0]);
    let places = places(&whole);
    whole.truncate(places[5]);
    // As the recorder writes: its head is free space until all of it is there.
    whole[places[4] + 4..places[4] + 8].copy_from_slice(b"free");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &whole).unwrap();
    let media = finish(probe_mp4(file.path()).unwrap(), 4096, 1000).unwrap();
    assert_eq!(media.tracks()[0].duration, Some(ms(4008)));
    let mut player = TracksPlayer::new(&media);
    for _ in 0..100 {
        player.next(0).unwrap();
    }
    whole[places[4] + 4..places[4] + 8].copy_from_slice(b"moof");
    whole.extend(boxed(b"free", &[]));
    std::fs::write(file.path(), &whole).unwrap();
    assert_eq!(player.all(0).len(), 25);
}

#[test]
fn runs_without_entries_take_what_the_fragment_says() {
    // Ten samples of 96 bytes of which nothing is said one by one.
    let track = Written::mp3(10);
    let run = |base: &[u32], flags: u32| {
        let tfhd = full(b"tfhd", 0, 0x2_0000 | flags, &words(base));
        let tfdt = full(b"tfdt", 1, 0, &words(&[0, 0]));
        let moof = |offset| {
            let trun = full(b"trun", 0, 1, &words(&[10, offset]));
            boxed(b"moof", &boxed(b"traf", &[&tfhd[..], &tfdt, &trun].concat()))
        };
        let len = moof(0).len() as u32;
        let data: Vec<u8> = track.samples.iter().flat_map(|s| s.data.clone()).collect();
        [fragmented_head(std::slice::from_ref(&track)), moof(len + 8), boxed(b"mdat", &data)]
            .concat()
    };
    let frames = play(run(&[1, 1152, 96], 0x18));
    assert_eq!(frames[0].len(), 10);
    assert_eq!(frames[0][9].pts, ms(216));
    assert_eq!(frames[0][9].data, track.samples[9].data);
    // Without a size there is nothing.
    assert!(probe(run(&[1, 1152], 8)).is_err());
}

#[test]
fn a_followed_file_that_is_cut_short_or_written_anew_comes_to_its_end() {
    let tracks = tracks();
    let whole = fragmented(&tracks, FORMS[0]);
    let places = places(&whole);
    let other = fragmented(&[Written::mp3(400)], FORMS[0]);
    for (left, then) in [
        (places[4], None),
        (places[2] + 9, None),
        (0, None),
        (0, Some(&whole)),
        (0, Some(&other)),
        (places[2], Some(&other)),
    ] {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &whole[..places[5]]).unwrap();
        let media = finish(probe_mp4(file.path()).unwrap(), 4096, 1000).unwrap();
        let mut player = TracksPlayer::following(&media, ms(1_000));
        assert!(player.next(0).is_some() && player.next(1).is_some());
        file.as_file().set_len(left as u64).unwrap();
        if let Some(then) = then {
            let mut out = OpenOptions::new().append(true).open(file.path()).unwrap();
            out.write_all(then).unwrap();
        }
        for source in &mut player.sources {
            let mut frames = 0;
            let mut polls = 0..100_000;
            let has_ended = polls.any(|_| {
                let cx = &mut SourceContext { now: player.now, demuxers: &mut player.demuxers };
                match source.poll_frame(cx) {
                    FramePoll::Ready(_) => frames += 1,
                    FramePoll::Pending(Wait::Until(at)) => player.now = at,
                    FramePoll::Pending(_) => {}
                    FramePoll::Ended(_) => return true,
                }
                false
            });
            assert!(has_ended && frames <= 400, "{frames} frames, cut off at {left}");
        }
    }
}
