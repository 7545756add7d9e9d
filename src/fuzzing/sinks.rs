//! Sinks: what is written can be read, and is what was handed over, whatever that is.

use crate::codec::{CodecParameters, PcmEncoding};
use crate::frame::{Frame, FrameFlags};
use crate::framer::annexb::{from_length_prefixed, from_nal_units, nal_units};
use crate::media::sinks::mp4_reader::{ReadFile, read};
use crate::media::sinks::{Mp4Config, Mp4Recorder, Recorder, SegmentFiles};
use bytes::Bytes;
use std::io::{self, Cursor};
use std::time::Duration;

/// Main profile, 192 by 108, two pictures reordered; and the same with another clock.
const SPS: [&[u8]; 2] = [
    b"\x67\x4d\x00\x1e\xed\x86\x1f\xf7\x08\0\0\x03\0\x08\0\0\x03\x01\xe4\x7e\xcb",
    b"\x67\x4d\x00\x1e\xed\x86\x1f\xf7\x08\0\0\x03\0\x08\0\0\x03\x03\x24\x7e\xcb",
];
const PPS: &[u8] = &[0x68, 0xcc];
const IDR: &[u8] = &[0x65, 0x88, 0x84, 0x05, 0xa0];
const INTER: &[u8] = &[0x41, 0x9a, 0x21, 0x2d];

/// Reads the bytes of an input as choices.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }
}

/// Keeps the files that are closed, each of which has so much room.
#[derive(Debug)]
struct Shelf {
    room: Option<u64>,
    several: bool,
    files: Vec<Vec<u8>>,
}

#[derive(Debug)]
struct Disk {
    file: Cursor<Vec<u8>>,
    room: u64,
}

impl io::Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = self.room.saturating_sub(self.file.position());
        let taken = left.min(bytes.len() as u64) as usize;
        if taken == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.write(bytes.get(..taken).unwrap_or_default())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl io::Seek for Disk {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

impl SegmentFiles for Shelf {
    type File = Disk;

    fn open_segment(&mut self, number: u32) -> io::Result<(Disk, String)> {
        let file = Cursor::new(Vec::new());
        Ok((Disk { file, room: self.room.unwrap_or(u64::MAX) }, format!("segment {number}")))
    }

    fn segment_closed(&mut self, _: u32, file: Disk) {
        self.files.push(file.file.into_inner());
    }

    fn may_be_several(&self) -> bool {
        self.several
    }
}

/// What a track is handed.
struct Track {
    parameters: CodecParameters,
    is_video: bool,
    /// Presentation time of the last frame, in milliseconds.
    at: u64,
    /// A key picture came.
    started: bool,
    /// What must be read again: the samples of audio, the slices of pictures.
    handed: Vec<Vec<u8>>,
}

fn h264(sps: usize) -> CodecParameters {
    let sps = SPS.get(sps).copied().unwrap_or_default();
    CodecParameters::H264 { sps: vec![sps.into()], pps: vec![PPS.into()] }
}

fn track(choice: u8) -> Track {
    let pcm = |encoding| CodecParameters::Pcm { encoding, sampling_rate: 8000, channels: 1 };
    let aac = |config: &'static [u8]| CodecParameters::Aac {
        config: Bytes::from_static(config),
        sampling_rate: 44_100,
        channels: 2,
    };
    let parameters = match choice % 5 {
        0 => h264(0),
        1 => pcm(PcmEncoding::L8),
        2 => aac(&[0x12, 0x10]),
        3 => pcm(PcmEncoding::L24),
        _ => h264(1),
    };
    let is_video = matches!(parameters, CodecParameters::H264 { .. });
    Track { parameters, is_video, at: 1000, started: false, handed: Vec::new() }
}

impl Track {
    const fn timescale(&self) -> u32 {
        match self.parameters {
            CodecParameters::Aac { sampling_rate, .. }
            | CodecParameters::Pcm { sampling_rate, .. } => sampling_rate,
            _ => 90_000,
        }
    }

    /// A frame as `choice` says, `step` milliseconds after the one before.
    fn frame(&mut self, choice: u8, step: i64, fill: u8) -> Frame {
        self.at = self.at.saturating_add_signed(step);
        let pts = Duration::from_millis(self.at);
        let duration = Duration::from_millis(u64::from(fill));
        if !self.is_video {
            let mut data = vec![fill; usize::from(choice)];
            if self.parameters == track(3).parameters {
                data.truncate(data.len() / 3 * 3);
            }
            if !data.is_empty() {
                self.handed.push(data.clone());
            }
            return Frame::new(data, pts, duration);
        }
        let key = choice & 3 == 0;
        let mut slice = if key { IDR } else { INTER }.to_vec();
        slice.resize(slice.len() + usize::from(fill), fill | 1);
        let sps = SPS.get(usize::from(choice >> 2 & 1)).copied().unwrap_or_default();
        let nals = match choice >> 3 & 3 {
            0 => vec![sps, PPS, &slice],
            1 => vec![PPS, &slice],
            _ => vec![&slice[..]],
        };
        let mut frame = Frame::new(from_nal_units(nals.iter().copied()), pts, duration);
        frame.flags =
            FrameFlags { key, discontinuity: choice & 0x80 != 0, ..FrameFlags::default() };
        self.started |= key;
        if self.started {
            self.handed.push(slice);
        }
        frame
    }
}

