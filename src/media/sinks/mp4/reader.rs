//! Reads fragmented files, for tests and fuzzing: every box must be where the standard has it, and
//! say what the others say. Written from ISO/IEC 14496-12, not from the writer.

use crate::wire::{ParseError, Reader};
use bytes::Bytes;

/// A sample; times in ticks of its track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReadSample {
    pub(crate) dts: u64,
    pub(crate) pts: i64,
    pub(crate) duration: u32,
    pub(crate) key: bool,
    pub(crate) data: Bytes,
    /// Number of its fragment, from 0.
    pub(crate) fragment: usize,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct ReadTrack {
    pub(crate) id: u32,
    pub(crate) timescale: u32,
    pub(crate) is_video: bool,
    /// Name and content of the sample entry.
    pub(crate) entry: ([u8; 4], Bytes),
    pub(crate) samples: Vec<ReadSample>,
    /// NTP time and media time of each `prft`.
    pub(crate) capture_times: Vec<(u64, u64)>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct ReadFile {
    pub(crate) tracks: Vec<ReadTrack>,
    pub(crate) fragments: usize,
    /// Of the header, in milliseconds; once the file is complete.
    pub(crate) duration: Option<u64>,
    /// Time of creation, in seconds since 1904.
    pub(crate) created: u64,
    /// Entries of the index; once the file is complete.
    pub(crate) index: Vec<(u64, u64)>,
    /// Where whole fragments end.
    pub(crate) whole_len: usize,
    /// There is a piece of a box behind these.
    pub(crate) is_cut: bool,
}

type Kind = [u8; 4];

/// The next box: its kind and content. `None` at the end, or if what is there is not a whole box.
fn next_box<'a>(r: &mut Reader<'a>) -> Option<(Kind, Reader<'a>)> {
    let mut ahead = r.clone();
    let len = ahead.u32("box length").ok()? as usize;
    let kind = *ahead.take(4, "box type").ok()?.first_chunk()?;
    let content = ahead.sub(len.checked_sub(8)?, "box").ok()?;
    *r = ahead;
    Some((kind, content))
}

/// All boxes of a container, which they must fill.
fn boxes<'a>(mut r: Reader<'a>, what: &'static str) -> Result<Vec<(Kind, Reader<'a>)>, ParseError> {
    let mut all = Vec::new();
    while let Some(one) = next_box(&mut r) {
        all.push(one);
    }
    if r.is_empty() { Ok(all) } else { Err(r.invalid(what)) }
}

fn one<'a>(
    boxes: &[(Kind, Reader<'a>)],
    kind: &Kind,
    what: &'static str,
) -> Result<Reader<'a>, ParseError> {
    let mut found = boxes.iter().filter(|(k, _)| k == kind);
    match (found.next(), found.next()) {
        (Some((_, content)), None) => Ok(content.clone()),
        _ => Err(ParseError::Invalid { what, at: 0 }),
    }
}

fn version_and_flags(r: &mut Reader<'_>) -> Result<(u8, u32), ParseError> {
    let word = r.u32("version and flags")?;
    Ok(((word >> 24) as u8, word & 0xff_ffff))
}

/// Reads a file, which may end in the middle of a box.
pub(crate) fn read(bytes: &[u8]) -> Result<ReadFile, ParseError> {
    let mut file = ReadFile::default();
    let mut r = Reader::new(bytes);
    let (mut moof_at, mut waiting, mut has_header) = (0, None, false);
    // A fragment that was not made known is skipped.
    let mut skips = false;
    loop {
        let at = r.position();
        let Some((kind, content)) = next_box(&mut r) else { break };
        match &kind {
            b"ftyp" if at == 0 => {}
            b"moov" if !has_header => {
                header(&mut file, content)?;
                has_header = true;
            }
            b"prft" => capture_time(&mut file, content)?,
            b"moof" if has_header => {
                (moof_at, waiting) = (at, Some(content));
                continue;
            }
            b"free" => {
                skips = true;
                continue;
            }
            b"mdat" if skips => {
                skips = false;
                continue;
            }
            b"mdat" => {
                let moof = waiting.take().ok_or_else(|| r.invalid("mdat without moof"))?;
                fragment(&mut file, moof, bytes, moof_at, (at + 8, r.position()))?;
                file.fragments += 1;
            }
            b"mfra" => index(&mut file, content, bytes)?,
            _ => return Err(ParseError::Invalid { what: "box at the top", at }),
        }
        if waiting.is_some() {
            return Err(r.invalid("moof without mdat"));
        }
        if kind != *b"prft" {
            file.whole_len = r.position();
        }
    }
    file.is_cut = file.whole_len < bytes.len();
    Ok(file)
}

