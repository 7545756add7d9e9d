use super::*;
use crate::codec::h264::{nal_type, nal_unit_type};
use crate::codec::{CodecParameters, h265};
use crate::frame::Frame;
use crate::framer::annexb;
use crate::framer::testing::{
    H264Slice, H264Sps, h264_pps, h265_parameter_sets, h265_slice, timing_sei,
};
use crate::media::demux::DemuxTable;
use crate::media::file::testing::{file_of, media};
use crate::media::{Ending, FramePoll, FrameTimes, SeekError, Wait};
use std::os::unix::fs::FileExt;
use std::time::Instant;
use tempfile::NamedTempFile;

fn probed(mut probe: Box<dyn Probe>, budget: usize) -> Result<Arc<dyn MediaFile>, ProbeError> {
    for _ in 0..100_000 {
        match probe.poll_probe(budget) {
            ProbePoll::Pending => {}
            ProbePoll::Ready(file) => return Ok(file),
            ProbePoll::Failed(e) => return Err(e),
        }
    }
    panic!("the probe does not end");
}

/// A probed file that is on disk as long as this lives.
#[derive(Debug)]
struct Clip {
    file: Arc<dyn MediaFile>,
    _on_disk: NamedTempFile,
}

impl std::ops::Deref for Clip {
    type Target = Arc<dyn MediaFile>;

    fn deref(&self) -> &Arc<dyn MediaFile> {
        &self.file
    }
}

fn h264(bytes: &[u8]) -> Result<Clip, ProbeError> {
    let on_disk = file_of(bytes);
    let file = probed(probe_h264(on_disk.path()).unwrap(), 1 << 20)?;
    Ok(Clip { file, _on_disk: on_disk })
}

