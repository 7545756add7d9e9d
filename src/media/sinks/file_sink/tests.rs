use super::*;
use crate::codec::PcmEncoding;
use crate::codec::aac::AudioSpecificConfig;
use crate::framer::annexb::{from_nal_units, nal_units};
use crate::media::sinks::Pipe;
use crate::media::sinks::testing::{
    Disk, frame, h264, h264_parameters, idr, inter, ms, other_sps, pps, sps, unit, write_all,
};

fn sink(form: FileForm, parameters: &CodecParameters) -> FileSink<Disk> {
    FileSink::new(form, Disk::default(), "it", parameters).unwrap()
}

fn playable(parameters: &CodecParameters) -> FileSink<Disk> {
    sink(FileForm::of(parameters), parameters)
}

fn written(sink: FileSink<Disk>) -> Vec<u8> {
    sink.into_output().file.into_inner()
}

fn pcm(encoding: PcmEncoding, channels: u8) -> CodecParameters {
    CodecParameters::Pcm { encoding, sampling_rate: 8000, channels }
}

fn aac() -> CodecParameters {
    let config = AudioSpecificConfig::lc(44_100, 2).to_bytes();
    CodecParameters::Aac { config, sampling_rate: 44_100, channels: 2 }
}

#[test]
fn raw_frames_stand_one_behind_the_other() {
    for parameters in [CodecParameters::MpegAudio, CodecParameters::Mp2t] {
        let mut sink = playable(&parameters);
        write_all(&mut sink, &[frame(b"abc", 0, 20), frame(b"", 20, 20), frame(b"de", 40, 20)]);
        assert_eq!(written(sink), b"abcde");
    }
}

#[test]
fn parameter_sets_are_in_front_once() {
    let (sps, pps, idr, inter) = (sps(), pps(), idr(), inter());
    let write = |frames: &[Frame]| {
        let mut sink = playable(&h264_parameters());
        write_all(&mut sink, frames);
        written(sink)
    };
    let all = from_nal_units([&sps[..], &pps, &idr, &inter, &idr]);
    // Out of band only; in band only; both; and by themselves before the first picture.
    let rest = [unit(&[&inter], 40, false), unit(&[&idr], 80, true)];
    let whole = |first: &[Frame]| write(&[first, &rest].concat());
    assert_eq!(whole(&[unit(&[&idr], 0, true)]), all);
    assert_eq!(whole(&[unit(&[&sps, &pps, &idr], 0, true)]), all);
    assert_eq!(whole(&[unit(&[&sps, &pps], 0, true), unit(&[&idr], 0, true)]), all);
    // Behind a delimiter, which has to be first.
    let delimiter = [9, 0xf0];
    let with_delimiter = write(&[unit(&[&delimiter, &idr], 0, true)]);
    assert_eq!(with_delimiter, from_nal_units([&delimiter[..], &sps, &pps, &idr]));
    // The stream's own are believed.
    let other = other_sps();
    let changed = write(&[unit(&[&other, &pps, &idr], 0, true)]);
    assert_eq!(changed, from_nal_units([&other[..], &pps, &idr]));
}

#[test]
fn parameter_sets_that_are_told_anew_go_in_front_of_the_next_picture() {
    let (pps, idr, other) = (pps(), idr(), other_sps());
    let mut sink = playable(&h264(&[], &[]));
    sink.handle_frame(&unit(&[&idr], 0, true)).unwrap();
    sink.handle_parameters(&h264(&[&other], &[&pps])).unwrap();
    write_all(&mut sink, &[unit(&[&idr], 40, true), unit(&[&idr], 80, true)]);
    assert_eq!(written(sink), from_nal_units([&idr[..], &other, &pps, &idr, &idr]));
}

#[test]
fn aac_has_a_header_before_each_frame() {
    let mut sink = playable(&aac());
    // What is too long for ADTS is left out, and the file goes on.
    write_all(
        &mut sink,
        &[frame(&[7; 300], 0, 23), frame(&[8; 9000], 23, 23), frame(&[9], 46, 23)],
    );
    let bytes = written(sink);
    assert_eq!(bytes.len(), 7 + 300 + 7 + 1);
    let first = crate::codec::aac::AdtsHeader::parse(&bytes).unwrap();
    assert_eq!(
        (first.sampling_rate, first.channel_configuration, first.frame_len),
        (44_100, 2, 307)
    );
    assert_eq!(bytes[7..307], [7; 300]);
    assert_eq!(bytes[314], 9);
}

