use super::super::reader::{ReadFile, ReadSample, read};
use super::super::segments::OneFile;
use super::*;
use crate::codec::PcmEncoding;
use crate::codec::aac::AudioSpecificConfig;
use crate::framer::annexb::{from_length_prefixed, nal_units};
use crate::media::sinks::MediaSink;
use crate::media::sinks::testing::{
    Disk, frame, h264, h264_parameters, idr, inter, other_sps, pps, sps, unit,
};
use std::io;

/// Keeps the files that are closed.
#[derive(Debug, Default)]
struct Shelf {
    rooms: Vec<u64>,
    files: Vec<Vec<u8>>,
}

impl SegmentFiles for Shelf {
    type File = Disk;

    fn open_segment(&mut self, number: u32) -> io::Result<(Disk, String)> {
        assert_eq!(number as usize, self.files.len() + 1);
        let room = self.rooms.get(self.files.len()).copied();
        Ok((Disk { room, ..Disk::default() }, format!("segment {number}")))
    }

    fn segment_closed(&mut self, number: u32, file: Disk) {
        assert_eq!(number as usize, self.files.len() + 1);
        self.files.push(file.file.into_inner());
    }
}

fn recorder(config: Mp4Config) -> Mp4Recorder<Shelf> {
    Mp4Recorder::new(Shelf::default(), config).unwrap()
}

fn one_file() -> Mp4Recorder<OneFile<Disk>> {
    Mp4Recorder::new(OneFile::new(Disk::default(), "it"), Mp4Config::default()).unwrap()
}

/// What was recorded, all of it complete.
fn files(mut recorder: Mp4Recorder<Shelf>) -> Vec<ReadFile> {
    recorder.finish().unwrap();
    recorder.finish().unwrap();
    let whole = |bytes: &Vec<u8>| {
        let file = read(bytes).unwrap();
        assert!(!file.is_cut && (file.tracks.is_empty() || file.duration.is_some()));
        file
    };
    recorder.into_files().files.iter().map(whole).collect()
}

fn aac() -> CodecParameters {
    let config = AudioSpecificConfig::lc(48_000, 2).to_bytes();
    CodecParameters::Aac { config, sampling_rate: 48_000, channels: 2 }
}

fn mulaw() -> CodecParameters {
    CodecParameters::Pcm { encoding: PcmEncoding::Pcmu, sampling_rate: 8000, channels: 1 }
}

/// Picture `n` of 25 a second, a key picture every ten.
fn picture(n: u64) -> Frame {
    if n % 10 == 0 { unit(&[&idr()], n * 40, true) } else { unit(&[&inter()], n * 40, false) }
}

fn sound(pts: u64) -> Frame {
    frame(&pts.to_be_bytes().repeat(20), pts, 20)
}

/// Presentation times in milliseconds from the file's first picture on.
fn milliseconds(file: &ReadFile, track: usize) -> Vec<i64> {
    let first = file.tracks.iter().flat_map(|track| {
        track.samples.iter().map(|s| s.pts * 1000 / i64::from(track.timescale)).min()
    });
    let first = first.min().unwrap();
    let scale = i64::from(file.tracks[track].timescale);
    file.tracks[track].samples.iter().map(|s| s.pts * 1000 / scale - first).collect()
}

fn nals(sample: &ReadSample) -> Vec<Vec<u8>> {
    let annexb = from_length_prefixed(&sample.data, 4).unwrap();
    nal_units(&annexb).map(<[u8]>::to_vec).collect()
}

