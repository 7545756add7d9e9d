//! Serves every known media file of a folder over RTSP, as live555's program of that name does.

mod support;

use riverrun::server::{FileSessionOptions, FolderProvider, ServerConfig, UdpPorts};
use std::path::PathBuf;
use std::time::Duration;
use support::{Access, Arguments, Failure, Listen, Program, Srtp, Stop, Tls};

const HELP: &str = concat!(
    "\
Serves the media files of a folder over RTSP.

Usage: media_server [OPTIONS] [DIR]

  DIR                   the folder (default: testdata/media); files whose names end in
                        .264 .h264 .265 .h265 .hevc .m1v .m2v .mpv .mjpeg .mjpg .aac .mp3 .mp2
                        .ac3 .eac3 .amr .awb .g722 .wav .ts .m2ts .mpg .mpeg .vob .mkv .webm
                        .mp4 .m4v .m4a .mov .3gp .ogg .oga .opus .ivf .obu
  --bind ADDR           listen on this address only (default: all)
  --port N              listen on this port (default: 8554; 0: any)
  --reuse-first-source  all clients of a file share one stream
  --loop                begin anew at the end; with --reuse-first-source a file is one live
                        stream for all
  --follow [SECONDS]    wait at the end of a fragmented MP4 file, which is still being written, for
                        more, until nothing has come for so long (default: 10)
  --fast-start MODE     what a newcomer to such a stream of video gets first: wait (nothing before
                        the next key frame, default), cache (all since the last key frame), off
                        (the next packet, whatever it is)
  --ts-tracks           offer the pictures and the sounds of transport streams, each as a track,
                        instead of the transport streams
  --session-timeout N   seconds after which a silent client's session ends, and a grace of as
                        many, 5 at most (default: 60)
  --no-gso              send UDP without the system's segmentation offload
  --shared-ports        send all UDP streams from one pair of ports
",
    support::server_help!(),
    "  --help                this text

Ctrl-C ends it: clients are told (RTCP BYE). RUST_LOG sets what is logged (default: info).
"
);

/// Seconds without more after which a file that is followed is complete.
const FOLLOWED_FOR: u64 = 10;

#[derive(Default)]
struct Options {
    listen: Listen,
    tls: Tls,
    srtp: Srtp,
    access: Access,
    files: FileSessionOptions,
    config: ServerConfig,
    folder: Option<PathBuf>,
}

fn main() -> std::process::ExitCode {
    support::run("media_server", HELP, options, serve)
}

fn options(arguments: &mut Arguments) -> Result<Options, Stop> {
    let mut options = Options::default();
    while let Some(argument) = arguments.next(&mut options.listen)? {
        match argument.name() {
            Some(name) if options.tls.takes(name, arguments)? => {}
            Some(name) if options.srtp.takes(name, arguments)? => {}
            Some(name) if options.access.takes(name, arguments)? => {}
            Some(name) if support::takes_limit(&mut options.config, name, arguments)? => {}
            Some("--reuse-first-source") => options.files.reuse_first_source = true,
            Some(name @ "--fast-start") => {
                options.files.fast_start = support::fast_start(arguments, name)?;
            }
            Some(name @ "--follow") => {
                let seconds = arguments.number_if_any(name)?.unwrap_or(FOLLOWED_FOR);
                options.files.follow = Some(Duration::from_secs(seconds));
            }
            Some("--loop") => options.files.repeat = true,
            Some("--ts-tracks") => options.files.ts_tracks = true,
            Some(name @ "--session-timeout") => {
                let timeout = Duration::from_secs(arguments.number::<u32>(name)?.into());
                let pool = &mut options.config.pool;
                pool.timeout = timeout;
                pool.grace = pool.grace.min(timeout);
            }
            Some("--no-gso") => options.config.udp_segmentation = false,
            Some("--shared-ports") => options.config.udp_ports = UdpPorts::Shared { port: 0 },
            None if options.folder.is_none() => options.folder = Some(argument.into_value().into()),
            _ => return Err(argument.unexpected()),
        }
    }
    Ok(options)
}

fn serve(options: Options) -> Result<(), Failure> {
    let folder = options.folder.unwrap_or_else(|| "testdata/media".into());
    let provider = FolderProvider::new(&folder, options.files)
        .map_err(|e| format!("{}: {e}", folder.display()))?;
    let names = provider.names();
    let config = options.srtp.configured(options.config);
    let mut program = Program::new(config, options.listen)?;
    options.access.guard(&mut program)?;
    options.tls.listen(&mut program, options.listen)?;
    program.with(|server, _| server.set_session_provider(provider))?;
    for name in &names {
        program.print_url(name, "")?;
    }
    if names.is_empty() {
        log::warn!("{}: no media files", folder.display());
    }
    program.serve()
}
