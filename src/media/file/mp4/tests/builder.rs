//! Writes MP4 files, sound and unsound ones.

/// A box.
pub(super) fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    [&(content.len() as u32 + 8).to_be_bytes(), &kind[..], content].concat()
}

/// A box with version and flags.
pub(super) fn full(kind: &[u8; 4], version: u8, flags: u32, content: &[u8]) -> Vec<u8> {
    let head = (u32::from(version) << 24 | flags).to_be_bytes();
    boxed(kind, &[&head, content].concat())
}

pub(super) fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// A table: its count, and its words.
pub(super) fn table(kind: &[u8; 4], entry: usize, entries: &[u32]) -> Vec<u8> {
    let count = [(entries.len() / entry) as u32];
    full(kind, 0, 0, &[words(&count), words(entries)].concat())
}

/// An `avc1` or similar entry with the record of [`AVCC`], or none.
pub(super) fn video_entry(kind: &[u8; 4], record: &[u8]) -> Vec<u8> {
    video_entry_with(kind, &if record.is_empty() { Vec::new() } else { boxed(b"avcC", record) })
}

/// A video sample entry with these boxes.
pub(super) fn video_entry_with(kind: &[u8; 4], boxes: &[u8]) -> Vec<u8> {
    let mut content = vec![0; 78];
    content[7] = 1;
    content.extend(boxes);
    boxed(kind, &content)
}

/// SPS 67 01 02 03, PPS 68 04.
pub(super) const AVCC: [u8; 17] = [1, 66, 0, 30, 0xff, 0xe1, 0, 4, 0x67, 1, 2, 3, 1, 0, 2, 0x68, 4];
pub(super) const SETS: [u8; 14] = [0, 0, 0, 1, 0x67, 1, 2, 3, 0, 0, 0, 1, 0x68, 4];

/// An audio sample entry.
pub(super) fn sound_entry(
    kind: &[u8; 4],
    channels: u16,
    bits: u16,
    rate: u16,
    boxes: &[u8],
) -> Vec<u8> {
    let mut content = vec![0, 0, 0, 0, 0, 0, 0, 1];
    content.extend([0; 8]);
    content.extend(channels.to_be_bytes());
    content.extend(bits.to_be_bytes());
    content.extend([0; 4]);
    content.extend((u32::from(rate) << 16).to_be_bytes());
    content.extend(boxes);
    boxed(kind, &content)
}

/// An `esds` box with this object type and AudioSpecificConfig.
pub(super) fn esds(object_type: u8, config: &[u8]) -> Vec<u8> {
    let mut decoder = [&[object_type, 0x15][..], &[0; 11]].concat();
    if !config.is_empty() {
        decoder.extend([5, config.len() as u8]);
        decoder.extend(config);
    }
    let es = [&[0, 0, 0, 4, decoder.len() as u8][..], &decoder].concat();
    full(b"esds", 0, 0, &[&[3, es.len() as u8][..], &es].concat())
}

/// A stored frame.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) data: Vec<u8>,
    pub(super) duration: u32,
    pub(super) offset: i32,
    pub(super) key: bool,
    /// From 1.
    pub(super) description: u32,
}

/// A track to be written.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) entries: Vec<Vec<u8>>,
    pub(super) timescale: u32,
    pub(super) edits: Vec<(u32, i32)>,
    pub(super) samples: Vec<Stored>,
    /// Samples of a chunk.
    pub(super) of_chunk: usize,
    /// Another `stsz` box, where all have one size.
    pub(super) sizes: Option<Vec<u8>>,
}

/// A picture of one slice, with its length in front.
pub(super) fn picture(key: bool, n: u8) -> Vec<u8> {
    vec![0, 0, 0, 3, if key { 0x65 } else { 0x41 }, n, 0x80]
}

impl Written {
    /// `n` pictures of 40 ms, a key frame each second.
    pub(super) fn video(n: usize) -> Self {
        let stored = |i: usize| Stored {
            data: picture(i % 25 == 0, i as u8),
            duration: 40,
            offset: 0,
            key: i % 25 == 0,
            description: 1,
        };
        Self {
            entries: vec![video_entry(b"avc1", &AVCC)],
            timescale: 1000,
            edits: Vec::new(),
            samples: (0..n).map(stored).collect(),
            of_chunk: 5,
            sizes: None,
        }
    }