/// Opens the track and runs `f` with a context.
fn with_source<R>(
    file: &Arc<dyn MediaFile>,
    f: impl FnOnce(&mut dyn FramedSource, &mut SourceContext<'_>) -> R,
) -> R {
    let mut demuxers = DemuxTable::default();
    let mut cx = SourceContext { now: Instant::now(), demuxers: &mut demuxers };
    let mut source = Arc::clone(file).open_track(0, 1, &mut cx).unwrap();
    f(&mut *source, &mut cx)
}

fn rest(source: &mut dyn FramedSource, cx: &mut SourceContext<'_>) -> (Vec<Frame>, Ending) {
    let mut frames = Vec::new();
    loop {
        match source.poll_frame(cx) {
            FramePoll::Ready(frame) => frames.push(frame),
            FramePoll::Pending(Wait::Work) => {}
            FramePoll::Pending(wait) => panic!("a file waits for nothing, not {wait:?}"),
            FramePoll::Ended(ending) => return (frames, ending),
        }
    }
}

/// Groups of ten pictures, I P B P B …, at 30 a second; parameter sets in front of the first.
fn stream(groups: u32, padding: usize) -> Vec<u8> {
    let mut nals = vec![H264Sps::default().nal(), h264_pps(0)];
    for group in 0..groups {
        nals.push(H264Slice::idr(group).nal());
        for n in 0..9u32 {
            let (frame_num, reference) = (n / 2 + 1 + n % 2, n % 2 == 0);
            let order = if n == 8 { 2 * n + 2 } else { 2 * (n + 2 - 2 * (n % 2)) };
            nals.push(H264Slice::other(reference, frame_num, order).nal());
        }
    }
    for nal in &mut nals[2..] {
        nal.resize(nal.len() + padding, 0xaa);
    }
    annexb::from_nal_units(nals.iter().map(Vec::as_slice))
}

fn at(picture: u64) -> Duration {
    Duration::from_nanos(picture * 1_000_000_000 / 30)
}

#[test]
fn plays_a_file_from_end_to_end() {
    let bytes = stream(12, 3000);
    let on_disk = file_of(&bytes);
    for budget in [10, 1000, 1 << 20] {
        let file = probed(probe_h264(on_disk.path()).unwrap(), budget).unwrap();
        let [track] = file.tracks() else { panic!("one track") };
        assert_eq!(track.duration, Some(Duration::from_secs(4)));
        assert!(track.seekable);
        assert_eq!(track.bitrate, Some(bytes.len() as u32 * 2));
        let CodecParameters::H264 { sps, pps } = &track.parameters else { panic!("H.264") };
        assert_eq!((sps.len(), pps.len()), (1, 1));
        let (frames, ending) = with_source(&file, |source, cx| {
            assert_eq!(source.duration(), Some(Duration::from_secs(4)));
            rest(source, cx)
        });
        assert_eq!(ending, Ending::EndOfStream);
        assert_eq!(frames.len(), 120);
        let sent: Vec<u8> = frames.iter().flat_map(|frame| frame.data.iter().copied()).collect();
        assert!(sent == bytes, "every byte is sent");
        assert_eq!(frames[0].pts, Duration::ZERO);
        assert_eq!(frames[119].pts, at(119));
        let mut shown: Vec<_> = frames.iter().map(|frame| frame.pts).collect();
        shown.sort_unstable();
        assert!(shown.iter().enumerate().all(|(n, &pts)| pts == at(n as u64)));
        assert_eq!(frames.iter().filter(|frame| frame.flags.key).count(), 12);
    }
}

#[test]
fn seeks_to_the_key_picture_before() {
    let file = h264(&stream(12, 3000)).unwrap();
    with_source(&file, |source, cx| {
        for (npt, key) in [(2.5, 70), (0.0, 0), (0.3, 0), (1.0, 30), (3.999, 110), (0.34, 10)] {
            let from = source.seek(Duration::from_secs_f64(npt), cx).unwrap();
            assert_eq!(from, at(key), "npt {npt}");
            let (frames, ending) = rest(source, cx);
            assert_eq!(ending, Ending::EndOfStream);
            assert_eq!(frames.len() as u64, 120 - key);
            let first = &frames[0];
            assert!(first.flags.key && first.flags.discontinuity);
            assert_eq!(first.pts, from);
            // The file has its parameter sets only once; a receiver may have missed them.
            let types: Vec<_> = annexb::nal_units(&first.data).map(nal_unit_type).collect();
            assert_eq!(types, [nal_type::SPS, nal_type::PPS, nal_type::IDR]);
            assert!(frames.iter().all(|frame| frame.pts >= frame.dts));
            assert_eq!(frames.iter().map(|frame| frame.pts).max(), Some(at(119)));
        }
        let end = Duration::from_secs(4);
        assert_eq!(source.seek(end, cx), Err(SeekError::OutOfRange));
        assert_eq!(source.seek(Duration::MAX, cx), Err(SeekError::OutOfRange));
    });
}

#[test]
fn seek_brings_the_parameter_sets_of_its_place() {
    let mut bytes = stream(2, 10);
    let other = H264Sps { reorder: Some(1), ..H264Sps::default() }.nal();
    bytes.extend(annexb::from_nal_units([&[9, 0xf0][..], &other, &H264Slice::idr(9).nal()]));
    bytes.extend(annexb::from_nal_units([&H264Slice::idr(10).nal()[..]]));
    let file = h264(&bytes).unwrap();
    with_source(&file, |source, cx| {
        for (picture, sps) in [(10, H264Sps::default().nal()), (20, other.clone()), (21, other)] {
            source.seek(at(picture) + Duration::from_nanos(1), cx).unwrap();
            let FramePoll::Ready(frame) = source.poll_frame(cx) else { panic!("a frame") };
            let nals: Vec<_> = annexb::nal_units(&frame.data).collect();
            let mut sets = nals.iter().filter(|nal| nal_unit_type(nal) == nal_type::SPS);
            assert!(sets.all(|set| *set == sps));
            // The PPS follows an SPS, by which it is read.
            let types: Vec<_> = nals.iter().map(|nal| nal_unit_type(nal)).collect();
            assert!(types.windows(2).any(|pair| pair == [nal_type::SPS, nal_type::PPS]));
        }
    });
}

/// I P P P P five times over, one IDR picture alone; `ahead` makes what comes before the I
/// pictures.
fn open_groups(ahead: impl Fn(u32) -> Vec<Vec<u8>>) -> Vec<u8> {
    let mut nals = vec![H264Sps::default().nal(), h264_pps(0), H264Slice::idr(0).nal()];
    for n in 1..25_u32 {
        let slice = H264Slice::other(true, n, 2 * n);
        let inter = H264Slice { slice_type: 5, ..slice }.nal();
        if n % 5 == 0 {
            nals.extend(ahead(n));
            nals.push(slice.nal());
        } else {
            nals.push(inter);
        }
        // Of a picture of several slices, the first one alone does not tell.
        let first_mb = 20;
        nals.push(H264Slice { first_mb, slice_type: if n == 15 { 5 } else { 7 }, ..slice }.nal());
    }
    annexb::from_nal_units(nals.iter().map(Vec::as_slice))
}

#[test]
fn seeks_to_i_pictures_where_decoding_can_start() {
    let sps = || vec![H264Sps::default().nal()];
    let recovery_point = || vec![vec![6, 6, 1, 0xc0, 0x80]];
    // Plain I pictures count where nothing else does; that of picture 15 is half a P picture.
    let plain = open_groups(|_| vec![]);
    // As soon as the stream says where decoding can start, it is believed.
    let some = open_groups(|n| if n == 10 { recovery_point() } else { vec![] });
    for (bytes, keys) in [
        (open_groups(|_| sps()), vec![0, 5, 10, 15, 20]),
        (open_groups(|_| recovery_point()), vec![0, 5, 10, 15, 20]),
        (plain, vec![0, 5, 10, 20]),
        (some, vec![0, 10]),
    ] {
        let on_disk = file_of(&bytes);
        let file = probed(probe_h264(on_disk.path()).unwrap(), 100).unwrap();
        with_source(&file, |source, cx| {
            let (frames, _) = rest(source, cx);
            let flagged = frames.iter().enumerate().filter(|(_, frame)| frame.flags.key);
            assert_eq!(flagged.map(|(n, _)| n).collect::<Vec<_>>(), keys);
            for n in 0..25_u64 {
                let nearest = keys.iter().rev().find(|&&key| key as u64 <= n).unwrap();
                assert_eq!(source.seek(at(n), cx), Ok(at(*nearest as u64)), "{keys:?}, {n}");
                let FramePoll::Ready(frame) = source.poll_frame(cx) else { panic!("a frame") };
                assert!(frame.flags.key);
                let first = annexb::nal_units(&frame.data).map(nal_unit_type);
                assert!(first.take(2).eq([nal_type::SPS, nal_type::PPS]), "sets in front");
            }
        });
        check_both_sources(&NalCodec::H264, on_disk.path());
    }
}

#[test]
fn plays_at_the_times_that_pictures_are_shown() {
    // Every third frame is shown for three fields.
    let sps = H264Sps { pic_struct: true, fields: true, ..H264Sps::default() };
    let mut nals = vec![sps.nal(), h264_pps(0)];
    for n in 0..300_u32 {
        let structure = if n % 3 == 0 { 5 } else { 0 };
        nals.push(timing_sei(&[6], false, &[(4, structure)]));
        let slice = match n % 30 {
            0 => H264Slice::idr(n / 30),
            m => H264Slice::other(true, m, 2 * m),
        };
        nals.push(H264Slice { fields: true, ..slice }.nal());
    }
    let bytes = annexb::from_nal_units(nals.iter().map(Vec::as_slice));
    check_both_sources(&NalCodec::H264, file_of(&bytes).path());
    let file = h264(&bytes).unwrap();
    let fields = |n: u64| Duration::from_nanos(n * 1_000_000_000 / 60);
    assert_eq!(file.tracks()[0].duration, Some(fields(700)));
    with_source(&file, |source, cx| {
        let (frames, _) = rest(source, cx);
        let wanted = (0..300_u64).map(|n| fields(n * 2 + n.div_ceil(3)));
        assert!(frames.iter().map(|frame| frame.pts).eq(wanted));
        assert!(frames.iter().all(|frame| frame.dts <= frame.pts));
        assert_eq!(frames[0].duration, fields(3));
        assert_eq!(source.seek(Duration::from_secs(5), cx), Ok(fields(280)));
        let FramePoll::Ready(frame) = source.poll_frame(cx) else { panic!("a frame") };
        assert_eq!(frame.pts, fields(280));
        assert_eq!(source.seek(fields(279), cx), Ok(fields(210)));
    });
}

#[test]
fn a_break_before_a_clean_random_access_picture_is_marked() {
    let mut nals = h265_parameter_sets(2).to_vec();
    for (nal_type, poc) in [(20, 0), (1, 2), (0, 1), (21, 6), (9, 4), (8, 3), (1, 8), (1, 9)] {
        nals.push(h265_slice(nal_type, true, poc));
    }
    let on_disk = file_of(&annexb::from_nal_units(nals.iter().map(Vec::as_slice)));
    let file = probed(probe_h265(on_disk.path()).unwrap(), 100).unwrap();
    with_source(&file, |source, cx| {
        let types = |frame: &Frame| -> Vec<_> {
            annexb::nal_units(&frame.data).map(h265::nal_unit_type).collect()
        };
        source.seek(Duration::from_millis(110), cx).unwrap();
        let (frames, _) = rest(source, cx);
        // End of sequence, the sets, the picture; the pictures that lead it are not sent.
        assert_eq!(types(&frames[0]), [36, 32, 33, 34, 21]);
        assert_eq!(frames.iter().skip(1).flat_map(types).collect::<Vec<_>>(), [1, 1]);
        source.seek(Duration::ZERO, cx).unwrap();
        let (frames, _) = rest(source, cx);
        assert!(frames.iter().all(|frame| !types(frame).contains(&36)), "no break, no mark");
    });
}

#[test]
fn leading_pictures_are_left_out_after_a_seek() {
    let sets = h265_parameter_sets(2);
    let mut nals = sets.to_vec();
    for (nal_type, poc) in
        [(20, 0), (1, 2), (0, 1), (21, 6), (9, 4), (8, 3), (8, 5), (1, 8), (0, 7), (1, 9)]
    {
        nals.push(h265_slice(nal_type, true, poc));
    }
    let on_disk = file_of(&annexb::from_nal_units(nals.iter().map(Vec::as_slice)));
    let file = probed(probe_h265(on_disk.path()).unwrap(), 100).unwrap();
    assert_eq!(file.tracks()[0].duration, Some(Duration::from_millis(200)));
    with_source(&file, |source, cx| {
        let npt = Duration::from_millis(130);
        assert_eq!(source.seek(npt, cx), Ok(Duration::from_millis(120)));
        let (frames, _) = rest(source, cx);
        let shown: Vec<_> = frames.iter().map(|frame| frame.pts.as_millis()).collect();
        assert_eq!(shown, [120, 160, 140, 180]);
        // From the start, all are sent.
        assert_eq!(source.seek(Duration::ZERO, cx), Ok(Duration::ZERO));
        assert_eq!(rest(source, cx).0.len(), 10);
    });
}

#[test]
fn what_is_no_byte_stream_is_refused_with_a_reason() {
    let sps = annexb::from_nal_units([&H264Sps::default().nal()[..], &h264_pps(0)]);
    let slice = annexb::from_nal_units([&H264Slice::idr(0).nal()[..]]);
    for (bytes, reason) in [
        (vec![], "H.264: no start code found"),
        (vec![0; 3_000_000], "H.264: no start code found"),
        (vec![7; 3_000_000], "H.264: no start code found"),
        (sps, "H.264: no picture found"),
        (slice, "H.264: no parameter sets found"),
        ([0, 0, 1].repeat(1000), "H.264: no picture found"),
        ([&[0, 0, 1, 0x65][..], &[0xff; 20 << 20]].concat(), "limit reached"),
    ] {
        match h264(&bytes) {
            Err(ProbeError::Content(text)) => assert!(text.contains(reason), "{text}"),
            other => panic!("{reason}: {other:?}"),
        }
    }
    assert!(probe_h264(Path::new("/nonexistent/a.264")).is_err());
    assert!(probe_h264(Path::new("/")).is_err());
}

#[test]
fn a_file_cut_anywhere_is_served_or_refused() {
    let bytes = stream(1, 5);
    for len in 0..bytes.len() {
        match h264(&bytes[..len]) {
            Ok(file) => {
                let (frames, ending) = with_source(&file, |source, cx| rest(source, cx));
                assert_eq!(ending, Ending::EndOfStream);
                assert!(!frames.is_empty());
            }
            Err(e) => assert!(matches!(e, ProbeError::Content(_))),
        }
    }
}

#[test]
fn a_file_that_becomes_shorter_ends_with_its_reason() {
    let on_disk = file_of(&stream(12, 3000));
    let file = probed(probe_h264(on_disk.path()).unwrap(), 1 << 20).unwrap();
    with_source(&file, |source, cx| {
        assert!(matches!(source.poll_frame(cx), FramePoll::Ready(_)));
        on_disk.as_file().set_len(200_000).unwrap();
        let (frames, ending) = rest(source, cx);
        assert!(frames.len() < 70);
        assert_eq!(ending, Ending::Failed("the file has become shorter".into()));
        assert_eq!(rest(source, cx), (vec![], ending), "asking again is harmless");
        assert!(source.seek(Duration::from_secs(3), cx).is_ok());
        assert!(matches!(rest(source, cx).1, Ending::Failed(_)));
    });
}

/// Whether a file plays the same with and without its table of access units, from the start and
/// from anywhere.
fn check_both_sources(codec: &'static NalCodec, path: &Path) {
    let mut probe = H26xProbe::open(path, codec).unwrap();
    let file = loop {
        if let Some(file) = probe.step(100_000).unwrap() {
            break file;
        }
    };
    assert!(file.units.is_some());
    let (mut demuxers, now) = (DemuxTable::default(), Instant::now());
    let mut cx = SourceContext { now, demuxers: &mut demuxers };
    let mut indexed = Arc::clone(&file).open_track(0, 1, &mut cx).unwrap();
    let mut parsing = ParsingSource::open(Arc::clone(&file)).unwrap();
    let mut check = |seek: Option<Duration>| {
        if let Some(npt) = seek {
            let at = indexed.seek(npt, &mut cx);
            assert_eq!(at, parsing.seek(npt, &mut cx), "{} at {npt:?}", path.display());
            if at.is_err() {
                return;
            }
        }
        let (wanted, ending) = rest(&mut parsing, &mut cx);
        for (n, frame) in wanted.iter().enumerate() {
            let (pts, dts) = (frame.pts, frame.dts);
            assert_eq!(indexed.next_times(), Some(FrameTimes { pts, dts }));
            let FramePoll::Ready(got) = indexed.poll_frame(&mut cx) else { panic!("frame {n}") };
            assert!(got == *frame, "{}: frame {n} after {seek:?}", path.display());
        }
        assert_eq!(indexed.next_times(), None);
        assert_eq!(rest(&mut *indexed, &mut cx), (vec![], ending));
    };
    check(None);
    let end = file.duration();
    for n in 0..=30 {
        check(Some(end * n / 30));
    }
}

#[test]
fn the_table_changes_nothing_of_what_is_played() {
    for name in ["bframes.h264", "slices.264"] {
        check_both_sources(&NalCodec::H264, &media(name));
    }
    for name in ["bframes.h265", "slices.265"] {
        check_both_sources(&NalCodec::H265, &media(name));
    }
    let bytes = stream(20, 700);
    check_both_sources(&NalCodec::H264, file_of(&bytes).path());
    // What is in front of the first start code is not sent, and what breaks off in the middle is.
    let odd = [&[7; 1000][..], &bytes[..bytes.len() - 800]].concat();
    check_both_sources(&NalCodec::H264, file_of(&odd).path());
}

#[test]
fn an_access_unit_too_large_for_the_table_is_played_all_the_same() {
    let mut bytes = stream(2, 10);
    let len = bytes.len() + (9 << 20);
    bytes.resize(len, 0xaa);
    let file = h264(&bytes).unwrap();
    with_source(&file, |source, cx| {
        assert_eq!(source.next_times(), None, "it has to be read to be known");
        let (frames, ending) = rest(source, cx);
        assert_eq!(ending, Ending::EndOfStream);
        assert_eq!(frames.iter().map(|frame| frame.data.len()).sum::<usize>(), len);
        assert!(source.seek(Duration::from_millis(500), cx).is_ok());
    });
}

#[test]
fn a_file_that_is_written_to_ends_with_its_reason() {
    let bytes = stream(12, 3000);
    let on_disk = file_of(&bytes);
    let file = probed(probe_h264(on_disk.path()).unwrap(), 1 << 20).unwrap();
    with_source(&file, |source, cx| {
        assert!(matches!(source.poll_frame(cx), FramePoll::Ready(_)));
        on_disk.as_file().write_all_at(&[0xaa; 100_000], 100_000).unwrap();
        let (frames, ending) = rest(source, cx);
        assert!(frames.len() < 70);
        assert_eq!(ending, Ending::Failed("the file has changed since it was probed".into()));
        assert_eq!(source.next_times(), None);
    });
}
