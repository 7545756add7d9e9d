//! The movie box: what it says of the tracks (ISO/IEC 14496-12 sections 8.2 to 8.8).

use super::super::boxes::{BoxAt, of_kind};
use super::super::fragment_index::FragmentIndex;
use super::super::fragments::Defaults;
use super::super::media::{Description, Place, Spot, TrackInfo};
use super::super::sample_entry;
use super::super::sample_table::{Runs, SampleTable, Sizes};
use super::super::table::{Table, word};
use super::super::track_time::{Edits, TrackTime};
use crate::codec::CodecParameters;
use crate::media::access_unit::SetsInForce;
use crate::media::file::ProbeError;
use crate::media::file::container::coding::{Codec, Coding, is_known};
use crate::media::file::container::window::{Input, Window};
use std::io;
use std::time::Duration;

/// Tracks that are looked at.
pub(super) const MAX_TRACKS: usize = 64;
/// Most bytes of the small boxes that are read whole.
pub(super) const MAX_SMALL: usize = 4 << 10;
/// Most bytes of an `stsd` box, and of an edit list.
const MAX_DESCRIPTIONS: usize = 1 << 20;
const MAX_EDITS: usize = 64 << 10;
/// Most runs of a table whose runs have to be gone through.
const MAX_RUNS: u64 = 1 << 24;
/// Sound in front of an edit's beginning that is not worth leaving out: a decoder needs a few frames
/// before the first that is heard.
const PRIMING: Duration = Duration::from_millis(200);

/// Facts of the movie box about all tracks.
#[derive(Debug, Default)]
pub(super) struct Movie {
    timescale: u32,
    pub(super) is_fragmented: bool,
    defaults: Vec<Defaults>,
}

/// A track whose samples are still to be looked at.
#[derive(Debug)]
pub(super) struct RawTrack {
    pub(super) info: TrackInfo,
    edits: Edits,
    timescale: u32,
    /// The reason for which its tables, or its samples, are of no use.
    pub(super) unsound: Option<String>,
    /// The first tick that is presented, and where what is presented last ends.
    pub(super) first: Option<i64>,
    pub(super) end: i64,
}

impl Movie {
    pub(super) fn header(&mut self, mvhd: &BoxAt, window: &mut Window) -> io::Result<()> {
        let content = mvhd.content(window, MAX_SMALL)?.unwrap_or_default();
        let version = content.first().copied().unwrap_or(0);
        self.timescale = word(&content, if version == 0 { 12 } else { 20 });
        Ok(())
    }

    pub(super) fn extends(&mut self, mvex: &BoxAt, window: &mut Window) -> io::Result<()> {
        self.is_fragmented = true;
        for found in mvex.children(window)? {
            if found.kind == *b"trex" && self.defaults.len() < MAX_TRACKS {
                let content = found.content(window, MAX_SMALL)?.unwrap_or_default();
                self.defaults.extend(Defaults::parse(&content).ok());
            }
        }
        Ok(())
    }

    pub(super) fn defaults_of(&self, track_id: u32) -> Defaults {
        let known = self.defaults.iter().find(|d| d.track_id == track_id).copied();
        known.unwrap_or_else(|| Defaults { track_id, description: 1, ..Defaults::default() })
    }

    /// Gives the tracks their times, now that the movie's are known.
    pub(super) fn set_times(&self, tracks: &mut [RawTrack]) {
        for track in tracks {
            let mut edits = track.edits;
            if self.is_fragmented {
                // When it was written, nobody knew how long it would become.
                edits.len = 0;
            }
            if edits.others > 0 {
                let (id, others) = (track.info.id, edits.others);
                log::info!("mp4: track {id}: {others} edits behind the first are left out");
            }
            track.info.time = TrackTime::new(track.timescale, &edits, self.timescale);
        }
    }
}

