//! Serves every known media file of a folder over RTSP, as live555's program of that name does.

mod support;

use riverrun::env::UsageEnvironment;
use riverrun::server::{FileSessionOptions, FolderProvider, RtspServer, ServerConfig};
use riverrun::{net, wire};
use std::error::Error;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

const HELP: &str = "\
Serves the media files of a folder over RTSP.

Usage: media_server [OPTIONS] [DIR]

  DIR                   the folder (default: testdata/media); files whose names end in
                        .264 .h264 .265 .h265 .aac .mp3 .mp2 .wav .ts .m2ts .mkv .webm
  --bind ADDR           listen on this address only (default: all, IPv4)
  --port N              listen on this port (default: 8554; 0: any)
  --reuse-first-source  all clients of a file share one stream
  --loop                begin anew at the end; with --reuse-first-source a file is one live
                        stream for all
  --max-sessions N      client sessions at once (default: 0, no limit)
  --shared-ports        send all UDP streams from one pair of ports
  --help                this text

Ctrl-C ends it: clients are told (RTCP BYE). RUST_LOG sets what is logged (default: info).
";

struct Options {
    bind: IpAddr,
    port: u16,
    files: FileSessionOptions,
    max_sessions: usize,
    shared_ports: bool,
    folder: PathBuf,
}

fn options() -> Result<Option<Options>, lexopt::Error> {
    use lexopt::prelude::*;
    let mut options = Options {
        bind: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        port: 8554,
        files: FileSessionOptions::default(),
        max_sessions: 0,
        shared_ports: false,
        folder: PathBuf::from("testdata/media"),
    };
    let mut folder = None;
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("bind") => options.bind = parser.value()?.parse()?,
            Long("port") => options.port = support::number("--port", &mut parser)?,
            Long("reuse-first-source") => options.files.reuse_first_source = true,
            Long("loop") => options.files.repeat = true,
            Long("max-sessions") => {
                options.max_sessions = support::number("--max-sessions", &mut parser)?;
            }
            Long("shared-ports") => options.shared_ports = true,
            Short('h') | Long("help") => return Ok(None),
            Value(value) if folder.is_none() => folder = Some(PathBuf::from(value)),
            other => return Err(other.unexpected()),
        }
    }
    if let Some(folder) = folder {
        options.folder = folder;
    }
    Ok(Some(options))
}

fn main() -> std::process::ExitCode {
    support::start_logging();
    let mut out = std::io::stdout();
    let result = match options() {
        Ok(Some(options)) => serve(&options, &mut out),
        Ok(None) => out.write_all(HELP.as_bytes()).map_err(Into::into),
        Err(e) => Err(format!("{e}\nTry --help.").into()),
    };
    match result {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(e) => {
            let _ = writeln!(std::io::stderr(), "media_server: {e}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn serve(options: &Options, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let provider = FolderProvider::new(&options.folder, options.files)
        .map_err(|e| format!("{}: {e}", options.folder.display()))?;
    if let Err(e) = net::raise_descriptor_limit() {
        log::warn!("the limit on descriptors stays as it is: {e}");
    }
    let mut env = UsageEnvironment::new()?;
    let mut config = ServerConfig::default();
    config.pool.max_sessions = options.max_sessions;
    if options.shared_ports {
        config.udp_ports = riverrun::server::UdpPorts::Shared { port: 0 };
    }
    let address = SocketAddr::new(options.bind, options.port);
    let server = RtspServer::new(&mut env, config, &[address])
        .map_err(|e| format!("cannot listen on {address}: {e}"))?;
    let names = provider.names();
    let addresses = env.with(server, |server, _| {
        server.set_session_provider(provider);
        server.local_addrs()
    });
    for local in addresses.unwrap_or_default() {
        for name in &names {
            writeln!(out, "{}", url(local, name))?;
        }
    }
    if names.is_empty() {
        log::warn!("{}: no media files", options.folder.display());
    }
    out.flush()?;
    let wake = env.create_event_trigger(|_, _| ());
    let stop = support::stop_on_signal(wake)?;
    env.do_event_loop(&stop)?;
    env.close(server);
    // What was sent at the end goes out.
    env.turn(Some(std::time::Duration::ZERO))?;
    Ok(())
}

fn url(local: SocketAddr, name: &str) -> String {
    let host = match local.ip() {
        ip if ip.is_unspecified() => net::own_address(ip.is_ipv6()),
        ip => ip,
    };
    let path: Vec<_> = name.split('/').map(wire::url::encode_segment).collect();
    format!("rtsp://{}/{}", SocketAddr::new(host, local.port()), path.join("/"))
}