#[test]
fn wav_headers_are_completed_at_the_end_and_good_before() {
    let parsed = |bytes: &[u8]| {
        let mut parser = crate::framer::wav::WavParser::new();
        parser.handle_bytes(bytes);
        parser.poll_header().unwrap().unwrap()
    };
    for (encoding, channels, expected) in
        [(PcmEncoding::L16, 2, [2, 1, 4, 3]), (PcmEncoding::Pcmu, 1, [1, 2, 3, 4])]
    {
        let mut sink = playable(&pcm(encoding, channels));
        sink.handle_frame(&frame(&[1, 2, 3, 4], 0, 20)).unwrap();
        let header = parsed(sink.output.writer().file.get_ref());
        assert_eq!(header.data_len, None, "to the end of the file");
        sink.finish().unwrap();
        let bytes = written(sink);
        let header = parsed(&bytes);
        assert_eq!(
            (header.encoding, header.channels, header.data_len),
            (encoding, channels, Some(4))
        );
        assert_eq!(bytes[header.data_offset as usize..], expected);
    }
    // Chunks have an even length.
    let mut sink = playable(&pcm(PcmEncoding::Pcma, 1));
    write_all(&mut sink, &[frame(&[5; 3], 0, 20)]);
    let bytes = written(sink);
    assert_eq!(parsed(&bytes).data_len, Some(3));
    assert_eq!(bytes.len() % 2, 0);
    assert_eq!(u32::from_le_bytes(*bytes[4..].first_chunk().unwrap()) as usize, bytes.len() - 8);
}

#[test]
fn a_pipe_takes_what_does_not_seek() {
    let parameters = pcm(PcmEncoding::L16, 1);
    let mut sink = FileSink::new(FileForm::Wav, Pipe(Vec::new()), "stdout", &parameters).unwrap();
    write_all(&mut sink, &[frame(&[1, 2], 0, 20)]);
    assert!(sink.into_output().0.ends_with(&[2, 1]));
}

#[test]
fn other_parameters_end_a_wav_file_and_no_other() {
    let mut sink = playable(&pcm(PcmEncoding::L16, 1));
    sink.handle_parameters(&pcm(PcmEncoding::L16, 1)).unwrap();
    sink.handle_frame(&frame(&[1, 2], 0, 20)).unwrap();
    let said = sink.handle_parameters(&pcm(PcmEncoding::L16, 2)).unwrap_err().to_string();
    assert!(said.contains("it") && said.contains("one kind"), "{said}");
    // Once; and the file has been completed.
    sink.handle_parameters(&pcm(PcmEncoding::L16, 2)).unwrap();
    write_all(&mut sink, &[frame(&[3, 4], 20, 20)]);
    let bytes = written(sink);
    assert!(bytes.ends_with(&[2, 1]));
    assert_eq!(u32::from_le_bytes(*bytes[4..].first_chunk().unwrap()) as usize, bytes.len() - 8);

    let mut sink = playable(&aac());
    sink.handle_frame(&frame(&[1], 0, 23)).unwrap();
    let config = AudioSpecificConfig::lc(48_000, 1).to_bytes();
    let other = CodecParameters::Aac { config, sampling_rate: 48_000, channels: 1 };
    sink.handle_parameters(&other).unwrap();
    write_all(&mut sink, &[frame(&[2], 23, 21)]);
    let second = crate::codec::aac::AdtsHeader::parse(&written(sink)[8..]).unwrap();
    assert_eq!(second.sampling_rate, 48_000);
}

#[test]
fn what_has_no_such_form_is_refused_before_a_file_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("there");
    std::fs::write(&path, b"precious").unwrap();
    let low_delay = AudioSpecificConfig { object_type: 23, ..AudioSpecificConfig::lc(48_000, 2) };
    let low_delay =
        CodecParameters::Aac { config: low_delay.to_bytes(), sampling_rate: 48_000, channels: 2 };
    for (form, parameters) in [
        (FileForm::Adts, low_delay),
        (FileForm::Adts, CodecParameters::MpegAudio),
        (FileForm::Wav, aac()),
        (FileForm::AnnexB, aac()),
    ] {
        let said = FileSink::create_as(form, &path, &parameters).unwrap_err().to_string();
        assert!(said.contains("there"), "{said}");
    }
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    let said = FileSink::create(&folder.path().join("no/such"), &aac()).unwrap_err().to_string();
    assert!(said.contains("no/such"), "{said}");
}

