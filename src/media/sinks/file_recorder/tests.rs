use super::*;
use crate::codec::{OtherCodec, PcmEncoding};
use crate::framer::annexb::from_nal_units;
use crate::media::sinks::TrackSink;
use crate::media::sinks::testing::{
    frame, h264_parameters, idr, inter, other_sps, pps, sps, unit, write_all,
};

fn names(folder: &std::path::Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn mulaw() -> CodecParameters {
    CodecParameters::Pcm { encoding: PcmEncoding::Pcmu, sampling_rate: 8000, channels: 1 }
}

#[test]
fn files_are_called_as_openrtsp_calls_them() {
    let folder = tempfile::tempdir().unwrap();
    let config = FileRecorderConfig::new(folder.path().join("door-"));
    let mut recorder = FileRecorder::new(config.clone());
    for (i, parameters) in [
        h264_parameters(),
        CodecParameters::MpegAudio,
        mulaw(),
        OtherCodec::new("application", "vnd.onvif.metadata", 90_000).into(),
        OtherCodec::new("a/b", "..\0/x y", 1).into(),
    ]
    .iter()
    .enumerate()
    {
        assert_eq!(recorder.add_track(parameters).unwrap(), i);
    }
    recorder.finish().unwrap();
    let expected = [
        "door-a_b-..__X_Y-5",
        "door-application-VND.ONVIF.METADATA-4",
        "door-audio-MPA-2",
        "door-audio-PCMU-3",
        "door-video-H264-1",
    ];
    assert_eq!(names(folder.path()), expected);

    let folder = tempfile::tempdir().unwrap();
    let prefix = folder.path().join("x");
    let config = FileRecorderConfig { prefix, extensions: true, ..config };
    let mut recorder = FileRecorder::new(config);
    recorder.add_track(&h264_parameters()).unwrap();
    recorder.add_track(&mulaw()).unwrap();
    assert_eq!(names(folder.path()), ["xaudio-PCMU-2.wav", "xvideo-H264-1.h264"]);
}

#[test]
fn periods_begin_at_key_frames_and_each_file_plays_alone() {
    let folder = tempfile::tempdir().unwrap();
    let period = Some(Duration::from_secs(60));
    let config = FileRecorderConfig { period, ..FileRecorderConfig::new(folder.path().join("")) };
    let mut recorder = FileRecorder::new(config);
    let video = recorder.add_track(&h264_parameters()).unwrap();
    let audio = recorder.add_track(&mulaw()).unwrap();
    let (other, pps, idr, inter) = (other_sps(), pps(), idr(), inter());
    let at = |second: u64| (1000 + second) * 1000;
    for frame in [
        unit(&[&idr], at(0), true),
        unit(&[&other, &idr], at(30), true),
        unit(&[&inter], at(61), false),
        unit(&[&idr], at(62), true),
        unit(&[&idr], at(200), true),
    ] {
        recorder.handle_frame(video, &frame).unwrap();
    }
    recorder.handle_frame(audio, &frame(&[1; 160], at(59), 20)).unwrap();
    recorder.handle_frame(audio, &frame(&[2; 160], at(60), 20)).unwrap();
    recorder.finish().unwrap();
    let files = [
        "audio-PCMU-2-00000-00060",
        "audio-PCMU-2-00060-00120",
        "video-H264-1-00000-00060",
        "video-H264-1-00060-00120",
        "video-H264-1-00180-00240",
    ];
    assert_eq!(names(folder.path()), files);
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    assert_eq!(
        read(files[2]),
        from_nal_units([&sps()[..], &pps, &idr, &other, &idr, &inter]),
        "up to the key frame"
    );
    // With the parameter sets that are in force by then.
    assert_eq!(read(files[3]), from_nal_units([&other[..], &pps, &idr]));
    assert!(read(files[0]).ends_with(&[1; 160]) && read(files[1]).ends_with(&[2; 160]));
}

#[test]
fn a_track_that_fails_leaves_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let config = FileRecorderConfig {
        file_per_frame: true,
        ..FileRecorderConfig::new(folder.path().join("sub/"))
    };
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    let mut recorder = FileRecorder::new(config);
    let a = recorder.add_track(&CodecParameters::MpegAudio).unwrap();
    let b = recorder.add_track(&mulaw()).unwrap();
    // In the way of the second track's frame.
    std::fs::create_dir(folder.path().join("sub/audio-PCMU-2-0.020000")).unwrap();
    recorder.handle_frame(a, &frame(b"1", 0, 20)).unwrap();
    let said = recorder.handle_frame(b, &frame(b"2", 20, 20)).unwrap_err().to_string();
    assert!(said.contains("audio-PCMU-2-0.020000"), "{said}");
    recorder.handle_frame(b, &frame(b"3", 40, 20)).unwrap();
    recorder.handle_frame(a, &frame(b"4", 40, 20)).unwrap();
    recorder.handle_frame(9, &frame(b"5", 40, 20)).unwrap();
    recorder.finish_track(a).unwrap();
    recorder.handle_frame(a, &frame(b"6", 60, 20)).unwrap();
    recorder.finish().unwrap();
    let expected = ["audio-MPA-1-0.000000", "audio-MPA-1-0.040000", "audio-PCMU-2-0.020000"];
    assert_eq!(names(&folder.path().join("sub")), expected);
}

#[test]
fn a_recorder_of_one_track_is_a_media_sink() {
    let folder = tempfile::tempdir().unwrap();
    let config =
        FileRecorderConfig { raw: true, ..FileRecorderConfig::new(folder.path().join("")) };
    let mut sink = TrackSink::new(FileRecorder::new(config), &mulaw()).unwrap();
    write_all(&mut sink, &[frame(b"ab", 0, 20), frame(b"cd", 20, 20)]);
    assert_eq!(std::fs::read(folder.path().join("audio-PCMU-1")).unwrap(), b"abcd");
}

#[test]
fn payloads_of_unknown_audio_are_frames_although_none_is_marked() {
    let g723 = CodecParameters::from(OtherCodec::new("audio", "G723", 8000));
    let payload = |at| {
        let mut frame = frame(&[7; 24], at, 30);
        frame.flags.ends_access_unit = false;
        frame
    };
    let folder = tempfile::tempdir().unwrap();
    let prefix = folder.path().join("x");
    for (file_per_frame, period) in [(true, None), (false, Some(Duration::from_secs(1)))] {
        let config = FileRecorderConfig::new(&prefix);
        let mut recorder =
            FileRecorder::new(FileRecorderConfig { file_per_frame, period, ..config });
        recorder.add_track(&g723).unwrap();
        for at in [0, 30, 2000] {
            recorder.handle_frame(0, &payload(at)).unwrap();
        }
        recorder.finish().unwrap();
    }
    let expected = [
        "xaudio-G723-1-0.000000",
        "xaudio-G723-1-0.030000",
        "xaudio-G723-1-00000-00001",
        "xaudio-G723-1-00002-00003",
        "xaudio-G723-1-2.000000",
    ];
    assert_eq!(names(folder.path()), expected);
    assert_eq!(std::fs::read(folder.path().join(expected[2])).unwrap(), [7; 48]);
}