#[test]
fn tracks_are_interleaved_in_fragments_that_begin_with_key_frames() {
    let mut r = recorder(Mp4Config::default());
    let video = r.add_track(&h264_parameters()).unwrap();
    let audio = r.add_track(&mulaw()).unwrap();
    for n in 0..100 {
        r.handle_frame(video, &picture(n)).unwrap();
        r.handle_frame(audio, &sound(n * 40)).unwrap();
        r.handle_frame(audio, &sound(n * 40 + 20)).unwrap();
    }
    let file = files(r).remove(0);
    assert_eq!(
        file.tracks.iter().map(|t| (t.is_video, t.timescale)).collect::<Vec<_>>(),
        [(true, 90_000), (false, 8000)]
    );
    assert_eq!((&file.tracks[0].entry.0, &file.tracks[1].entry.0), (b"avc1", b"sowt"));
    let [video, audio] = [0, 1].map(|i| &file.tracks[i].samples);
    assert_eq!((video.len(), audio.len()), (100, 200));
    assert_eq!(milliseconds(&file, 0), (0..100).map(|n| n * 40).collect::<Vec<_>>());
    assert_eq!(milliseconds(&file, 1), (0..200).map(|n| n * 20).collect::<Vec<_>>());
    assert!(video.iter().all(|s| s.duration == 3600) && audio.iter().all(|s| s.duration == 160));
    assert!(video.iter().enumerate().all(|(n, s)| s.key == (n % 10 == 0)));
    // A key frame every 400 ms; a fragment has 500 ms at least.
    assert_eq!(file.fragments, 5);
    for pair in video.windows(2) {
        assert!(pair[0].fragment == pair[1].fragment || pair[1].key);
    }
    assert_eq!(file.index.len(), 5);
    assert_eq!(file.duration, Some(4080), "two pictures may be reordered");
    for fragment in 0..5 {
        assert!(audio.iter().any(|s| s.fragment == fragment));
    }
}

#[test]
fn reordered_pictures_keep_their_times() {
    let mut r = recorder(Mp4Config::default());
    let track = r.add_track(&h264_parameters()).unwrap();
    let order = [0, 3, 1, 2, 6, 4, 5, 10, 13, 11, 12];
    for n in order {
        // As from RTP: no decoding times.
        let mut picture = picture(n);
        picture.dts = crate::media::sinks::testing::ms(n * 77 % 13);
        r.handle_frame(track, &picture).unwrap();
    }
    let file = files(r).remove(0);
    assert_eq!(milliseconds(&file, 0), order.map(|n| n as i64 * 40));
    assert!(file.tracks[0].samples.iter().all(|s| s.pts >= s.dts as i64));
}

#[test]
fn tracks_begin_where_they_begin_and_gaps_stay() {
    let mut r = recorder(Mp4Config::default());
    let video = r.add_track(&h264_parameters()).unwrap();
    let audio = r.add_track(&aac()).unwrap();
    for n in (10..20).chain(50..60) {
        r.handle_frame(video, &picture(n)).unwrap();
    }
    for pts in [1000, 1021, 1043, 3000] {
        r.handle_frame(audio, &sound(pts)).unwrap();
    }
    let file = files(r).remove(0);
    let video: Vec<_> = (0..10).chain(40..50).map(|n| n * 40).collect();
    assert_eq!(milliseconds(&file, 0), video);
    assert_eq!(milliseconds(&file, 1), [600, 621, 642, 2600]);
    let durations: Vec<_> = file.tracks[1].samples.iter().map(|s| s.duration).collect();
    assert_eq!(durations[..2], [1024, 1024], "without seams");
    assert_eq!(file.tracks[0].samples[9].duration, 31 * 3600, "shown until the next comes");
}

#[test]
fn a_file_can_be_read_while_it_grows_and_is_lost_but_for_its_end() {
    let frames: Vec<_> = (0..40).map(picture).collect();
    let written = |room: Option<u64>| {
        let rooms = room.into_iter().collect();
        let shelf = Shelf { rooms, ..Shelf::default() };
        let mut r = Mp4Recorder::new(shelf, Mp4Config::default()).unwrap();
        let track = r.add_track(&h264_parameters()).unwrap();
        let results: Vec<_> = frames.iter().map(|f| r.handle_frame(track, f)).collect();
        let mut errors: Vec<_> = results.into_iter().filter_map(Result::err).collect();
        errors.extend(r.finish().err());
        r.finish().unwrap();
        (r.into_files().files.remove(0), errors)
    };
    let (whole, errors) = written(None);
    assert!(errors.is_empty());
    let all = read(&whole).unwrap();
    assert_eq!((all.tracks[0].samples.len(), all.fragments), (40, 2));
    let second = whole.windows(4).rposition(|bytes| bytes == b"moof").unwrap() - 4;
    for room in 0..whole.len() {
        let (bytes, errors) = written(Some(room as u64));
        assert_eq!((errors.len(), bytes.len()), (1, room));
        assert!(errors[0].to_string().contains("segment 1"), "{}", errors[0]);
        let file = read(&bytes).unwrap();
        let samples: &[ReadSample] = file.tracks.first().map_or(&[], |track| &track.samples);
        assert_eq!(samples[..], all.tracks.first().unwrap().samples[..samples.len()]);
        // Of what was written, all but one fragment.
        assert_eq!(file.fragments >= 1, room >= second, "{room} of {}", whole.len());
    }
}

