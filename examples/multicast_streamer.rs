//! Streams a file to a multicast group and describes it over RTSP, as live555's testH264VideoStreamer
//! and its siblings do.

mod support;

use riverrun::env::UsageEnvironment;
use riverrun::media::file::MediaFile;
use riverrun::net::{Groupsock, MulticastInterface, own_address};
use riverrun::server::{
    FileTrack, MulticastTrack, RtspServer, ServerConfig, ServerMediaSession, StreamId,
};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::{Arguments, Failure, Listen, Program, Stop};

const HELP: &str = "\
Streams a file to a multicast group, with RTCP, and describes it over RTSP.

Usage: multicast_streamer [OPTIONS] FILE

  FILE              any file that media_server serves; track 2 goes to the next pair of ports,
                    and so on
  --group ADDR      the group (default: a random one, of 239.255.0.0/16 or with --ssm of
                    232.0.0.0/8)
  --port N          RTP port of the first track, even (default: 18888); RTCP: the next
  --ttl N           routers that packets may pass (default: 1, this network only)
  --interface ADDR  send from the interface with this address (IPv6: of this index)
  --ssm             source-specific multicast (RFC 4607): receivers join group and source
  --loop            begin anew at the end (without it the program ends with the file)
  --name NAME       stream name (default: testStream)
  --bind ADDR       listen for RTSP on this address only (default: all)
  --rtsp-port N     listen for RTSP on this port (default: 8554; 0: any)
  --help            this text

Ctrl-C ends it: receivers are told (RTCP BYE). RUST_LOG sets what is logged (default: info).
";

/// How often it is looked whether the file is over.
const END_CHECK: Duration = Duration::from_millis(250);

struct Options {
    listen: Listen,
    file: PathBuf,
    group: Option<IpAddr>,
    port: u16,
    ttl: u8,
    interface: MulticastInterface,
    source_specific: bool,
    repeat: bool,
    name: String,
}

fn main() -> std::process::ExitCode {
    support::run("multicast_streamer", HELP, options, serve)
}

fn options(arguments: &mut Arguments) -> Result<Options, Stop> {
    let mut file = None;
    let mut options = Options {
        listen: Listen::with_port_option("--rtsp-port"),
        file: PathBuf::new(),
        group: None,
        port: 18888,
        ttl: 1,
        interface: MulticastInterface::Any,
        source_specific: false,
        repeat: false,
        name: "testStream".into(),
    };
    while let Some(argument) = arguments.next(&mut options.listen)? {
        match argument.name() {
            Some(name @ "--group") => {
                options.group = Some(arguments.parsed(name, "an IP address")?);
            }
            Some(name @ "--port") => options.port = arguments.number(name)?,
            Some(name @ "--ttl") => options.ttl = arguments.number(name)?,
            Some(name @ "--interface") => options.interface = arguments.interface(name)?,
            Some("--ssm") => options.source_specific = true,
            Some("--loop") => options.repeat = true,
            Some(name @ "--name") => options.name = arguments.parsed(name, "text")?,
            None if file.is_none() => file = Some(PathBuf::from(argument.into_value())),
            _ => return Err(argument.unexpected()),
        }
    }
    options.file = file.ok_or_else(|| support::wrong("FILE is missing"))?;
    if options.port % 2 != 0 || options.port == 0 {
        return Err(support::wrong("--port: RTP has an even port, RTCP the next"));
    }
    match options.group {
        Some(group) if !group.is_multicast() => {
            Err(support::wrong(format!("--group: {group} is not a multicast address")))
        }
        Some(group) if options.source_specific && !is_source_specific(group) => {
            let message = format!("--ssm: {group} is not in 232.0.0.0/8 or ff3x::/32");
            Err(support::wrong(message))
        }
        Some(group) => {
            options.source_specific |= is_source_specific(group);
            Ok(options)
        }
        None => Ok(options),
    }
}

