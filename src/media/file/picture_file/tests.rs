//! IVF and OBU files, written here and real ones.

use crate::codec::CodecParameters;
use crate::media::Ending;
use crate::media::file::ivf::{probe_ivf, probe_ivf_bytes};
use crate::media::file::obu::{probe_obu, probe_obu_bytes};
use crate::media::file::testing::{
    Player, check_damage, check_same_frames, file_of, finish, frames_of, media,
};
use crate::media::file::{MediaFile, Probe, ProbeError};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn ivf(code: &[u8; 4], (numerator, denominator): (u32, u32), pictures: &[(u64, &[u8])]) -> Vec<u8> {
    let mut out = [&b"DKIF\0\0\x20\0"[..], code, &[16, 0, 16, 0]].concat();
    out.extend([denominator, numerator, pictures.len() as u32, 0].map(u32::to_le_bytes).concat());
    for (tick, data) in pictures {
        out.extend((data.len() as u32).to_le_bytes());
        out.extend(tick.to_le_bytes());
        out.extend(*data);
    }
    out
}

fn probed(probe: Result<Box<dyn Probe>, ProbeError>) -> Result<Arc<dyn MediaFile>, String> {
    finish(probe.unwrap(), 100, 10_000)
}

/// A key frame of VP8 (RFC 6386 section 9.1) and another frame.
const KEY: [u8; 10] = [0x10, 2, 0, 0x9d, 1, 0x2a, 16, 0, 16, 0];
const INTER: [u8; 4] = [0x11, 2, 0, 7];

#[test]
fn pictures_of_ivf_have_the_times_of_their_headers() {
    let pictures: [(u64, &[u8]); 6] =
        [(90, &KEY), (93, &INTER), (96, &INTER), (99, &KEY), (105, &[]), (108, &INTER)];
    let media = probed(probe_ivf_bytes(ivf(b"VP80", (1, 30), &pictures).into())).unwrap();
    assert_eq!(media.tracks()[0].parameters, CodecParameters::Vp8);
    assert_eq!(media.tracks()[0].duration, Some(ms(700)));
    let mut player = Player::new(&media);
    let frames = player.rest();
    let seen: Vec<_> = frames.iter().map(|f| (f.pts, f.flags.key, f.data.to_vec())).collect();
    let key = |at| (ms(at), true, KEY.to_vec());
    let inter = |at| (ms(at), false, INTER.to_vec());
    assert_eq!(seen, [key(0), inter(100), inter(200), key(300), inter(600)]);
    assert!(frames.iter().all(|f| f.duration == ms(100) && f.dts == f.pts));
    assert!(frames[4].flags.discontinuity, "an empty picture is none");
    for (npt, landed, count) in [(299, 0, 5), (300, 300, 2), (699, 300, 2), (0, 0, 5)] {
        assert_eq!(player.seek(ms(npt)), Ok(ms(landed)));
        assert_eq!(player.rest().len(), count);
    }
    assert!(player.seek(ms(700)).is_err());
}

#[test]
fn files_of_other_kinds_are_refused() {
    let refused = |bytes: Vec<u8>| probed(probe_ivf_bytes(bytes.into())).unwrap_err();
    assert_eq!(
        refused(ivf(b"THEO", (1, 25), &[])),
        "IVF with THEO: no RTP payload format for it here"
    );
    assert_eq!(refused(ivf(b"VP80", (1, 25), &[(0, &INTER)])), "IVF: no key frame found");
    assert_eq!(refused(b"DKIF".to_vec()), "not an IVF file");
    let refused = |bytes: &[u8]| probed(probe_obu_bytes(bytes.to_vec().into())).unwrap_err();
    for bytes in [&[][..], &[0x0a, 1, 0], &[0x12, 9], &[0x0c, 0x0a, 0x12, 0], &[0x10]] {
        assert_eq!(refused(bytes), "not an AV1 file in the low-overhead format");
    }
    assert_eq!(refused(&[0x12, 0, 0x12, 0]), "AV1: no key frame found");
}

#[test]
fn frames_are_those_of_matroska() {
    for (name, source) in [
        ("vp8.ivf", "vp8_vorbis.webm"),
        ("vp9.ivf", "vp9_opus.webm"),
        ("av1.ivf", "av1_opus.mkv"),
        ("av1.obu", "av1_opus.mkv"),
    ] {
        let ((media, found), (other, expected)) = (frames_of(name), frames_of(source));
        assert_eq!(media.tracks()[0].parameters, other.tracks()[0].parameters, "{name}");
        assert_eq!(media.tracks()[0].duration, Some(ms(2000)), "{name}");
        check_same_frames(name, &found[0], &expected[0]);
        assert!(found[0].iter().all(|f| f.duration == ms(40)), "{name}");
        // What follows a seek is what follows that place anyway.
        let mut player = Player::new(&media);
        for npt in [1999, 1500, 1000, 999, 0] {
            let landed = player.seek(ms(npt)).unwrap();
            let mut rest = player.rest();
            assert!(std::mem::take(&mut rest[0].flags.discontinuity) && rest[0].flags.key);
            let from = found[0].iter().position(|f| f.pts == landed).unwrap();
            assert!(rest == found[0][from..], "{name} at {npt}");
            assert!(npt - landed.as_millis() as u64 <= 1000, "{name} at {npt}: {landed:?}");
        }
    }
}

#[test]
fn damaged_and_shrinking_files() {
    for (name, probe) in
        [("vp8.ivf", probe_ivf as fn(&Path) -> _), ("vp9.ivf", probe_ivf), ("av1.obu", probe_obu)]
    {
        let whole = std::fs::read(media(name)).unwrap();
        check_damage(probe, &whole);
        let file = file_of(&whole);
        let media = finish(probe(file.path()).unwrap(), 1000, 1000).unwrap();
        let mut player = Player::new(&media);
        player.poll().unwrap();
        file.as_file().set_len(whole.len() as u64 / 2).unwrap();
        let ending = loop {
            if let Err(ending) = player.poll() {
                break ending;
            }
        };
        assert!(matches!(ending, Ending::Failed(_)), "{name}: {ending:?}");
    }
}