    /// `n` frames of MPEG audio of 24 ms.
    pub(super) fn mp3(n: usize) -> Self {
        let stored = |i: usize| {
            // Layer III, 48 kHz, 32 kbit/s: 96 bytes.
            let mut data = vec![0xff, 0xfb, 0x14, 0xc4];
            data.resize(96, i as u8);
            Stored { data, duration: 1152, offset: 0, key: true, description: 1 }
        };
        Self {
            entries: vec![sound_entry(b"mp4a", 2, 16, 48_000, &esds(0x6b, &[]))],
            timescale: 48_000,
            edits: Vec::new(),
            samples: (0..n).map(stored).collect(),
            of_chunk: 7,
            sizes: None,
        }
    }

    /// The boxes around the sample table `stbl`.
    fn trak(&self, id: u32, stbl: &[u8]) -> Vec<u8> {
        let mut out = full(b"tkhd", 0, 7, &words(&[0, 0, id, 0, 0]));
        if !self.edits.is_empty() {
            let edits: Vec<u32> =
                self.edits.iter().flat_map(|&(len, at)| [len, at as u32, 1 << 16]).collect();
            out.extend(boxed(b"edts", &table(b"elst", 3, &edits)));
        }
        let mdhd = full(b"mdhd", 0, 0, &words(&[0, 0, self.timescale, 0, 0]));
        let minf = boxed(b"minf", &boxed(b"stbl", stbl));
        out.extend(boxed(b"mdia", &[mdhd, minf].concat()));
        boxed(b"trak", &out)
    }

    pub(super) fn stsd(&self) -> Vec<u8> {
        let count = words(&[self.entries.len() as u32]);
        full(b"stsd", 0, 0, &[count, self.entries.concat()].concat())
    }

    /// The `trak` box, for chunks at these places.
    fn with_chunks(&self, id: u32, chunks: &[u64], long: bool) -> Vec<u8> {
        let mut stbl = self.stsd();
        let runs = |of: &dyn Fn(&Stored) -> u32| {
            let mut runs: Vec<u32> = Vec::new();
            for sample in &self.samples {
                let value = of(sample);
                match runs.last().copied() {
                    Some(last) if last == value => {
                        let at = runs.len() - 2;
                        runs[at] += 1;
                    }
                    _ => runs.extend([1, value]),
                }
            }
            runs
        };
        stbl.extend(table(b"stts", 2, &runs(&|s| s.duration)));
        if self.samples.iter().any(|s| s.offset != 0) {
            stbl.extend(table(b"ctts", 2, &runs(&|s| s.offset as u32)));
        }
        let mut stsc = Vec::new();
        for (i, chunk) in self.samples.chunks(self.of_chunk).enumerate() {
            stsc.extend([i as u32 + 1, chunk.len() as u32, chunk[0].description]);
        }
        stbl.extend(table(b"stsc", 3, &stsc));
        let sizes: Vec<u32> = self.samples.iter().map(|s| s.data.len() as u32).collect();
        let each = [words(&[0, sizes.len() as u32]), words(&sizes)].concat();
        stbl.extend(self.sizes.clone().unwrap_or_else(|| full(b"stsz", 0, 0, &each)));
        if self.samples.iter().any(|s| !s.key) {
            let keys = self.samples.iter().enumerate().filter(|(_, s)| s.key);
            let keys: Vec<u32> = keys.map(|(i, _)| i as u32 + 1).collect();
            stbl.extend(table(b"stss", 1, &keys));
        }
        if long {
            let each: Vec<u8> = chunks.iter().flat_map(|at| at.to_be_bytes()).collect();
            let count = words(&[chunks.len() as u32]);
            stbl.extend(full(b"co64", 0, 0, &[count, each].concat()));
        } else {
            let each: Vec<u32> = chunks.iter().map(|&at| at as u32).collect();
            stbl.extend(table(b"stco", 1, &each));
        }
        self.trak(id, &stbl)
    }
}

pub(super) fn ftyp() -> Vec<u8> {
    boxed(b"ftyp", b"isom\0\0\0\0isom")
}

pub(super) fn mvhd() -> Vec<u8> {
    full(b"mvhd", 0, 0, &words(&[0, 0, 1000, 0]))
}

/// The movie box of tracks whose chunks are interleaved from `at` on, and the media.
pub(super) fn movie(tracks: &[Written], at: u64, long: bool) -> (Vec<u8>, Vec<u8>) {
    let mut media = Vec::new();
    let mut places = vec![Vec::new(); tracks.len()];
    let most = tracks.iter().map(|t| t.samples.len().div_ceil(t.of_chunk)).max().unwrap_or(0);
    for n in 0..most {
        for (track, places) in tracks.iter().zip(&mut places) {
            let Some(chunk) = track.samples.chunks(track.of_chunk).nth(n) else { continue };
            places.push(at + media.len() as u64);
            chunk.iter().for_each(|sample| media.extend(&sample.data));
        }
    }
    let mut content = mvhd();
    for (i, (track, places)) in tracks.iter().zip(&places).enumerate() {
        content.extend(track.with_chunks(i as u32 + 1, places, long));
    }
    (boxed(b"moov", &content), media)
}