#[test]
fn segments_begin_with_key_frames_and_each_is_whole() {
    for by_bytes in [false, true] {
        let mut config = Mp4Config::default();
        if by_bytes {
            config.segment_bytes = Some(2000);
        } else {
            config.segment_duration = Some(Duration::from_millis(1000));
        }
        let mut r = recorder(config);
        let video = r.add_track(&h264_parameters()).unwrap();
        let audio = r.add_track(&mulaw()).unwrap();
        for n in 0..100 {
            r.handle_frame(video, &picture(n)).unwrap();
            r.handle_frame(audio, &sound(n * 40)).unwrap();
        }
        let files = files(r);
        assert!(files.len() > 2, "{by_bytes}");
        for file in &files {
            let first = &file.tracks[0].samples[0];
            assert!(first.key);
            // Both tracks begin at the beginning.
            let audio = &file.tracks[1].samples[0];
            let [first, audio] = [first.pts / 90, audio.pts / 8];
            assert!(first.abs_diff(audio) <= 40, "{first} {audio}");
        }
        let count =
            |track: usize| files.iter().map(|f| f.tracks[track].samples.len()).sum::<usize>();
        assert_eq!([count(0), count(1)], [100, 100], "nothing is lost between them");
        if !by_bytes {
            assert!(
                files.iter().rev().skip(1).all(|f| (1000..1500).contains(&f.duration.unwrap()))
            );
        }
    }
}

#[test]
fn other_parameter_sets_begin_another_segment() {
    let (sps, pps, idr, other) = (sps(), pps(), idr(), other_sps());
    let mut r = recorder(Mp4Config::default());
    let video = r.add_track(&h264_parameters()).unwrap();
    for n in 0..20 {
        r.handle_frame(video, &picture(n)).unwrap();
    }
    r.handle_frame(video, &unit(&[&other, &pps, &idr], 800, true)).unwrap();
    r.handle_parameters(video, &h264(&[&sps], &[&pps])).unwrap();
    // No start to decode from.
    r.handle_frame(video, &unit(&[&inter()], 840, false)).unwrap();
    r.handle_frame(video, &unit(&[&idr], 880, true)).unwrap();
    r.handle_parameters(video, &h264(&[&sps], &[&pps])).unwrap();
    r.handle_frame(video, &unit(&[&idr], 920, true)).unwrap();
    let files = files(r);
    let counts: Vec<_> = files.iter().map(|f| f.tracks[0].samples.len()).collect();
    assert_eq!(counts, [20, 1, 2]);
    let has =
        |file: &ReadFile, set: &[u8]| file.tracks[0].entry.1.windows(set.len()).any(|w| w == set);
    assert_eq!(
        files.iter().map(|f| (has(f, &sps), has(f, &other))).collect::<Vec<_>>(),
        [(true, false), (false, true), (true, false)]
    );

    // Where there is one file, they stand in it.
    let mut r = one_file();
    let video = r.add_track(&h264_parameters()).unwrap();
    r.handle_frame(video, &picture(0)).unwrap();
    r.handle_frame(video, &unit(&[&other, &pps, &idr], 40, true)).unwrap();
    r.handle_frame(video, &unit(&[&idr], 80, true)).unwrap();
    r.finish().unwrap();
    let file = read(&r.into_files().into_file().unwrap().file.into_inner()).unwrap();
    let nals: Vec<_> = file.tracks[0].samples.iter().map(nals).collect();
    let changed = vec![other.clone(), pps.clone(), idr.clone()];
    assert_eq!(nals, [vec![idr.clone()], changed.clone(), changed]);
}

