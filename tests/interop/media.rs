//! The files of `testdata/media` and what players must find in them.

use crate::tools::{Extent, extent};

/// What one track holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    H264,
    H265,
    Aac,
    Mp3,
    Mp2,
    /// Bits a sample.
    Pcm(u8),
    Mulaw,
    Alaw,
    Opus,
    /// Pictures of another codec, by FFmpeg's name of it.
    Picture(&'static str),
    /// Sound of another codec.
    Sound(&'static str),
}

impl Kind {
    pub(crate) fn is_video(self) -> bool {
        matches!(self, Self::H264 | Self::H265 | Self::Picture(_))
    }

    /// FFmpeg's name of the codec as it arrives over RTP (PCM is big-endian there).
    pub(crate) fn codec_name(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            Self::H265 => "hevc",
            Self::Aac => "aac",
            Self::Mp3 => "mp3",
            Self::Mp2 => "mp2",
            Self::Pcm(8) => "pcm_u8",
            Self::Pcm(24) => "pcm_s24be",
            Self::Pcm(_) => "pcm_s16be",
            Self::Mulaw => "pcm_mulaw",
            Self::Alaw => "pcm_alaw",
            Self::Opus => "opus",
            Self::Picture(name) | Self::Sound(name) => name,
        }
    }
}

/// How the tracks are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carriage {
    /// Each as a stream of its own.
    Tracks,
    /// All in one transport stream; bytes in the file between its packets of 188.
    TransportStream { gap: usize },
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Media {
    pub(crate) file: &'static str,
    pub(crate) carriage: Carriage,
    pub(crate) tracks: &'static [Kind],
    /// Among the few that are played where the extent is not "all".
    pub(crate) few: bool,
}

impl Media {
    /// H.264 or H.265 as a byte stream: the file itself is what must arrive.
    pub(crate) fn is_annex_b(&self) -> bool {
        self.file.ends_with("264") || self.file.ends_with("265")
    }
}

const fn tracks(file: &'static str, tracks: &'static [Kind]) -> Media {
    Media { file, carriage: Carriage::Tracks, tracks, few: false }
}

const fn few(media: Media) -> Media {
    Media { few: true, ..media }
}

const MEDIA: [Media; 30] = [
    few(tracks("bframes.h264", &[Kind::H264])),
    tracks("slices.264", &[Kind::H264]),
    few(tracks("bframes.h265", &[Kind::H265])),
    tracks("slices.265", &[Kind::H265]),
    tracks("stereo.aac", &[Kind::Aac]),
    tracks("vbr.mp3", &[Kind::Mp3]),
    tracks("cbr.mp3", &[Kind::Mp3]),
    tracks("layer2.mp2", &[Kind::Mp2]),
    tracks("pcm16.wav", &[Kind::Pcm(16)]),
    tracks("pcm24.wav", &[Kind::Pcm(24)]),
    tracks("pcm8.wav", &[Kind::Pcm(8)]),
    tracks("mulaw.wav", &[Kind::Mulaw]),
    tracks("alaw.wav", &[Kind::Alaw]),
    few(Media {
        carriage: Carriage::TransportStream { gap: 0 },
        ..tracks("program.ts", &[Kind::H264, Kind::Aac])
    }),
    Media {
        carriage: Carriage::TransportStream { gap: 4 },
        ..tracks("program.m2ts", &[Kind::H264, Kind::Aac])
    },
    few(tracks("h264_aac.mkv", &[Kind::H264, Kind::Aac])),
    tracks("h265_mp3.mkv", &[Kind::H265, Kind::Mp3]),
    tracks("h264_pcm.mkv", &[Kind::H264, Kind::Pcm(16)]),
    tracks("h264_opus.mkv", &[Kind::H264, Kind::Opus]),
    tracks("no_cues.mkv", &[Kind::H264, Kind::Aac]),
    tracks("video.webm", &[Kind::H264, Kind::Opus]),
    tracks("a file.mkv", &[Kind::H264, Kind::Aac]),
    few(tracks("h264_aac.mp4", &[Kind::H264, Kind::Aac])),
    tracks("h265_mp3.m4v", &[Kind::H265, Kind::Mp3]),
    tracks("h264_pcm.mov", &[Kind::H264, Kind::Pcm(16)]),
    tracks("tones.m4a", &[Kind::Aac]),
    tracks("phone.3gp", &[Kind::H264, Kind::Aac]),
    few(tracks("fragments.mp4", &[Kind::H264, Kind::Aac])),
    tracks("index.mp4", &[Kind::H265, Kind::Aac]),
    tracks("pipe.mp4", &[Kind::H264]),
];

