//! Pulls streams from other RTSP servers and serves them: one connection to a camera, any number of
//! viewers. The options are those of live555ProxyServer where they mean the same.

mod support;

use riverrun::client::{Player, PlayerConfig, TransportPolicy};
use riverrun::env::{MediumId, UsageEnvironment};
use riverrun::relay::{ProxyConfig, ProxyEvent, ProxyServerMediaSession, Pull};
use riverrun::server::{RelayedStreamOptions, ServerConfig};
use riverrun::wire::auth::UserCredentials;
use std::time::Duration;
use support::{Access, Arguments, Failure, Listen, Program, Srtp, Stop, Tls, wrong};

const HELP: &str = "\
Pulls streams from other RTSP servers and serves them, each from one connection to its source.

Usage: proxy_server [OPTIONS] URL...

  URL            rtsp, rtsps, or rtsph for an HTTP tunnel; may have credentials:
                 rtsp://USER:SECRET@host/path, percent-encoded
  --name NAME    serve the URL that follows under this name (default: proxyStream for the only URL,
                 proxyStream-1, proxyStream-2 and so on for several)
  -e PREFIX      the same with another word in place of proxyStream

How sources are pulled (default: over UDP, and over TCP where that does not work)
  -t             over the RTSP connection
  -T PORT        RTSP and media through an HTTP tunnel at this port
  --udp          over UDP alone
  -u USER SECRET name and password for sources whose URL has none
  -D SECONDS     take a source for lost when a track has been silent for so long (default: 10)
  --ca FILE, --fingerprint SHA256 or --insecure
                 which rtsps servers are trusted, as in rtsp_client
  --always       with or without viewers (default: from the first viewer on)
  --close-after SECONDS
                 until the last viewer has been gone for so long (default: 10)
  --keep-warm    from the first viewer on without end
  --back-channel CODEC
                 let viewers talk to sources (ONVIF back channel), one at a time to each: pcmu, pcma,
                 l16 (16 kHz) or aac (16 kHz), which the source must take. It is asked, over another
                 connection, when somebody talks (default: viewers cannot talk)

How they are served
  -p PORT        listen on this port (default: 8554; 0: any)
  --bind ADDR    listen on this address only (default: all)
  --kept-for SECONDS
                 keep viewers for so long while a source is away (default: 60)
  -C USER SECRET let in only viewers who give this name and password (Digest)
  --users FILE, --realm NAME
                 let in only the users of this file, as media_server does
  --tls-cert FILE, --tls-key FILE, --tls-port N, --srtp MODE, --srtp-mki N, --srtp-keys-in-the-clear,
  --max-sessions N, --max-connections N, --max-per-address N, --max-streams N, --max-buffered BYTES
                 as in media_server

What is told on standard error
  -v             each attempt to open a source, and what it describes
  -V             that, and what has arrived of each track every 10 seconds
  --help or -h   this text

The options -R and -U of live555ProxyServer are refused: streams that others REGISTER are not taken.

Ctrl-C ends it: viewers are told (RTCP BYE), and sources (TEARDOWN). RUST_LOG sets what is logged
(default: info).
";

/// Time between two reports on the tracks.
const REPORTS: Duration = Duration::from_secs(10);

struct Options {
    listen: Listen,
    tls: Tls,
    srtp: Srtp,
    access: Access,
    /// The one user who is let in.
    viewer: Option<(String, String)>,
    config: ServerConfig,
    proxy: ProxyConfig,
    /// How long viewers stay without the source.
    kept_for: Option<Duration>,
    prefix: String,
    sources: Vec<(Option<String>, String)>,
    verbosity: Verbosity,
}

/// What is told of the sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verbosity {
    Life,
    Attempts,
    Tracks,
}

fn main() -> std::process::ExitCode {
    support::run("proxy_server", HELP, options, serve)
}