#[test]
fn a_full_disk_is_told_once_and_what_was_written_stays() {
    let units: Vec<_> = (0..5).map(|i| unit(&[&idr()], i * 40, true)).collect();
    let whole = {
        let mut sink = playable(&h264_parameters());
        write_all(&mut sink, &units);
        written(sink)
    };
    for room in 0..whole.len() as u64 {
        let parameters = h264_parameters();
        let mut sink =
            FileSink::new(FileForm::AnnexB, Disk::of(room), "the disk", &parameters).unwrap();
        let errors: Vec<_> =
            units.iter().filter_map(|unit| sink.handle_frame(unit).err()).collect();
        assert_eq!(errors.len(), 1);
        assert!(errors[0].to_string().contains("the disk"));
        assert!(matches!(&errors[0], Error::Io(e) if e.kind() == std::io::ErrorKind::StorageFull));
        sink.finish().unwrap();
        let disk = sink.into_output();
        assert_eq!((disk.calls_after, &disk.file.into_inner()[..]), (0, &whole[..room as usize]));
    }
}

#[test]
fn each_frame_is_a_file_with_its_time_in_the_name() {
    let folder = tempfile::tempdir().unwrap();
    let names = || {
        let mut names: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    let prefix = folder.path().join("v");
    let mut sink = FramePerFileSink::new(FileForm::AnnexB, &prefix, &h264_parameters()).unwrap();
    let mut piece = unit(&[&idr()], 1_000_040, true);
    piece.flags.ends_access_unit = false;
    let units = [
        unit(&[&idr()], 0, true),
        piece,
        unit(&[&inter()], 1_000_040, false),
        unit(&[&inter()], 1_000_040, false),
        unit(&[&inter()], 1_000_040, false),
    ];
    write_all(&mut sink, &units);
    assert_eq!(names(), ["v-0.000000", "v-1000.040000", "v-1000.040000-1", "v-1000.040000-2"]);
    assert_eq!(nal_units(&read("v-0.000000")).count(), 3, "with the parameter sets");
    assert_eq!(nal_units(&read("v-1000.040000")).count(), 2, "both pieces");
    assert_eq!(read("v-1000.040000-2"), units[4].data);

    // A WAV file each.
    let prefix = folder.path().join("w");
    let mut sink =
        FramePerFileSink::new(FileForm::Wav, &prefix, &pcm(PcmEncoding::L16, 1)).unwrap();
    let at = |pts| Frame { pts, ..frame(&[1, 2], 0, 20) };
    write_all(&mut sink, &[at(ms(0)), at(Duration::new(7, 999))]);
    for name in ["w-0.000000", "w-7.000000"] {
        assert!(read(name).starts_with(b"RIFF") && read(name).ends_with(&[2, 1]));
    }

    // A folder that is not there ends it, once.
    let mut sink =
        FramePerFileSink::new(FileForm::Raw, folder.path().join("no/such"), &CodecParameters::Mp2t)
            .unwrap();
    let said = sink.handle_frame(&frame(b"a", 0, 0)).unwrap_err().to_string();
    assert!(said.contains("no/such-0.000000"), "{said}");
    write_all(&mut sink, &[frame(b"b", 1, 0)]);
}

#[test]
fn amr_stands_behind_its_magic_number() {
    for (wideband, magic, header, len) in
        [(false, &b"#!AMR\n"[..], 0x3c_u8, 32), (true, b"#!AMR-WB\n", 0x44, 61)]
    {
        let parameters = CodecParameters::Amr { wideband, channels: 1 };
        let mut sink = playable(&parameters);
        let mut data = vec![header];
        data.resize(len, 7);
        for at in [0, 20] {
            sink.handle_frame(&frame(&data, at, 20)).unwrap();
        }
        sink.handle_parameters(&parameters).unwrap();
        let other = CodecParameters::Amr { wideband: !wideband, channels: 1 };
        assert!(sink.handle_parameters(&other).is_err());
        assert_eq!(written(sink), [magic, &data, &data].concat());
    }
    // The frames of two channels are told by a file of another kind.
    assert_eq!(FileForm::of(&CodecParameters::Amr { wideband: false, channels: 2 }), FileForm::Raw);
}