/// A file whose movie is behind the media.
pub(super) fn file(tracks: &[Written]) -> Vec<u8> {
    let head = ftyp();
    let (moov, media) = movie(tracks, head.len() as u64 + 8, false);
    [head, boxed(b"mdat", &media), moov].concat()
}

/// How fragments say where their data is, and when it is decoded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    /// Flags of `tfhd`: 1 for an explicit offset, 0x20000 for the fragment's start.
    pub(super) base: u32,
    pub(super) timed: bool,
    /// Samples of a run.
    pub(super) of_run: usize,
}

/// The head of a fragmented file.
pub(super) fn fragmented_head(tracks: &[Written]) -> Vec<u8> {
    let mut content = mvhd();
    for (i, track) in tracks.iter().enumerate() {
        let empty = Written { samples: Vec::new(), ..track.clone() };
        content.extend(empty.with_chunks(i as u32 + 1, &[], false));
    }
    let trex = |i: usize| full(b"trex", 0, 0, &words(&[i as u32 + 1, 1, 0, 0, 0x1_0000]));
    let mvex: Vec<u8> = (0..tracks.len()).flat_map(trex).collect();
    content.extend(boxed(b"mvex", &mvex));
    [ftyp(), boxed(b"moov", &content)].concat()
}

/// A fragment at `at` of these samples of each track, the first of which are decoded then.
pub(super) fn fragment(at: u64, parts: &[(u32, u32, &[Stored])], form: Form) -> Vec<u8> {
    // Twice, because offsets depend on the length of the box.
    let moof = |moof_len: usize| {
        let mut trafs = full(b"mfhd", 0, 0, &words(&[1]));
        let mut data = moof_len + 8;
        for (id, time, samples) in parts {
            let mut tfhd = words(&[*id]);
            if form.base & 1 != 0 {
                tfhd.extend(at.to_be_bytes());
            }
            let mut traf = full(b"tfhd", 0, form.base, &tfhd);
            if form.timed {
                traf.extend(full(b"tfdt", 0, 0, &words(&[*time])));
            }
            for (n, run) in samples.chunks(form.of_run).enumerate() {
                let relative = form.base != 0;
                let mut trun = words(&[run.len() as u32]);
                // Without a base the data of a track follows that of the one before.
                let first = n == 0 && data == moof_len + 8;
                let flags = 0xf00 | u32::from(relative || first);
                if flags & 1 != 0 {
                    trun.extend(words(&[data as u32]));
                }
                for sample in run {
                    let key = if sample.key { 0 } else { 0x1_0000 };
                    let len = sample.data.len();
                    trun.extend(words(&[sample.duration, len as u32, key, sample.offset as u32]));
                    data += len;
                }
                traf.extend(full(b"trun", 1, flags, &trun));
            }
            trafs.extend(boxed(b"traf", &traf));
        }
        boxed(b"moof", &trafs)
    };
    let moof = moof(moof(0).len());
    let samples = parts.iter().flat_map(|(_, _, samples)| samples.iter());
    let media: Vec<u8> = samples.flat_map(|sample| sample.data.clone()).collect();
    [moof, boxed(b"mdat", &media)].concat()
}

/// A fragmented file with a fragment a second.
pub(super) fn fragmented(tracks: &[Written], form: Form) -> Vec<u8> {
    let mut out = fragmented_head(tracks);
    let seconds = |t: &Written| {
        let ticks: u64 = t.samples.iter().map(|s| u64::from(s.duration)).sum();
        ticks.div_ceil(t.timescale.into())
    };
    for second in 0..tracks.iter().map(seconds).max().unwrap_or(0) {
        let part = |(i, track): (usize, &Written)| {
            let mut time = 0_u64;
            let starts: Vec<u64> = track
                .samples
                .iter()
                .map(|s| {
                    time += u64::from(s.duration);
                    time - u64::from(s.duration)
                })
                .collect();
            let of = |at: u64| starts.partition_point(|t| *t < at * u64::from(track.timescale));
            let (from, to) = (of(second), of(second + 1));
            let start = starts.get(from).copied().unwrap_or(time) as u32;
            (i as u32 + 1, start, track.samples[from..to].to_vec())
        };
        let parts: Vec<_> = tracks.iter().enumerate().map(part).collect();
        let parts: Vec<_> = parts.iter().map(|(id, time, s)| (*id, *time, &s[..])).collect();
        let fragment = fragment(out.len() as u64, &parts, form);
        out.extend(fragment);
    }
    out
}