fn header(file: &mut ReadFile, content: Reader<'_>) -> Result<(), ParseError> {
    let moov = boxes(content, "moov")?;
    let mut mvhd = one(&moov, b"mvhd", "mvhd")?;
    version_and_flags(&mut mvhd)?;
    file.created = mvhd.u64("creation_time")?;
    for (kind, trak) in &moov {
        if kind == b"trak" {
            file.tracks.push(track(trak.clone())?);
        }
    }
    let mvex = boxes(one(&moov, b"mvex", "mvex")?, "mvex")?;
    let mut extended = Vec::new();
    for (kind, mut content) in mvex {
        match &kind {
            b"mehd" => {
                version_and_flags(&mut content)?;
                file.duration = Some(content.u64("fragment_duration")?);
            }
            b"trex" => {
                version_and_flags(&mut content)?;
                extended.push(content.u32("track_ID")?);
            }
            b"free" => {}
            _ => return Err(content.invalid("mvex")),
        }
    }
    let ids: Vec<_> = file.tracks.iter().map(|track| track.id).collect();
    if extended == ids { Ok(()) } else { Err(ParseError::Invalid { what: "trex", at: 0 }) }
}

fn track(content: Reader<'_>) -> Result<ReadTrack, ParseError> {
    let trak = boxes(content, "trak")?;
    let mut tkhd = one(&trak, b"tkhd", "tkhd")?;
    version_and_flags(&mut tkhd)?;
    tkhd.take(16, "times")?;
    let id = tkhd.u32("track_ID")?;
    let mdia = boxes(one(&trak, b"mdia", "mdia")?, "mdia")?;
    let mut mdhd = one(&mdia, b"mdhd", "mdhd")?;
    version_and_flags(&mut mdhd)?;
    mdhd.take(16, "times")?;
    let timescale = mdhd.u32("timescale")?;
    let mut hdlr = one(&mdia, b"hdlr", "hdlr")?;
    hdlr.take(8, "hdlr")?;
    let is_video = hdlr.take(4, "handler_type")? == b"vide";
    let minf = boxes(one(&mdia, b"minf", "minf")?, "minf")?;
    one(&minf, if is_video { b"vmhd" } else { b"smhd" }, "media header")?;
    let stbl = boxes(one(&minf, b"stbl", "stbl")?, "stbl")?;
    for kind in [b"stts", b"stsc", b"stsz", b"stco"] {
        one(&stbl, kind, "sample table")?;
    }
    let mut stsd = one(&stbl, b"stsd", "stsd")?;
    stsd.take(8, "stsd")?;
    let (kind, entry) = next_box(&mut stsd).ok_or_else(|| stsd.invalid("sample entry"))?;
    if !stsd.is_empty() || timescale == 0 {
        return Err(stsd.invalid("stsd"));
    }
    let entry = (kind, Bytes::copy_from_slice(entry.remaining()));
    Ok(ReadTrack { id, timescale, is_video, entry, ..ReadTrack::default() })
}

fn of_id(file: &mut ReadFile, id: u32) -> Result<&mut ReadTrack, ParseError> {
    let found = file.tracks.iter_mut().find(|track| track.id == id);
    found.ok_or(ParseError::Invalid { what: "track_ID", at: 0 })
}

fn capture_time(file: &mut ReadFile, mut r: Reader<'_>) -> Result<(), ParseError> {
    version_and_flags(&mut r)?;
    let id = r.u32("reference_track_ID")?;
    let times = (r.u64("ntp_timestamp")?, r.u64("media_time")?);
    of_id(file, id)?.capture_times.push(times);
    Ok(())
}

