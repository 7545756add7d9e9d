//! A film of two hours, as the tables of an MP4 file.

fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    [&(content.len() as u32 + 8).to_be_bytes(), &kind[..], content].concat()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn table(kind: &[u8; 4], entry: usize, entries: &[u32]) -> Vec<u8> {
    boxed(kind, &[words(&[0, (entries.len() / entry) as u32]), words(entries)].concat())
}

/// A track with this sample entry and these tables.
fn track(id: u32, timescale: u32, entry: &[u8], tables: &[Vec<u8>]) -> Vec<u8> {
    let stsd = boxed(b"stsd", &[&words(&[0, 1]), entry].concat());
    let stbl = boxed(b"stbl", &[stsd, tables.concat()].concat());
    let mdhd = boxed(b"mdhd", &words(&[0, 0, 0, timescale, 0, 0]));
    let mdia = boxed(b"mdia", &[mdhd, boxed(b"minf", &stbl)].concat());
    boxed(b"trak", &[boxed(b"tkhd", &words(&[7, 0, 0, id, 0, 0])), mdia].concat())
}

/// Two hours of H.264 with B-frames, 25 pictures a second, and of MPEG audio. Each picture has an
/// entry in the table of composition offsets. All chunks are the same few bytes.
pub(crate) fn two_hours() -> Vec<u8> {
    const SECONDS: u32 = 7200;
    const PICTURES: u32 = SECONDS * 25;
    const SOUNDS: u32 = SECONDS * 125 / 3;
    let ftyp = boxed(b"ftyp", b"isom\0\0\0\0isom");
    let picture = [0, 0, 0, 28].into_iter().chain([0x65; 28]);
    let sound = [0xff, 0xfb, 0x14, 0xc4].into_iter().chain([7; 92]);
    let media: Vec<u8> = picture.chain(sound).collect();
    let at = ftyp.len() as u32 + 8;

    let avcc = [1, 66, 0, 30, 0xff, 0xe1, 0, 4, 0x67, 1, 2, 3, 1, 0, 2, 0x68, 4];
    let mut entry = vec![0; 78];
    entry[7] = 1;
    entry.extend(boxed(b"avcC", &avcc));
    let offsets: Vec<u32> =
        (0..PICTURES).flat_map(|i| [1, [1024, 2560, 1024, 0][i as usize % 4]]).collect();
    let keys: Vec<u32> = (0..SECONDS).map(|second| second * 25 + 1).collect();
    let video = track(
        1,
        12_800,
        &boxed(b"avc1", &entry),
        &[
            table(b"stts", 2, &[PICTURES, 512]),
            table(b"ctts", 2, &offsets),
            table(b"stsc", 3, &[1, 1, 1]),
            boxed(
                b"stsz",
                &[words(&[0, 0, PICTURES]), words(&vec![32; PICTURES as usize])].concat(),
            ),
            table(b"stco", 1, &vec![at; PICTURES as usize]),
            table(b"stss", 1, &keys),
        ],
    );
    // An elementary stream descriptor of MPEG-1 audio.
    let esds = [&[0, 0, 0, 0, 3, 18, 0, 0, 0, 4, 13, 0x6b, 0x15][..], &[0; 11]].concat();
    let fields = [0, 1, 0, 0, 0x2_0010, 0, 48_000 << 16];
    let entry = [words(&fields), boxed(b"esds", &esds)].concat();
    let audio = track(
        2,
        48_000,
        &boxed(b"mp4a", &entry),
        &[
            table(b"stts", 2, &[SOUNDS, 1152]),
            table(b"stsc", 3, &[1, 1, 1]),
            boxed(b"stsz", &[words(&[0, 0, SOUNDS]), words(&vec![96; SOUNDS as usize])].concat()),
            table(b"stco", 1, &vec![at + 32; SOUNDS as usize]),
        ],
    );
    let mvhd = boxed(b"mvhd", &words(&[0, 0, 0, 1000, 0]));
    let moov = boxed(b"moov", &[mvhd, video, audio].concat());
    [ftyp, boxed(b"mdat", &media), moov].concat()
}