/// Files of codecs that not all of the players here know.
pub(crate) const OTHERS: [Media; 29] = [
    few(tracks("vp8_vorbis.webm", &[Kind::Picture("vp8"), Kind::Sound("vorbis")])),
    tracks("vp8.ivf", &[Kind::Picture("vp8")]),
    tracks("vp9_opus.webm", &[Kind::Picture("vp9"), Kind::Opus]),
    tracks("vp9_opus.mp4", &[Kind::Picture("vp9"), Kind::Opus]),
    tracks("vp9.ivf", &[Kind::Picture("vp9")]),
    tracks("av1_opus.mkv", &[Kind::Picture("av1"), Kind::Opus]),
    few(tracks("av1_opus.mp4", &[Kind::Picture("av1"), Kind::Opus])),
    tracks("av1.ivf", &[Kind::Picture("av1")]),
    tracks("av1.obu", &[Kind::Picture("av1")]),
    tracks("mpeg4_ac3.mkv", &[Kind::Picture("mpeg4"), Kind::Sound("ac3")]),
    tracks("mpeg4_ac3.mp4", &[Kind::Picture("mpeg4"), Kind::Sound("ac3")]),
    tracks("mpeg2_eac3.mkv", &[Kind::Picture("mpeg2video"), Kind::Sound("eac3")]),
    tracks("mpeg2_eac3.mp4", &[Kind::Picture("mpeg2video"), Kind::Sound("eac3")]),
    tracks("jpeg.mkv", &[Kind::Picture("mjpeg")]),
    tracks("jpeg.mov", &[Kind::Picture("mjpeg")]),
    tracks("sound.opus", &[Kind::Opus]),
    tracks("pictures.m1v", &[Kind::Picture("mpeg1video")]),
    tracks("pictures.m2v", &[Kind::Picture("mpeg2video")]),
    few(tracks("pictures.mjpeg", &[Kind::Picture("mjpeg")])),
    few(tracks("mpeg1.mpg", &[Kind::Picture("mpeg1video"), Kind::Mp2])),
    tracks("mpeg2.mpeg", &[Kind::Picture("mpeg2video"), Kind::Mp2]),
    tracks("disc.vob", &[Kind::Picture("mpeg2video"), Kind::Sound("ac3")]),
    Media {
        carriage: Carriage::TransportStream { gap: 0 },
        ..tracks("broadcast.ts", &[Kind::Picture("mpeg2video"), Kind::Sound("ac3")])
    },
    tracks("tones.ac3", &[Kind::Sound("ac3")]),
    tracks("tones.eac3", &[Kind::Sound("eac3")]),
    few(tracks("tone.amr", &[Kind::Sound("amr_nb")])),
    tracks("tone.awb", &[Kind::Sound("amr_wb")]),
    tracks("tone.g722", &[Kind::Sound("adpcm_g722")]),
    tracks("vorbis.ogg", &[Kind::Sound("vorbis")]),
];

/// A file by its name.
pub(crate) fn of_file(name: &str) -> Media {
    MEDIA.into_iter().find(|media| media.file == name).expect("a file of the table")
}

/// Those of some files that are to be played.
pub(crate) fn wanted(files: &[Media]) -> Vec<Media> {
    let wanted = |media: &&Media| match extent() {
        Extent::All => true,
        Extent::Named(names) => names.split(',').any(|name| name == media.file),
        Extent::Some | Extent::Skip => media.few,
    };
    files.iter().filter(wanted).copied().collect()
}

/// The files to play, without [`OTHERS`].
pub(crate) fn to_play() -> Vec<Media> {
    wanted(&MEDIA)
}

/// Each file to play with each transport, named.
pub(crate) fn jobs() -> Vec<(String, (Media, &'static str))> {
    over_both(to_play())
}

/// Each file with each transport, named.
pub(crate) fn over_both(files: Vec<Media>) -> Vec<(String, (Media, &'static str))> {
    files
        .into_iter()
        .flat_map(|m| ["udp", "tcp"].map(|over| (format!("{} over {over}", m.file), (m, over))))
        .collect()
}

#[test]
fn every_file_is_in_the_table() {
    let mut there: Vec<String> = std::fs::read_dir(crate::server::testdata("media"))
        .expect("testdata/media is there")
        .map(|entry| entry.expect("read it").file_name().to_string_lossy().into_owned())
        .collect();
    there.sort();
    let mut listed: Vec<&str> = MEDIA.iter().chain(&OTHERS).map(|m| m.file).collect();
    listed.sort_unstable();
    assert_eq!(there, listed);
}
