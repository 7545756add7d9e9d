//! Files that lie: probing and playing them come to an end, whatever they say.

use super::*;
use crate::media::demux::DemuxTable;
use crate::media::{SourceContext, Wait};
use std::time::Instant;

/// Most polls that a source of a file may take without a frame or an end, and most frames.
fn play_out(bytes: &[u8]) {
    let calls = bytes.len() * 4 + 1000;
    let probe = probe_mp4_bytes(bytes.to_vec().into()).unwrap();
    let Ok(media) = finish(probe, 1000, calls) else { return };
    let mut demuxers = DemuxTable::default();
    let cx = &mut SourceContext::new(Instant::now(), &mut demuxers);
    for track in 0..media.tracks().len() {
        let Ok(mut source) = Arc::clone(&media).open_track(track, 0, cx) else { continue };
        for npt in [None, Some(ms(1500)), Some(Duration::ZERO), Some(Duration::MAX)] {
            if let Some(npt) = npt {
                let _ = source.seek(npt, cx);
            }
            let (mut taken, mut polls) = (0, 0);
            let mut due = Duration::ZERO;
            loop {
                polls += 1;
                assert!(polls < 20_000 + bytes.len(), "playing does not come to an end");
                match source.poll_frame(cx) {
                    FramePoll::Ready(frame) => {
                        assert!(frame.dts >= due, "decoding times decrease");
                        due = frame.dts;
                        taken += frame.data.len();
                        cx.frame_memory().give_back(frame.data);
                    }
                    FramePoll::Pending(wait) => assert_eq!(wait, Wait::Work),
                    FramePoll::Ended(Ending::EndOfStream | Ending::Failed(_)) => break,
                }
            }
            assert!(taken <= bytes.len() * 4 + (1 << 16), "{taken} of {}", bytes.len());
        }
    }
}

/// The position of each box, however deep.
fn all_boxes(bytes: &[u8], at: usize, found: &mut Vec<usize>) {
    let mut here = at;
    for (kind, content) in boxes::boxes_in(&bytes[at..]) {
        found.push(here);
        let inner = match &kind {
            b"moov" | b"trak" | b"mdia" | b"minf" | b"stbl" | b"edts" | b"moof" | b"traf"
            | b"mvex" => 8,
            b"stsd" => 16,
            b"avc1" => 86,
            b"mp4a" => 36,
            _ => usize::MAX,
        };
        if inner < content.len() + 8 {
            let mut deeper = Vec::new();
            all_boxes(&bytes[..here + 8 + content.len()], here + inner, &mut deeper);
            found.extend(deeper);
        }
        here += content.len() + 8;
    }
}

fn sound_files() -> Vec<Vec<u8>> {
    let video = Written { edits: vec![(100, -1), (3000, 40)], ..Written::video(30) };
    let mut video = Written { of_chunk: 10, ..video };
    video.samples.iter_mut().step_by(3).for_each(|sample| sample.offset = 80);
    let tracks = [video, Written::mp3(50)];
    let forms = [(0x2_0000, true), (1, true), (0, false)];
    let fragmented =
        forms.map(|(base, timed)| fragmented(&tracks, Form { base, timed, of_run: 9 }));
    [&[file(&tracks)][..], &fragmented].concat()
}

#[test]
fn each_field_of_each_box_may_lie() {
    const LIES: [u32; 5] = [0, 1, 9, 0x8000_0000, u32::MAX];
    for sound in &sound_files()[..2] {
        let mut boxes = Vec::new();
        all_boxes(sound, 0, &mut boxes);
        assert!(boxes.len() > 30);
        for at in boxes {
            let len = u32::from_be_bytes(sound[at..at + 4].try_into().unwrap()) as usize;
            // The length, and each word of the content's beginning: versions, counts, entries.
            let words = std::iter::once(at).chain((at + 8..at + len).step_by(4).take(4));
            for word in words.filter(|word| word + 4 <= sound.len()) {
                for lie in LIES {
                    let mut bytes = sound.clone();
                    bytes[word..word + 4].copy_from_slice(&lie.to_be_bytes());
                    play_out(&bytes);
                }
            }
        }
    }
}

