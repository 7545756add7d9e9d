//! Helpers of the sinks' tests.

use super::recorder::MediaSink;
use crate::codec::CodecParameters;
use crate::frame::{Frame, FrameFlags};
use crate::framer::annexb::from_nal_units;
use crate::framer::testing::{H264Slice, H264Sps, h264_pps};
use bytes::Bytes;
use std::io::{self, Cursor, Seek, SeekFrom, Write};
use std::time::Duration;

/// A disk that takes so many bytes.
#[derive(Debug, Default)]
pub(super) struct Disk {
    pub(super) file: Cursor<Vec<u8>>,
    pub(super) room: Option<u64>,
    /// Calls that came after the first failure.
    pub(super) calls_after: usize,
    pub(super) failed: bool,
}

impl Disk {
    pub(super) fn of(room: u64) -> Self {
        Self { room: Some(room), ..Self::default() }
    }
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.calls_after += usize::from(self.failed);
        let left = self.room.map_or(u64::MAX, |room| room.saturating_sub(self.file.position()));
        let taken = left.min(bytes.len() as u64) as usize;
        if taken == 0 && !bytes.is_empty() {
            self.failed = true;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.write(&bytes[..taken])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Disk {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

pub(super) fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

pub(super) fn frame(data: &[u8], pts: u64, duration: u64) -> Frame {
    Frame::new(Bytes::copy_from_slice(data), ms(pts), ms(duration))
}

/// An access unit of these NAL units.
pub(super) fn unit(nals: &[&[u8]], pts: u64, key: bool) -> Frame {
    let flags = FrameFlags { key, ..FrameFlags::default() };
    Frame { flags, ..frame(&from_nal_units(nals.iter().copied()), pts, 40) }
}

pub(super) fn sps() -> Vec<u8> {
    H264Sps::default().nal()
}

/// The same stream after its rate was changed.
pub(super) fn other_sps() -> Vec<u8> {
    H264Sps { timing: Some((1, 100)), ..H264Sps::default() }.nal()
}

pub(super) fn pps() -> Vec<u8> {
    h264_pps(0)
}

pub(super) fn idr() -> Vec<u8> {
    H264Slice::idr(0).nal()
}

pub(super) fn inter() -> Vec<u8> {
    H264Slice { slice_type: 5, ..H264Slice::other(true, 1, 2) }.nal()
}

pub(super) fn h264(sps: &[&[u8]], pps: &[&[u8]]) -> CodecParameters {
    let own = |nals: &[&[u8]]| nals.iter().map(|nal| Bytes::copy_from_slice(nal)).collect();
    CodecParameters::H264 { sps: own(sps), pps: own(pps) }
}

pub(super) fn h264_parameters() -> CodecParameters {
    h264(&[&sps()], &[&pps()])
}

/// Hands frames to a sink, and finishes it.
pub(super) fn write_all(sink: &mut dyn MediaSink, frames: &[Frame]) {
    for frame in frames {
        sink.handle_frame(frame).unwrap();
    }
    sink.finish().unwrap();
    sink.finish().unwrap();
}