fn options(arguments: &mut Arguments) -> Result<Options, Stop> {
    let mut options = Options {
        listen: Listen::with_port_option("-p"),
        tls: Tls::default(),
        srtp: Srtp::default(),
        access: Access::default(),
        viewer: None,
        config: ServerConfig::default(),
        proxy: ProxyConfig::default(),
        kept_for: None,
        prefix: "proxyStream".to_owned(),
        sources: Vec::new(),
        verbosity: Verbosity::Life,
    };
    let (mut name, mut users) = (None, false);
    // Options that exclude each other, as they are given.
    let (mut transports, mut pulls) = (Vec::new(), Vec::new());
    while let Some(argument) = arguments.next(&mut options.listen)? {
        let player = &mut options.proxy.player;
        match argument.name() {
            Some("-t") => transports.push(TransportPolicy::Tcp),
            Some("--udp") => transports.push(TransportPolicy::Udp),
            Some("-T") => {
                player.client.http_tunnel_port = Some(arguments.number("-T")?);
                transports.push(TransportPolicy::Tcp);
            }
            Some("-u") => {
                let (user, secret) = user_and_secret(arguments, "-u")?;
                player.client.credentials = Some(UserCredentials::new(user, secret));
            }
            Some("-D") => player.stall_timeout = arguments.seconds("-D")?,
            Some("--always") => pulls.push(Pull::Always),
            Some(name @ "--close-after") => {
                pulls.push(Pull::OnDemand { close_after: Some(arguments.seconds(name)?) });
            }
            Some("--keep-warm") => pulls.push(Pull::OnDemand { close_after: None }),
            Some(name @ "--kept-for") => {
                options.kept_for = Some(arguments.seconds(name)?);
            }
            Some(name @ "--back-channel") => {
                options.proxy.back_channel = Some(support::talk::of_source(arguments, name)?);
            }
            Some(option @ "-C") => {
                options.viewer = Some(user_and_secret(arguments, option)?);
                support::access::is_built_in(option)?;
            }
            Some("-e") => options.prefix = arguments.parsed("-e", "text")?,
            Some("--name") => {
                let value: String = arguments.parsed("--name", "text")?;
                if name.replace(value).is_some() {
                    return Err(wrong("--name: no URL follows"));
                }
            }
            Some("-v") => options.verbosity = options.verbosity.max(Verbosity::Attempts),
            Some("-V") => options.verbosity = Verbosity::Tracks,
            Some(option @ ("-R" | "-U")) => {
                let why = "streams that others REGISTER are not taken: give their URLs";
                return Err(wrong(format!("{option}: {why}")));
            }
            Some(option) if support::takes_trust(&mut player.client, option, arguments)? => {}
            Some(option) if options.tls.takes(option, arguments)? => {}
            Some(option) if options.srtp.takes(option, arguments)? => {}
            Some(option) if options.access.takes(option, arguments)? => users = true,
            Some(option) if support::takes_limit(&mut options.config, option, arguments)? => {}
            None => {
                let url = argument.into_value().to_string_lossy().into_owned();
                options.sources.push((name.take(), url));
            }
            Some(_) => return Err(argument.unexpected()),
        }
    }
    if name.is_some() {
        return Err(wrong("--name: no URL follows"));
    }
    if options.sources.is_empty() {
        return Err(wrong("no URL"));
    }
    if transports.len() > 1 || pulls.len() > 1 {
        let which = if pulls.len() > 1 {
            "the options --always, --close-after and --keep-warm"
        } else {
            "-t, -T and --udp"
        };
        return Err(wrong(format!("{which} exclude each other")));
    }
    if users && options.viewer.is_some() {
        return Err(wrong("-C and --users exclude each other"));
    }
    if let Some(policy) = transports.pop() {
        options.proxy.player.transport = policy;
    }
    if let Some(pull) = pulls.pop() {
        options.proxy.pull = pull;
    }
    Ok(options)
}

fn user_and_secret(arguments: &mut Arguments, option: &str) -> Result<(String, String), Stop> {
    Ok((arguments.parsed(option, "text")?, arguments.parsed(option, "text")?))
}

fn serve(options: Options) -> Result<(), Failure> {
    let Options { listen, proxy, kept_for, prefix, sources, verbosity, .. } = options;
    check(&proxy.player)?;
    let mut program = Program::new(options.srtp.configured(options.config), listen)?;
    match options.viewer {
        None => options.access.guard(&mut program)?,
        Some((name, secret)) => {
            support::users::let_in_one(&mut program, &name, &secret)?;
        }
    }
    options.tls.listen(&mut program, listen)?;
    let several = sources.len() > 1;
    for (number, (name, url)) in (1..).zip(sources) {
        let name = name
            .unwrap_or_else(|| if several { format!("{prefix}-{number}") } else { prefix.clone() });
        let mut stream = RelayedStreamOptions::new(&name);
        if let Some(time) = kept_for {
            stream = stream.with_kept_for(time);
        }
        let of = name.clone();
        let (env, server) = (&mut program.env, program.server);
        let opened = ProxyServerMediaSession::open(
            env,
            server,
            stream,
            &url,
            proxy.clone(),
            move |_, event| tell(&of, &event, verbosity),
        );
        // The URL may have a password.
        let session = opened.map_err(|e| format!("the URL of {name}: {e}"))?;
        if verbosity == Verbosity::Tracks {
            report_later(env, session);
        }
        program.print_url(&name, "")?;
    }
    program.serve()
}

/// Finds out what is wrong before anything is opened.
fn check(config: &PlayerConfig) -> Result<(), Failure> {
    Ok(config.check()?)
}

fn tell(name: &str, event: &ProxyEvent<'_>, verbosity: Verbosity) {
    let is_attempt = matches!(
        event,
        ProxyEvent::Opening
            | ProxyEvent::Described(_)
            | ProxyEvent::Ready { .. }
            | ProxyEvent::Retrying { .. }
    );
    match event {
        ProxyEvent::Lost(_) | ProxyEvent::Failed(_) | ProxyEvent::Unusable(_) => {
            log::warn!("{name}: {event}");
        }
        _ if is_attempt && verbosity < Verbosity::Attempts => {}
        _ => log::info!("{name}: {event}"),
    }
}

/// Tells every few seconds what has arrived.
fn report_later(env: &mut UsageEnvironment, session: MediumId<ProxyServerMediaSession>) {
    env.schedule_delayed_task(REPORTS, move |env| {
        let Some(of) = env.medium(session) else { return };
        if let Some(player) = of.player().and_then(|player| env.medium(player)) {
            report(of.name(), player);
        }
        report_later(env, session);
    });
}

fn report(name: &str, player: &Player) {
    for track in player.tracks() {
        let source = track.receiver.source();
        let (counters, reception) = (source.counters(), source.reception());
        log::info!(
            "{name}: track {} over {}: {} packets, {} bytes, {} missing, jitter {:.1} ms",
            track.number,
            track.transport,
            counters.packets,
            counters.octets,
            counters.missing,
            reception.jitter.as_secs_f64() * 1000.0
        );
    }
}