/// The ranges that RFC 4607 section 1 sets aside.
const fn is_source_specific(group: IpAddr) -> bool {
    match group {
        IpAddr::V4(group) => group.octets()[0] == 232,
        IpAddr::V6(group) => group.segments()[0] & 0xfff0 == 0xff30 && group.segments()[1] == 0,
    }
}

/// A group of the range for use within a site (RFC 2365), or for source-specific multicast.
fn random_group(env: &mut UsageEnvironment, source_specific: bool) -> IpAddr {
    let [_, a, b, c] = env.random_u32().to_be_bytes();
    // 232.0.0.0/24 is reserved, and 239.255.x.0 is easily taken for a network.
    let group = if source_specific { [232, a, b.max(1), c] } else { [239, 255, b, c.max(1)] };
    Ipv4Addr::from(group).into()
}

fn serve(options: Options) -> Result<(), Failure> {
    let file = support::probe_file(&options.file)?;
    let mut program = Program::new(ServerConfig::unlimited(), options.listen)?;
    let (group, streams) = program.with(|server, env| start(server, env, &file, &options))??;
    let first = SocketAddr::new(group, options.port);
    let about = format!("  ({} to {first}, ttl {})", options.file.display(), options.ttl);
    program.print_url(&options.name, about)?;
    if !options.repeat {
        let stop = Arc::clone(&program.stop);
        let server = program.server;
        end_with_streams(&mut program.env, server, streams, stop);
    }
    program.serve()
}

/// Starts a stream a track, and adds the media session that describes them.
fn start(
    server: &mut RtspServer,
    env: &mut UsageEnvironment,
    file: &Arc<dyn MediaFile>,
    options: &Options,
) -> Result<(IpAddr, Vec<StreamId>), Failure> {
    let group = options.group.unwrap_or_else(|| random_group(env, options.source_specific));
    let source = options.source_specific.then(|| match options.interface {
        MulticastInterface::Address(address) => address.into(),
        _ => own_address(group.is_ipv6()),
    });
    let mut tracks = Vec::new();
    for track in 0..file.tracks().len() {
        let pair = u16::try_from(2 * track).ok();
        let port = pair.and_then(|pair| options.port.checked_add(pair)?.checked_add(1));
        let port = port.ok_or("there are not enough ports above --port")?;
        let open = |env: &mut _, port| {
            let to = SocketAddr::new(group, port);
            Groupsock::open(env, to, options.ttl, options.interface, source)
                .map_err(|e| format!("cannot send to {to}: {e}"))
        };
        let (rtp, mut rtcp) = (open(env, port - 1)?, open(env, port)?);
        if source.is_none() {
            // To hear the receivers' reports. Those of a source-specific group come to us alone.
            rtcp.join(env).map_err(|e| format!("cannot join {group}: {e}"))?;
        }
        let factory = FileTrack::new(Arc::clone(file), track).with_repeat(options.repeat);
        tracks.push(MulticastTrack::new(factory, rtp, rtcp));
    }
    let mut session = ServerMediaSession::new(
        &options.name,
        &support::file_name(&options.file),
        "Multicast session streamed by riverrun",
    );
    if let Some(source) = source {
        session = session.with_source_specific_multicast(source);
    }
    let mut streams = Vec::new();
    for subsession in server.add_multicast_streams(env, tracks)? {
        streams.push(subsession.stream());
        session.add_subsession(subsession)?;
    }
    server.add_server_media_session(env, session)?;
    Ok((group, streams))
}

/// Ends the program when all streams have ended.
fn end_with_streams(
    env: &mut UsageEnvironment,
    server: riverrun::env::MediumId<RtspServer>,
    streams: Vec<StreamId>,
    stop: Arc<AtomicBool>,
) {
    env.schedule_delayed_task(END_CHECK, move |env| {
        let ended = env.medium(server).is_none_or(|server| {
            streams.iter().all(|&id| server.stream(id).is_none_or(|s| s.has_ended()))
        });
        if ended {
            log::info!("the file is over");
            stop.store(true, Ordering::Relaxed);
        } else {
            end_with_streams(env, server, streams, stop);
        }
    });
}