#[test]
fn damaged_and_cut_files_come_to_an_end() {
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed as usize
    };
    let files = sound_files();
    for round in 0..100 {
        let mut bytes = files[round % files.len()].clone();
        for _ in 0..1 + random() % 8 {
            let at = random() % bytes.len();
            bytes[at] = random() as u8;
        }
        if random() % 3 == 0 {
            bytes.truncate(random() % bytes.len());
        }
        play_out(&bytes);
    }
    for len in (0..200).step_by(3) {
        play_out(&files[0][..len]);
        play_out(&files[1][..len * 7]);
    }
    play_out(&[0; 5000]);
    play_out(&[0xff; 5000]);
    play_out(&words(&[8, u32::from_be_bytes(*b"free")]).repeat(2000));
}

#[test]
fn tables_without_end_are_refused_or_end() {
    let video = |tables: [Vec<u8>; 4]| {
        let stbl = [&[Written::video(0).stsd()][..], &tables].concat().concat();
        let mdia = [
            full(b"mdhd", 0, 0, &words(&[0, 0, 1000, 0, 0])),
            boxed(b"minf", &boxed(b"stbl", &stbl)),
        ];
        let trak = [full(b"tkhd", 0, 7, &words(&[0, 0, 1, 0, 0])), boxed(b"mdia", &mdia.concat())];
        let moov = boxed(b"moov", &[mvhd(), boxed(b"trak", &trak.concat())].concat());
        [ftyp(), moov, boxed(b"mdat", &[0; 5000])].concat()
    };
    let most = u32::MAX;
    let stsz = |size, count| full(b"stsz", 0, 0, &words(&[size, count]));
    for tables in [
        // Four thousand million samples, of nothing, of a byte, of more than there is.
        [
            table(b"stts", 2, &[most, 1]),
            table(b"stsc", 3, &[1, most, 1]),
            stsz(1, most),
            table(b"stco", 1, &[8]),
        ],
        [
            table(b"stts", 2, &[most, most]),
            table(b"stsc", 3, &[1, 1, 1]),
            stsz(most, most),
            table(b"stco", 1, &[8; 500]),
        ],
        [
            table(b"stts", 2, &[]),
            table(b"stsc", 3, &[1, 0, 1]),
            stsz(9, most),
            table(b"stco", 1, &[8; 500]),
        ],
        [
            table(b"stts", 2, &[0, 1].repeat(1500)),
            table(b"stsc", 3, &[1, 1, 1]),
            stsz(9, 500),
            table(b"stco", 1, &[8; 500]),
        ],
        // Chunks that go back, and ones that lie upon each other.
        [
            table(b"stts", 2, &[50, 1]),
            table(b"stsc", 3, &[5, 1, 1, 2, 1, 1]),
            stsz(9, 50),
            table(b"stco", 1, &[8; 500]),
        ],
        [
            table(b"stts", 2, &[most, 1]),
            table(b"stsc", 3, &[1, 5000, 1]),
            stsz(1, most),
            table(b"stco", 1, &[8; 500]),
        ],
        [
            table(b"stts", 2, &[most, 1]),
            table(b"stsc", 3, &[1, 1, 1, most, 9, 9]),
            stsz(100, most),
            table(b"stco", 1, &[8; 500]),
        ],
    ] {
        play_out(&video(tables));
    }
}

#[test]
fn runs_without_entries_end_with_the_file() {
    // Thousands of millions of samples of a byte, in front of one an hour later that is sought: all
    // in one run, in runs that lie upon each other, and in a run of another track.
    let track = Written::mp3(1);
    let seconds = track.timescale;
    for (id, runs) in [(1, 1), (1, 50), (2, 1)] {
        let traf = |base: u32, fields: &[u32], time, runs: &[u8]| {
            let tfhd = full(b"tfhd", 0, base | 0x18, &words(fields));
            let tfdt = full(b"tfdt", 0, 0, &words(&[time]));
            boxed(b"traf", &[&tfhd[..], &tfdt, runs].concat())
        };
        let moof = |data| {
            let run = |count| full(b"trun", 0, 1, &words(&[count, data]));
            // Without a base, so that where the data of a track is depends on the one before.
            let endless = traf(0, &[id, 1, 1], 0, &run(u32::MAX).repeat(runs));
            let sought = traf(0x2_0000, &[1, 1152, 96], 3600 * seconds, &run(1));
            boxed(b"moof", &[endless, sought].concat())
        };
        let media = boxed(b"mdat", &track.samples[0].data.repeat(20));
        let len = moof(0).len() as u32;
        let head = fragmented_head(&[track.clone(), track.clone()]);
        play_out(&[head, moof(len + 8), media].concat());
    }
}
