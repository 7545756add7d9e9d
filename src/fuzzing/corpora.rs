//! Runs the bodies of the fuzz targets over their corpora, and checks that each body has a target
//! and a corpus. A new body in `src/fuzzing/<module>.rs` needs `fuzz/fuzz_targets/<module>_<body>.rs`,
//! a `[[bin]]` in `fuzz/Cargo.toml`, a few inputs in `fuzz/corpus/<module>_<body>/` and its name in
//! the list below.

use std::fs;
use std::path::{Path, PathBuf};

/// Most bytes of a corpus: it is to stay small.
const MAX_CORPUS: u64 = 20_000;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// Runs `body` over each input, cut off at various places too.
fn run(target: &str, body: fn(&[u8])) {
    let folder = fuzz().join("corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let (mut count, mut bytes) = (0, 0);
    for entry in entries {
        let path = entry.expect("read the corpus").path();
        let input = fs::read(&path).expect("read an input");
        // A failure names the input.
        let named = Named(&path);
        body(&input);
        for cut in [input.len() / 2, input.len().saturating_sub(1), input.len().min(7)] {
            body(&input[..cut]);
        }
        drop(named);
        count += 1;
        bytes += input.len() as u64;
    }
    assert!(count > 0, "{} is empty", folder.display());
    assert!(bytes <= MAX_CORPUS, "{} has {bytes} bytes", folder.display());
}

struct Named<'a>(&'a Path);

impl Drop for Named<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let message = format!("with the input {}\n", self.0.display());
            let _ = std::io::Write::write_all(&mut std::io::stderr(), message.as_bytes());
        }
    }
}

macro_rules! corpora {
    ($($(#[$condition:meta])? $module:ident { $($body:ident),* $(,)? })*) => {
        $($(#[$condition])? mod $module {
            $(#[test]
            fn $body() {
                let target = concat!(stringify!($module), "_", stringify!($body));
                super::run(target, crate::fuzzing::$module::$body);
            })*
        })*

        const LISTED: &[&str] =
            &[$($(concat!(stringify!($module), "_", stringify!($body))),*),*];
    };
}

corpora! {
    #[cfg(feature = "access")] access { users_file, authorization }
    wire { request_head, transport, range, session, auth, rtp_info, small_headers, url, sdp, resync, rtp, rtcp, interleaved }
    video { parameter_sets, parameter_sets_in_force, h264_framer, h265_framer, h264_depacketizer, h265_depacketizer, h265_don_depacketizer }
    audio { adts_framer, mpeg_audio_framer, wav_header, mpeg_ts_framer, audio_specific_config, aac_depacketizer, mpa_depacketizer, mp2t_depacketizer, pcm_depacketizer }
    #[cfg(feature = "data-formats")] data { klv_depacketizer, onvif_metadata_depacketizer, text_depacketizer }
    #[cfg(feature = "video-formats")] video_formats { headers, vp8_depacketizer, vp9_depacketizer, av1_depacketizer, jpeg_depacketizer }
    #[cfg(feature = "audio-formats")] audio_formats { opus, vorbis_headers, vorbis_depacketizer, amr_depacketizer, block_depacketizer, ac3_depacketizer, latm_depacketizer }
    media { matroska, mp4, ogg, ivf_obu, ps, ts_tracks, elementary }
    #[cfg(feature = "video-formats")] mpeg_video { headers, mpv_depacketizer, mp4v_depacketizer }
    sinks { mp4_writer }
    relayed { stream }
    relay { proxy }
    rtp { source, reorder, receiver, rtcp_instance, sink }
    rtsp { machine }
    http { tunnel }
    client { media_session, player }
    #[cfg(feature = "srtp")] srtp { mikey, unprotect }
    server { operations, connection }
}

#[test]
fn every_body_is_a_target_with_a_corpus() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/fuzzing");
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).expect("read the manifest");
    let mut found = Vec::new();
    for entry in fs::read_dir(sources).expect("the bodies are there") {
        let path = entry.expect("read them").path();
        let module = path.file_stem().expect("a name").to_string_lossy().into_owned();
        for line in fs::read_to_string(&path).expect("read a source").lines() {
            let Some(rest) = line.strip_prefix("pub fn ") else { continue };
            let Some((body, rest)) = rest.split_once('(') else { continue };
            if rest.starts_with("data: &[u8])") {
                found.push(format!("{module}_{body}"));
            }
        }
    }
    assert!(found.len() > 10, "the bodies are not where they were");
    for target in &found {
        assert!(LISTED.contains(&target.as_str()), "{target} is not in src/fuzzing/corpora.rs");
        let source = fuzz().join("fuzz_targets").join(format!("{target}.rs"));
        assert!(source.exists(), "{} is missing", source.display());
        assert!(manifest.contains(&format!("name = \"{target}\"")), "{target}: no [[bin]]");
    }
    assert_eq!(found.len(), LISTED.len());
}
