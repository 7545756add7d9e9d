//! Edit lists and composition offsets.

use super::*;

#[test]
fn an_empty_edit_lets_a_track_begin_later() {
    let video = Written { edits: vec![(300, -1), (2000, 0)], ..Written::video(50) };
    let mut player = player(file(&[video.clone(), Written::mp3(100)]));
    let frames = player.interleaved();
    assert_eq!((frames[0][0].pts, frames[1][0].pts), (ms(300), ms(0)));
    assert_eq!((frames[0].len(), frames[1].len()), (50, 100));
    // Where nothing is sought that begins before, both begin at the beginning.
    assert_eq!(player.seek(ms(100)), Ok(ms(100)));
    assert_eq!(player.next(0).unwrap().pts, ms(300));
    assert_eq!(player.next(1).unwrap().pts, ms(96));
    assert_eq!(player.seek(ms(1299)), Ok(ms(300)));
    assert_eq!(player.seek(ms(1300)), Ok(ms(1300)));
    // Alone, what begins later begins at the beginning.
    assert_eq!(play(file(&[video]))[0][0].pts, ms(0));
}

#[test]
fn an_edit_that_begins_within_a_group_of_pictures_is_played_from_its_key_frame() {
    // Video from 1.2 s on, sound too.
    let video = Written { edits: vec![(700, 1200)], ..Written::video(75) };
    let sound = Written { edits: vec![(700, 57_600)], ..Written::mp3(120) };
    let frames = play(file(&[video, sound]));
    assert_eq!(frames[0][0].pts, ms(0));
    assert_eq!(frames[0][0].data, [&SETS[..], &[0, 0, 0, 1, 0x65, 25, 0x80]].concat());
    // From the key frame at 1 s up to the end of the edit at 1.9 s.
    assert_eq!(frames[0].len(), 23);
    // The sound that belongs to 1.2 s is 200 ms later than that key frame, and a little is played
    // in front of it, which a decoder needs.
    let first = &frames[1][0];
    let at = ms(u64::from(first.data[10]) * 24);
    assert_eq!(first.pts, at - ms(1000));
    assert!(at <= ms(1200) && at > ms(1100), "{at:?}");
}

#[test]
fn what_an_encoder_needs_in_front_is_played() {
    // As AAC and MP3 in MP4 begin: the first frame is only for the decoder.
    let sound = Written { edits: vec![(2000, 1105)], ..Written::mp3(100) };
    let frames = play(file(&[Written::video(50), sound]));
    assert_eq!(frames[1].len(), 85, "up to where the edit ends");
    assert_eq!(frames[1][0].pts, ms(0));
    let earlier = Duration::from_nanos(1105 * 1_000_000_000 / 48_000);
    assert!(frames[0][0].pts.abs_diff(earlier) < Duration::from_nanos(2), "{:?}", frames[0][0].pts);
}

#[test]
fn other_edits_are_left_out() {
    let edits = vec![(400, 1000), (400, 0), (100, -1)];
    let frames = play(file(&[Written { edits, ..Written::video(75) }]));
    assert_eq!(frames[0].len(), 10);
    assert!(frames[0][0].data.ends_with(&[0x65, 25, 0x80]));
}

/// I P B B in decoding order, with these offsets.
fn reordered(offsets: [i32; 4]) -> Written {
    let mut video = Written::video(100);
    for (i, sample) in video.samples.iter_mut().enumerate() {
        // A key frame each second, at the beginning of four pictures.
        sample.key = i % 24 == 0;
        sample.data = picture(sample.key, i as u8);
        sample.offset = offsets[i % 4];
    }
    video
}

#[test]
fn reordered_pictures_have_the_times_of_their_offsets() {
    // Offsets from 0, and negative ones, written as such or in version 0, which is the same bits;
    // and with an edit that takes the delay off.
    let forms = [
        (reordered([40, 120, 0, 0]), vec![], 40),
        (reordered([0, 80, -40, -40]), vec![], 0),
        (reordered([40, 120, 0, 0]), vec![(4000, 40)], 40),
    ];
    let expected: Vec<_> =
        (0..100_u64).map(|i| [0, 3, 1, 2][i as usize % 4] * 40 + i / 4 * 160).collect();
    for (n, (video, edits, _)) in forms.into_iter().enumerate() {
        let mut player = player(file(&[Written { edits, ..video.clone() }]));
        let frames = player.interleaved();
        check_pictures(&frames[0], &video.samples);
        let pts: Vec<_> = frames[0].iter().map(|f| f.pts.as_millis() as u64).collect();
        assert_eq!(pts, expected, "form {n}");
        // The key frame that is presented last before: 24 pictures are 960 ms.
        for (npt, key) in [(959, 0), (960, 960), (2000, 1920)] {
            assert_eq!(player.seek(ms(npt)), Ok(ms(key)), "form {n}");
            assert_eq!(player.next(0).unwrap().pts, ms(key), "form {n}");
        }
    }
}
