//! The head of a fragmented file: `ftyp` and `moov` (ISO/IEC 14496-12 sections 4.3 and 8.2 to 8.8).

use super::boxes::{Put, put_box, put_full_box};
use super::sample_entry::Description;
use std::time::Duration;

/// Seconds from 1904 to 1970.
const UNIX_EPOCH: u64 = 2_082_844_800;
/// Units a second of times that are no track's.
pub(super) const MOVIE_TIMESCALE: u32 = 1000;
/// `und` in three times five bits.
const UNDETERMINED: u16 = 0x55c4;
/// Bytes of the box for the duration, which is `free` until that is known.
const MEHD_LEN: usize = 20;

/// A track of the file.
#[derive(Debug)]
pub(super) struct HeaderTrack<'a> {
    /// From 1.
    pub(super) id: u32,
    pub(super) description: &'a Description,
}

/// Appends the head of a file. Returns where in it the box for the duration stands.
pub(super) fn put_header(
    out: &mut Vec<u8>,
    tracks: &[HeaderTrack<'_>],
    created: Option<Duration>,
) -> usize {
    let begin = out.len();
    let created = created.map_or(0, |at| at.as_secs().saturating_add(UNIX_EPOCH));
    put_box(out, b"ftyp", |out| {
        out.bytes(b"iso6\0\0\0\0");
        // Signed composition offsets, offsets from the fragment's start, sample entries.
        out.bytes(b"iso6iso5mp41");
    });
    let mut duration_at = 0;
    put_box(out, b"moov", |out| {
        put_full_box(out, b"mvhd", 1, 0, |out| {
            out.u64(created);
            out.u64(created);
            out.u32(MOVIE_TIMESCALE);
            out.u64(0); // in the fragments
            out.u32(1 << 16); // rate
            out.u16(1 << 8); // volume
            out.zeros(10);
            put_matrix(out);
            out.zeros(24);
            let last = tracks.iter().map(|track| track.id).max().unwrap_or(0);
            out.u32(last.saturating_add(1));
        });
        for track in tracks {
            put_track(out, track, created);
        }
        put_box(out, b"mvex", |out| {
            duration_at = out.len() - begin;
            put_box(out, b"free", |out| out.zeros(MEHD_LEN - 8));
            for track in tracks {
                put_full_box(out, b"trex", 0, 0, |out| {
                    out.u32(track.id);
                    out.u32(1); // sample description
                    out.zeros(12); // duration, size and flags stand in the fragments
                });
            }
        });
    });
    duration_at
}

/// What takes the place of the `free` box when the file is complete.
pub(super) fn duration_box(duration: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(MEHD_LEN);
    put_full_box(&mut out, b"mehd", 1, 0, |out| out.u64(duration));
    out
}

fn put_matrix(out: &mut Vec<u8>) {
    // Neither turned nor moved: 16.16 in the first two columns, 2.30 in the third.
    for value in [1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30] {
        out.u32(value);
    }
}

fn put_track(out: &mut Vec<u8>, track: &HeaderTrack<'_>, created: u64) {
    let Description { timescale, size, entry, .. } = track.description;
    put_box(out, b"trak", |out| {
        // Enabled, in the presentation, in its preview.
        put_full_box(out, b"tkhd", 1, 7, |out| {
            out.u64(created);
            out.u64(created);
            out.u32(track.id);
            out.zeros(4);
            out.u64(0); // duration
            out.zeros(8);
            out.zeros(4); // layer, alternate_group
            out.u16(if size.is_none() { 1 << 8 } else { 0 }); // volume
            out.zeros(2);
            put_matrix(out);
            let (width, height) = size.unwrap_or_default();
            out.u32(u32::from(width) << 16);
            out.u32(u32::from(height) << 16);
        });
        put_box(out, b"mdia", |out| {
            put_full_box(out, b"mdhd", 1, 0, |out| {
                out.u64(created);
                out.u64(created);
                out.u32(*timescale);
                out.u64(0);
                out.u16(UNDETERMINED);
                out.zeros(2);
            });
            put_full_box(out, b"hdlr", 0, 0, |out| {
                out.zeros(4);
                out.bytes(if size.is_some() { b"vide" } else { b"soun" });
                out.zeros(12);
                out.u8(0); // no name
            });
            put_box(out, b"minf", |out| {
                if size.is_some() {
                    put_full_box(out, b"vmhd", 0, 1, |out| out.zeros(8));
                } else {
                    put_full_box(out, b"smhd", 0, 0, |out| out.zeros(4));
                }
                put_box(out, b"dinf", |out| {
                    put_full_box(out, b"dref", 0, 0, |out| {
                        out.u32(1);
                        put_full_box(out, b"url ", 0, 1, |_| {}); // this file
                    });
                });
                put_sample_table(out, entry);
            });
        });
    });
}

/// The sample entry, and no samples: these are in the fragments.
fn put_sample_table(out: &mut Vec<u8>, entry: &[u8]) {
    put_box(out, b"stbl", |out| {
        put_full_box(out, b"stsd", 0, 0, |out| {
            out.u32(1);
            out.bytes(entry);
        });
        for kind in [b"stts", b"stsc"] {
            put_full_box(out, kind, 0, 0, |out| out.u32(0));
        }
        put_full_box(out, b"stsz", 0, 0, |out| out.zeros(8));
        put_full_box(out, b"stco", 0, 0, |out| out.u32(0));
    });
}