fn fragment(
    file: &mut ReadFile,
    content: Reader<'_>,
    bytes: &[u8],
    moof_at: usize,
    mdat: (usize, usize),
) -> Result<(), ParseError> {
    let moof = boxes(content, "moof")?;
    let mut mfhd = one(&moof, b"mfhd", "mfhd")?;
    version_and_flags(&mut mfhd)?;
    if mfhd.u32("sequence_number")? as usize != file.fragments + 1 {
        return Err(mfhd.invalid("sequence_number"));
    }
    // The runs fill the data, one behind the other.
    let mut data_at = mdat.0;
    for (kind, traf) in moof {
        if kind == *b"traf" {
            run(file, traf, bytes, moof_at, &mut data_at)?;
        }
    }
    if data_at == mdat.1 { Ok(()) } else { Err(ParseError::Invalid { what: "mdat", at: data_at }) }
}

fn run(
    file: &mut ReadFile,
    content: Reader<'_>,
    bytes: &[u8],
    moof_at: usize,
    data_at: &mut usize,
) -> Result<(), ParseError> {
    let fragment = file.fragments;
    let traf = boxes(content, "traf")?;
    let mut tfhd = one(&traf, b"tfhd", "tfhd")?;
    if version_and_flags(&mut tfhd)? != (0, 0x2_0000) {
        return Err(tfhd.invalid("tfhd"));
    }
    let track = of_id(file, tfhd.u32("track_ID")?)?;
    let mut tfdt = one(&traf, b"tfdt", "tfdt")?;
    version_and_flags(&mut tfdt)?;
    let mut dts = tfdt.u64("baseMediaDecodeTime")?;
    let mut trun = one(&traf, b"trun", "trun")?;
    let (version, flags) = version_and_flags(&mut trun)?;
    let count = trun.u32("sample_count")?;
    if version != 1 || flags & 0x701 != 0x701 || count == 0 {
        return Err(trun.invalid("trun"));
    }
    if moof_at + trun.u32("data_offset")? as usize != *data_at {
        return Err(trun.invalid("data_offset"));
    }
    // Decoding times never go back, from one fragment to the next either.
    if track.samples.last().is_some_and(|last| last.dts + u64::from(last.duration) > dts) {
        return Err(tfdt.invalid("baseMediaDecodeTime"));
    }
    for _ in 0..count {
        let (duration, len) = (trun.u32("sample_duration")?, trun.u32("sample_size")?);
        let key = trun.u32("sample_flags")? & 0x1_0000 == 0;
        let offset = if flags & 0x800 != 0 { trun.u32("composition offset")? as i32 } else { 0 };
        let end = *data_at + len as usize;
        let data = bytes.get(*data_at..end).ok_or_else(|| trun.invalid("sample"))?;
        *data_at = end;
        let pts = (dts as i64).saturating_add(i64::from(offset));
        let data = Bytes::copy_from_slice(data);
        track.samples.push(ReadSample { dts, pts, duration, key, data, fragment });
        dts += u64::from(duration);
    }
    if trun.is_empty() { Ok(()) } else { Err(trun.invalid("trun")) }
}

fn index(file: &mut ReadFile, content: Reader<'_>, bytes: &[u8]) -> Result<(), ParseError> {
    let mfra = boxes(content, "mfra")?;
    let mut tfra = one(&mfra, b"tfra", "tfra")?;
    version_and_flags(&mut tfra)?;
    let id = tfra.u32("track_ID")?;
    tfra.u32("lengths")?;
    for _ in 0..tfra.u32("number_of_entry")? {
        let (time, offset) = (tfra.u64("time")?, tfra.u64("moof_offset")?);
        tfra.take(3, "numbers")?;
        let at = offset as usize;
        if bytes.get(at + 4..at + 8) != Some(b"moof") {
            return Err(tfra.invalid("moof_offset"));
        }
        let starts = |sample: &ReadSample| sample.key && sample.pts.max(0) == time as i64;
        if !of_id(file, id)?.samples.iter().any(starts) {
            return Err(tfra.invalid("time"));
        }
        file.index.push((time, offset));
    }
    let mut mfro = one(&mfra, b"mfro", "mfro")?;
    version_and_flags(&mut mfro)?;
    let len = mfro.u32("mfra length")? as usize;
    let found = bytes.len().checked_sub(len).and_then(|at| bytes.get(at + 4..at + 8));
    if found == Some(b"mfra") { Ok(()) } else { Err(mfro.invalid("mfra length")) }
}