/// Reads a `trak` box. The inner error says why the track is left out.
pub(super) fn track(
    trak: &BoxAt,
    window: &mut Window,
    is_quicktime: bool,
) -> io::Result<Result<RawTrack, String>> {
    let trak = trak.children(window)?;
    let content = |boxes: &[BoxAt], kind, limit, window: &mut Window| match of_kind(boxes, kind) {
        Some(found) => found.content(window, limit),
        None => Ok(None),
    };
    let inner = |boxes: &[BoxAt], kind, window: &mut Window| match of_kind(boxes, kind) {
        Some(found) => found.children(window),
        None => Ok(Vec::new()),
    };
    let tkhd = content(&trak, b"tkhd", MAX_SMALL, window)?.unwrap_or_default();
    let id = word(&tkhd, if tkhd.first() == Some(&0) { 12 } else { 20 });
    let edts = inner(&trak, b"edts", window)?;
    let edits = content(&edts, b"elst", MAX_EDITS, window)?;
    let edits = edits.and_then(|elst| Edits::parse(&elst).ok()).unwrap_or_default();
    let mdia = inner(&trak, b"mdia", window)?;
    let mdhd = content(&mdia, b"mdhd", MAX_SMALL, window)?.unwrap_or_default();
    let timescale = word(&mdhd, if mdhd.first() == Some(&0) { 12 } else { 20 });
    let minf = inner(&mdia, b"minf", window)?;
    let stbl = inner(&minf, b"stbl", window)?;
    let Some(stsd) = content(&stbl, b"stsd", MAX_DESCRIPTIONS, window)? else {
        return Ok(Err("it has no sample description".into()));
    };
    if timescale == 0 {
        return Ok(Err("it has no timescale".into()));
    }
    let entries = sample_entry::entries(&stsd, is_quicktime);
    let Some(Described { parameters, coding, descriptions }) = describe(&entries) else {
        let why = entries.into_iter().find_map(Result::err);
        return Ok(Err(why.unwrap_or_else(|| "it has no sample entry".into())));
    };
    let samples = match tables(&stbl, coding, window)? {
        Ok(samples) => samples,
        Err(why) => return Ok(Err(why)),
    };
    Ok(Ok(RawTrack {
        info: TrackInfo {
            id,
            is_known: is_known(&parameters, coding),
            parameters,
            coding,
            descriptions,
            time: TrackTime::new(timescale, &Edits::default(), 1),
            start: 0,
            begin: Place { spot: Spot::Sample(0), pts: 0 },
            samples,
            index: FragmentIndex::default(),
        },
        edits,
        timescale,
        unsound: None,
        first: None,
        end: 0,
    }))
}

struct Described {
    parameters: CodecParameters,
    coding: Coding,
    descriptions: Vec<Option<Description>>,
}

/// The track is what its first sample entry says that can be streamed. Samples of entries with
/// another codec, or of sound that is coded otherwise, are left out.
fn describe(entries: &[sample_entry::Entry]) -> Option<Described> {
    let (parameters, coding) = entries.iter().find_map(|entry| entry.clone().ok())?;
    let same = |(other, other_coding): &Codec| match (coding, *other_coding) {
        (Coding::Nal { codec, .. }, Coding::Nal { codec: other, .. }) => codec == other,
        _ => *other == parameters && *other_coding == coding,
    };
    let descriptions = entries.iter().map(|entry| match entry {
        Ok(codec) if same(codec) => {
            Some(Description { coding: codec.1, sets: SetsInForce::new(&codec.0) })
        }
        Ok(_) => {
            log::info!("mp4: samples of a sample entry that is unlike the first are left out");
            None
        }
        Err(why) => {
            log::info!("mp4: samples of a sample entry are left out: {why}");
            None
        }
    });
    let descriptions = descriptions.collect();
    Some(Described { parameters, coding, descriptions })
}

