//! Parameter sets that change in the stream.

use super::*;
use crate::framer::annexb;
use crate::framer::testing::{BitWriter, H264Slice, H264Sps};

/// The NAL units with their lengths in front.
fn sample(nals: &[&[u8]]) -> Vec<u8> {
    let length = |nal: &[u8]| (nal.len() as u32).to_be_bytes();
    nals.iter().flat_map(|nal| [&length(nal)[..], nal].concat()).collect()
}

fn sps(scale: u32) -> Vec<u8> {
    H264Sps { timing: Some((1, scale)), ..H264Sps::default() }.nal()
}

fn pps(id: u32, more: u32) -> Vec<u8> {
    BitWriter::default().ue(id).ue(0).bits(9, more).nal(&[0x68])
}

/// The parameter sets in front of each key frame.
fn sets_of(frames: &[Frame]) -> Vec<Vec<Vec<u8>>> {
    let keys = frames.iter().filter(|frame| frame.flags.key);
    let sets = keys.map(|frame| {
        let nals = annexb::nal_units(&frame.data).take_while(|nal| nal[0] & 31 != 5);
        nals.map(<[u8]>::to_vec).collect()
    });
    sets.collect()
}

/// Six seconds, a cluster and a key frame each. What the file has in front of the picture at
/// each half second.
fn changing(sets: [&[&[u8]]; 12]) -> Vec<u8> {
    let clusters: Vec<_> = (0..6_u32)
        .map(|second| {
            let idr = H264Slice::idr(second).nal();
            let other = H264Slice { slice_type: 5, ..H264Slice::other(true, 1, 2) }.nal();
            let n = second as usize * 2;
            let blocks = [
                simple(1, 0, 0x80, &sample(&[sets[n], &[&idr]].concat())),
                simple(1, 500, 0, &sample(&[sets[n + 1], &[&other]].concat())),
            ];
            cluster(u64::from(second) * 1000, &blocks)
        })
        .collect();
    file(&[info(Some(6000.0)), tracks(&[h264_track()]), clusters.concat()])
}

#[test]
fn what_the_stream_brought_last_is_in_front_of_key_frames() {
    let (old, new) = (sps(50), sps(60));
    let none: &[&[u8]] = &[];
    let media = probe(changing([
        &[&old, &pps(0, 1), &pps(1, 1)],
        none,
        none,
        // A PPS alone, in the middle.
        &[&pps(1, 2)],
        none,
        none,
        // An SPS alone.
        &[&new],
        none,
        none,
        &[&pps(0, 3), &pps(2, 1)],
        none,
        none,
    ]));
    let mut player = Player::new(&media.unwrap());
    let wanted = [
        vec![old.clone(), pps(0, 1), pps(1, 1)],
        vec![old.clone(), pps(0, 1), pps(1, 1)],
        vec![old.clone(), pps(0, 1), pps(1, 2)],
        vec![new.clone(), pps(0, 1), pps(1, 2), new.clone()],
        vec![new.clone(), pps(0, 1), pps(1, 2)],
        vec![new, pps(0, 3), pps(1, 2), pps(2, 1)],
    ];
    assert_eq!(sets_of(&player.interleaved()[0]), wanted);
    // And what was in force there is again after a seek, back or forth.
    for second in [1, 5, 0, 4, 2, 3] {
        player.seek(ms(second as u64 * 1000)).unwrap();
        assert_eq!(sets_of(&player.interleaved()[0]), wanted[second..], "second {second}");
    }
}