#[test]
fn audio_that_changes_begins_another_segment_or_ends_the_only_one() {
    let other =
        CodecParameters::Pcm { encoding: PcmEncoding::L16, sampling_rate: 16_000, channels: 1 };
    let mut r = recorder(Mp4Config::default());
    let track = r.add_track(&mulaw()).unwrap();
    r.handle_frame(track, &sound(0)).unwrap();
    r.handle_parameters(track, &mulaw()).unwrap();
    r.handle_frame(track, &sound(20)).unwrap();
    r.handle_parameters(track, &other).unwrap();
    r.handle_frame(track, &sound(40)).unwrap();
    let files = files(r);
    let shape: Vec<_> =
        files.iter().map(|f| (f.tracks[0].timescale, f.tracks[0].samples.len())).collect();
    assert_eq!(shape, [(8000, 2), (16_000, 1)]);

    let mut r = one_file();
    let track = r.add_track(&mulaw()).unwrap();
    r.handle_frame(track, &sound(0)).unwrap();
    r.handle_parameters(track, &other).unwrap();
    let said = r.handle_frame(track, &sound(20)).unwrap_err().to_string();
    assert!(said.contains("it: the format changes"), "{said}");
    r.handle_frame(track, &sound(40)).unwrap();
    r.finish().unwrap();
    let file = read(&r.into_files().into_file().unwrap().file.into_inner()).unwrap();
    assert_eq!((file.tracks[0].samples.len(), file.duration.is_some()), (1, true));
}

