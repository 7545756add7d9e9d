//! One media session a format, made before anybody asks, as in live555's testOnDemandRTSPServer.

mod support;

use riverrun::server::{
    FileTrack, OnDemandServerMediaSubsession, ServerConfig, ServerMediaSession,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use support::{Access, Arguments, Failure, Listen, Program, Srtp, Stop, Tls};

const HELP: &str = concat!(
    "\
Serves one file of each format over RTSP, under the stream names of live555's
testOnDemandRTSPServer.

Usage: on_demand_server [OPTIONS]

  --dir DIR             where the files are (default: testdata/media): test.264, test.265,
                        test.aac, test.mp3, test.wav, test.ts, test.mkv and test.webm, or those
                        of testdata/media; formats without a file are left out
  --bind ADDR           listen on this address only (default: all)
  --port N              listen on this port (default: 8554; 0: any)
  --reuse-first-source  all clients of a stream share one source; a newcomer to video gets nothing
                        before the next key frame
  --loop                begin anew at the end
",
    support::server_help!(),
    "  --help                this text

Ctrl-C ends it: clients are told (RTCP BYE). RUST_LOG sets what is logged (default: info).
"
);

/// Stream names, and the files that are looked for.
const STREAMS: [(&str, [&str; 2]); 8] = [
    ("h264ESVideoTest", ["test.264", "slices.264"]),
    ("h265ESVideoTest", ["test.265", "slices.265"]),
    ("aacAudioTest", ["test.aac", "stereo.aac"]),
    ("mp3AudioTest", ["test.mp3", "cbr.mp3"]),
    ("wavAudioTest", ["test.wav", "pcm16.wav"]),
    ("mpeg2TransportStreamTest", ["test.ts", "program.ts"]),
    ("matroskaFileTest", ["test.mkv", "h264_aac.mkv"]),
    ("webmFileTest", ["test.webm", "video.webm"]),
];

struct Options {
    listen: Listen,
    tls: Tls,
    srtp: Srtp,
    access: Access,
    config: ServerConfig,
    folder: PathBuf,
    reuse_first_source: bool,
    repeat: bool,
}

fn main() -> std::process::ExitCode {
    support::run("on_demand_server", HELP, options, serve)
}

fn options(arguments: &mut Arguments) -> Result<Options, Stop> {
    let mut options = Options {
        listen: Listen::default(),
        tls: Tls::default(),
        srtp: Srtp::default(),
        access: Access::default(),
        config: ServerConfig::default(),
        folder: "testdata/media".into(),
        reuse_first_source: false,
        repeat: false,
    };
    while let Some(argument) = arguments.next(&mut options.listen)? {
        match argument.name() {
            Some(name) if options.tls.takes(name, arguments)? => {}
            Some(name) if options.srtp.takes(name, arguments)? => {}
            Some(name) if options.access.takes(name, arguments)? => {}
            Some(name) if support::takes_limit(&mut options.config, name, arguments)? => {}
            Some("--dir") => options.folder = arguments.value()?.into(),
            Some("--reuse-first-source") => options.reuse_first_source = true,
            Some("--loop") => options.repeat = true,
            _ => return Err(argument.unexpected()),
        }
    }
    Ok(options)
}

fn serve(options: Options) -> Result<(), Failure> {
    let config = options.srtp.configured(options.config.clone());
    let mut program = Program::new(config, options.listen)?;
    options.access.clone().guard(&mut program)?;
    options.tls.listen(&mut program, options.listen)?;
    let mut streams = 0;
    for (name, files) in STREAMS {
        let Some(path) = files.map(|f| options.folder.join(f)).into_iter().find(|p| p.exists())
        else {
            log::info!("{name}: no {} in {}", files[0], options.folder.display());
            continue;
        };
        match media_session(name, &path, &options) {
            Ok(session) => {
                program.with(|server, env| server.add_server_media_session(env, session))??;
                program.print_url(name, format_args!("  ({name}, {})", path.display()))?;
                streams += 1;
            }
            Err(e) => log::warn!("{name}: {e}"),
        }
    }
    if streams == 0 {
        return Err(format!("{}: none of the files is here", options.folder.display()).into());
    }
    program.serve()
}

/// The media session for a file: a subsession a track.
fn media_session(
    name: &str,
    path: &Path,
    options: &Options,
) -> Result<ServerMediaSession, Failure> {
    let file = support::probe_file(path)?;
    let mut session =
        ServerMediaSession::new(name, &support::file_name(path), "Session streamed by riverrun");
    if file.tracks().len() > 1 {
        // One demultiplexer feeds all tracks of a client, so they play and pause together.
        session = session.with_aggregate_control_only();
    }
    for track in 0..file.tracks().len() {
        let track = FileTrack::new(Arc::clone(&file), track).with_repeat(options.repeat);
        session.add_subsession(
            OnDemandServerMediaSubsession::new(track)
                .with_reuse_first_source(options.reuse_first_source),
        )?;
    }
    Ok(session)
}