/// Finds the sample tables. The inner error says why they are of no use.
fn tables(
    stbl: &[BoxAt],
    coding: Coding,
    window: &mut Window,
) -> io::Result<Result<SampleTable, String>> {
    let mut table = |kind: &[u8; 4], fields: u64, entry: u64| -> io::Result<Option<Table>> {
        let Some(found) = of_kind(stbl, kind) else { return Ok(None) };
        let head = window.peek(found.data, 16)?;
        // The count is the last of the fields.
        let count = word(head, usize::try_from(fields - 4).unwrap_or(usize::MAX));
        let at = found.data.saturating_add(fields);
        let there = found.end.saturating_sub(at) / entry;
        Ok(Some(Table { at, count: u64::from(count).min(there), entry }))
    };
    let durations = table(b"stts", 8, 8)?.unwrap_or_default();
    let offsets = table(b"ctts", 8, 8)?.filter(|offsets| offsets.count > 0);
    let chunk_runs = table(b"stsc", 8, 12)?.unwrap_or_default();
    let chunks = match table(b"stco", 8, 4)? {
        Some(chunks) => chunks,
        None => table(b"co64", 8, 8)?.unwrap_or_default(),
    };
    let sync = table(b"stss", 8, 4)?;
    let (mut sizes, mut count) = (Sizes::Same(0), 0);
    if let Some(each) = table(b"stsz", 12, 4)? {
        let found = of_kind(stbl, b"stsz").map_or(0, |found| found.data);
        let head = window.peek(found, 12)?;
        (sizes, count) = match (word(head, 4), word(head, 8)) {
            (0, _) => (Sizes::Each(each, 32), each.count),
            (size, count) => (Sizes::Same(size), count.into()),
        };
    } else if let Some(found) = of_kind(stbl, b"stz2") {
        let head = window.peek(found.data, 12)?;
        let (bits, stated) = (word(head, 4) as u8, u64::from(word(head, 8)));
        let at = found.data.saturating_add(12);
        let there = found.end.saturating_sub(at);
        let (entry, most) = match bits {
            4 => (1, there.saturating_mul(2)),
            8 => (1, there),
            16 => (2, there / 2),
            _ => return Ok(Err("the sizes of its samples cannot be read".into())),
        };
        count = stated.min(most);
        let entries = if bits == 4 { count.div_ceil(2) } else { count };
        sizes = Sizes::Each(Table { at, count: entries, entry }, bits);
    }
    if let (Coding::Pcm { sample, channels, .. }, Sizes::Same(size)) = (coding, &mut sizes) {
        // QuickTime counts samples of one channel, or says nothing, and means one of each.
        *size = (*size).max(u32::try_from(sample * channels).unwrap_or(1));
    }
    if chunks.count == 0 || chunk_runs.count == 0 {
        count = 0;
    }
    let is_long = |table: &Table| table.count > MAX_RUNS;
    if [durations, chunk_runs].iter().any(is_long) || offsets.as_ref().is_some_and(is_long) {
        return Ok(Err("its sample tables are too long".into()));
    }
    let runs = |table| Runs { table, ..Runs::default() };
    Ok(Ok(SampleTable {
        count,
        durations: runs(durations),
        offsets: offsets.map(runs),
        chunk_runs: runs(chunk_runs),
        sizes,
        chunks,
        sync,
        ..SampleTable::default()
    }))
}

impl RawTrack {
    /// The reason for which the track cannot be played, if there is one.
    pub(super) fn what_is_missing(&self) -> Option<&str> {
        if self.first.is_none() {
            return Some("it has no samples");
        }
        if let Some(why) = &self.unsound {
            return Some(why);
        }
        (!self.info.is_known).then_some("no frame tells its parameters")
    }

    /// Takes note of a sample that is presented from `pts` to `end`.
    pub(super) fn note(&mut self, pts: i64, end: i64) {
        self.first = Some(self.first.map_or(pts, |first| first.min(pts)));
        self.end = self.end.max(end);
    }
}

/// Puts all tracks on one time line, on which what is presented first is at zero. Returns its
/// length.
pub(super) fn lay_out(
    tracks: &mut [RawTrack],
    first_fragment: Option<u64>,
    input: &Input,
) -> Result<Option<Duration>, ProbeError> {
    let first_fragment = first_fragment.unwrap_or(u64::MAX);
    for track in &mut *tracks {
        let first = track.first.unwrap_or(0);
        let info = &mut track.info;
        let sought = info.time.start;
        let usual = first.max(sought);
        let priming = if info.is_video() { 0 } else { info.time.ticks(PRIMING) };
        // What is decoded in front of an edit's beginning is played where the decoder needs it.
        info.start = first;
        if usual.saturating_sub(first) > priming {
            let place = info.place(usual.saturating_sub(priming / 4), first_fragment, input)?;
            info.start = place.pts.max(first);
        }
        info.begin = info.place(info.start, first_fragment, input)?;
        info.time.ahead = info.samples.least_offset.min(0).saturating_neg();
    }
    let origin = tracks.iter().map(|t| t.info.time.nanos(t.info.start)).min().unwrap_or(0);
    let mut duration = Duration::ZERO;
    for track in tracks {
        let time = &mut track.info.time;
        time.offset = time.offset.saturating_sub(origin);
        let end = time.end.map_or(track.end, |end| end.min(track.end));
        duration = duration.max(time.npt(end));
    }
    Ok(Some(duration).filter(|duration| !duration.is_zero()))
}
