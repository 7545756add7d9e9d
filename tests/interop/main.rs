//! Plays the files of `testdata/media` from the `media_server` example: with a small RTSP client
//! of its own ([`client`]), and with FFmpeg, GStreamer, VLC and openRTSP where they are installed.
//! And records them with the `open_rtsp` example, from `media_server` ([`recording`], [`mp4`]) and
//! from other servers ([`servers`]).
//!
//! `RIVERRUN_INTEROP` says how much: unset, the players that are there play a few files;
//! `require`, all players play all files, and one that is missing is a failure; `skip`, no player
//! is started; names of files with commas between, these are played. Streams run in real time, so a few play at once.
#![allow(clippy::print_stderr)]

mod browser;
mod client;
mod digest;
mod ffmpeg;
mod formats;
mod gstreamer;
mod live555;
mod media;
mod mp4;
#[cfg(all(feature = "audio-formats", feature = "more-files", feature = "video-formats"))]
mod others;
mod proxy;
mod publishing;
mod pushing;
mod recording;
mod scale;
mod secure;
mod server;
mod servers;
mod sessions;
mod streams;
mod talk;
mod tools;
mod vlc;