/// Records tracks of frames that the input chooses, and reads the files.
pub fn mp4_writer(data: &[u8]) {
    let mut choices = Choices(data);
    let Some(shape) = choices.next() else { return };
    let mut config = Mp4Config::default();
    if shape & 1 != 0 {
        config.fragment_duration = Duration::from_millis(100);
    }
    if shape & 2 != 0 {
        config.segment_duration = Some(Duration::from_secs(1));
    }
    if shape & 4 != 0 {
        config.segment_bytes = Some(3000);
    }
    if shape & 8 != 0 {
        config.max_fragment_bytes = 1000;
    }
    let room = (shape & 0x10 != 0).then(|| u64::from(choices.next().unwrap_or(0)) * 64);
    let shelf = Shelf { room, several: shape & 0x20 == 0, files: Vec::new() };
    let Ok(mut recorder) = Mp4Recorder::new(shelf, config) else { return };
    let count = usize::from(shape >> 6);
    let mut tracks: Vec<Track> = (0..=count).filter_map(|_| Some(track(choices.next()?))).collect();
    for (i, track) in tracks.iter().enumerate() {
        assert_eq!(recorder.add_track(&track.parameters).ok(), Some(i));
    }
    let mut errors = 0;
    // All that must be there is: nothing was refused, no track changed.
    let mut is_plain = true;
    while let Some(what) = choices.next() {
        let index = usize::from(what) % tracks.len().max(1);
        let Some(track) = tracks.get_mut(index) else { break };
        let (Some(choice), Some(step)) = (choices.next(), choices.next()) else { break };
        let done = match what >> 4 {
            0 => {
                is_plain = false;
                recorder.finish_track(index)
            }
            1 => {
                is_plain = false;
                let other = self::track(choice);
                let done = recorder.handle_parameters(index, &other.parameters);
                (track.parameters, track.is_video) = (other.parameters, other.is_video);
                done
            }
            2 => {
                let step = (i64::from(step) - 128) * 1000;
                recorder.handle_frame(index, &track.frame(choice, step, 3))
            }
            _ => {
                let step = i64::from(step as i8);
                recorder.handle_frame(index, &track.frame(choice, step, what))
            }
        };
        errors += usize::from(done.is_err());
    }
    errors += usize::from(recorder.finish().is_err());
    assert!(errors <= 1, "an error is told once");
    let files = recorder.into_files().files;
    let read: Vec<ReadFile> =
        files.iter().map(|file| read(file).expect("it can be read")).collect();
    if errors > 0 || !is_plain {
        return;
    }
    for (index, track) in tracks.iter().enumerate() {
        let described = read.iter().filter_map(|file| file.tracks.get(index));
        for said in described.clone() {
            assert_eq!((said.is_video, said.timescale), (track.is_video, track.timescale()));
            // Even the shortest entry has what all of its media have.
            assert!(said.entry.1.len() >= if said.is_video { 78 } else { 28 });
        }
        let samples = described.flat_map(|track| &track.samples).map(|sample| &sample.data);
        let found: Vec<Vec<u8>> = if track.is_video {
            samples.map(|data| slice(data)).collect()
        } else {
            samples.map(|data| data.to_vec()).collect()
        };
        assert_eq!(found, track.handed, "track {index}");
    }
}

/// The last NAL unit of a sample.
fn slice(sample: &[u8]) -> Vec<u8> {
    let annexb = from_length_prefixed(sample, 4).expect("NAL units with their lengths");
    nal_units(&annexb).last().map(<[u8]>::to_vec).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_of_any_kind() {
        let mut seed = 0x2545_f491_4f6c_dd1d_u64;
        for _ in 0..300 {
            let mut random = || {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                seed as u8
            };
            let len = usize::from(random());
            let mut input: Vec<u8> = (0..len).map(|_| random()).collect();
            mp4_writer(&input);
            // One that goes on for longer, without what ends tracks.
            input.iter_mut().skip(4).step_by(3).for_each(|what| *what |= 0x40);
            mp4_writer(&input);
        }
    }
}