#[test]
fn parameter_sets_are_waited_for() {
    let mut r = recorder(Mp4Config::default());
    let video = r.add_track(&h264(&[], &[])).unwrap();
    let audio = r.add_track(&mulaw()).unwrap();
    for n in 0..150 {
        r.handle_frame(audio, &sound(n * 40)).unwrap();
        let mut picture = picture(n);
        if n == 120 {
            picture = unit(&[&sps(), &pps(), &idr()], n * 40, true);
        }
        r.handle_frame(video, &picture).unwrap();
    }
    let all = files(r);
    assert_eq!(all.len(), 1);
    let counts: Vec<_> = all[0].tracks.iter().map(|t| t.samples.len()).collect();
    assert_eq!(counts, [30, 150]);
    assert_eq!(milliseconds(&all[0], 0)[0], 4800);

    // Not for ever; what comes later is in the next segment.
    let mut r = recorder(Mp4Config::default());
    let video = r.add_track(&h264(&[], &[])).unwrap();
    let audio = r.add_track(&mulaw()).unwrap();
    for n in 0..600 {
        r.handle_frame(audio, &sound(n * 40)).unwrap();
    }
    r.handle_frame(video, &unit(&[&sps(), &pps(), &idr()], 24_000, true)).unwrap();
    for n in 600..700 {
        r.handle_frame(audio, &sound(n * 40)).unwrap();
        r.handle_frame(video, &unit(&[&inter()], n * 40 + 40, false)).unwrap();
    }
    let late = r.add_track(&aac()).unwrap();
    r.handle_frame(late, &sound(28_000)).unwrap();
    r.handle_frame(video, &unit(&[&idr()], 28_040, true)).unwrap();
    r.handle_frame(late, &sound(28_040)).unwrap();
    let all = files(r);
    let counts: Vec<Vec<_>> =
        all.iter().map(|f| f.tracks.iter().map(|t| t.samples.len()).collect()).collect();
    assert_eq!(counts.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(counts[0], [600]);
    assert_eq!([counts[1][0] + counts[2][0], counts[1][1] + counts[2][1]], [102, 100]);
}

#[test]
fn audio_goes_on_where_the_video_stops() {
    let segment_duration = Some(Duration::from_secs(10));
    let config = Mp4Config { segment_duration, ..Mp4Config::default() };
    let mut r = recorder(config);
    let video = r.add_track(&h264_parameters()).unwrap();
    let audio = r.add_track(&mulaw()).unwrap();
    r.handle_frame(video, &picture(0)).unwrap();
    for n in 0..3000 {
        r.handle_frame(audio, &sound(n * 20)).unwrap();
    }
    let files = files(r);
    assert_eq!(files.len(), 3, "cut at twice the time");
    assert_eq!(files[0].fragments, 5);
}

#[test]
fn the_time_of_capture_is_kept() {
    let mut r = recorder(Mp4Config::default());
    let video = r.add_track(&h264_parameters()).unwrap();
    for n in 0..50 {
        let wall_clock = Some(Duration::from_millis(1_700_000_000_000 + n * 40));
        r.handle_frame(video, &Frame { wall_clock, ..picture(n) }).unwrap();
    }
    let file = files(r).remove(0);
    assert_eq!(file.created, 1_700_000_000 + 2_082_844_800);
    assert_eq!(file.tracks[0].capture_times.len(), file.fragments);
    let ntp = |ms: u64| crate::wire::rtcp::NtpTime::from_unix(Duration::from_millis(ms)).0;
    let starts = (0..50).step_by(20).zip(&file.tracks[0].capture_times);
    for (n, &(at, media)) in starts {
        let sample = &file.tracks[0].samples[n];
        assert_eq!((at, media as i64), (ntp(1_700_000_000_000 + n as u64 * 40), sample.pts));
    }
}

#[test]
fn a_source_that_begins_anew_goes_on() {
    let mut r = recorder(Mp4Config::default());
    let video = r.add_track(&h264_parameters()).unwrap();
    for n in (100..120).chain(0..20) {
        r.handle_frame(video, &picture(n)).unwrap();
    }
    let file = files(r).remove(0);
    assert_eq!(milliseconds(&file, 0), (0..40).map(|n| n * 40).collect::<Vec<_>>());
}

#[test]
fn memory_and_fragments_are_bounded_by_bytes() {
    let config = Mp4Config { max_fragment_bytes: 10_000, ..Mp4Config::default() };
    let mut r = recorder(config);
    let video = r.add_track(&h264_parameters()).unwrap();
    let mut slice = inter();
    slice.resize(4000, 0x55);
    r.handle_frame(video, &picture(0)).unwrap();
    for n in 1..9 {
        r.handle_frame(video, &unit(&[&slice], n, false)).unwrap();
        assert!(r.bytes() <= 14_100);
    }
    assert!(files(r)[0].fragments >= 3);
    for bad in [
        Mp4Config { fragment_duration: Duration::ZERO, ..Mp4Config::default() },
        Mp4Config { max_fragment_bytes: 0, ..Mp4Config::default() },
        Mp4Config { segment_bytes: Some(0), ..Mp4Config::default() },
    ] {
        assert!(Mp4Recorder::new(Shelf::default(), bad).is_err());
    }
}

#[test]
fn what_has_no_form_is_refused_and_the_rest_goes_on() {
    let mut r = recorder(Mp4Config::default());
    let said = r.add_track(&CodecParameters::Mp2t).unwrap_err().to_string();
    assert!(said.contains("segment 1") && said.contains("transport stream"), "{said}");
    let track = r.add_track(&mulaw()).unwrap();
    r.handle_frame(track, &sound(0)).unwrap();
    r.handle_frame(7, &sound(0)).unwrap();
    r.finish_track(track).unwrap();
    r.handle_frame(track, &sound(20)).unwrap();
    assert_eq!(files(r)[0].tracks[0].samples.len(), 1);

    let r = recorder(Mp4Config::default());
    let mut sink = r.into_sink(&h264_parameters()).unwrap();
    sink.handle_frame(&picture(0)).unwrap();
    sink.finish().unwrap();
    assert_eq!(read(&sink.into_recorder().into_files().files[0]).unwrap().fragments, 1);
}
