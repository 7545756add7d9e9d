//! Plays RTSP presentations and prints a line for each frame: the first program to read.

mod support;

use riverrun::client::{Player, PlayerConfig, PlayerEvent, TransportPolicy};
use riverrun::env::UsageEnvironment;
use std::cell::Cell;
use std::io::{Write, stdout};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use support::{Arguments, Failure, Stop};

const HELP: &str = "\
Plays RTSP presentations and prints a line for each frame: the URL, the number of the track, the
time, the size, and whether decoding can start there.

Usage: rtsp_client [OPTIONS] URL...      rtsp://user:password@host/path, percent-encoded

  --tcp        receive over the RTSP connection (default: over UDP, and TCP where that fails)
  --udp        receive over UDP alone
  --multicast  receive from the group that the server sends to
  --ca FILE    of rtsps servers, trust those that an authority in this PEM file knows (default:
               those that an authority knows that the system trusts)
  --fingerprint SHA256  trust only the server with this certificate
  --insecure   trust any server: who sits on the way can read and change everything
  --help       this text

What is lost is connected to again. Ctrl-C ends it. RUST_LOG sets what is logged (default: info).
";

fn main() -> std::process::ExitCode {
    support::run("rtsp_client", HELP, options, play)
}

fn options(arguments: &mut Arguments) -> Result<(PlayerConfig, Vec<String>), Stop> {
    let (mut config, mut urls) = (PlayerConfig::default(), Vec::new());
    while let Some(argument) = arguments.next_of_client()? {
        match argument.name() {
            Some("--tcp") => config.transport = TransportPolicy::Tcp,
            Some("--udp") => config.transport = TransportPolicy::Udp,
            Some("--multicast") => config.transport = TransportPolicy::Multicast,
            Some(name) if support::takes_trust(&mut config.client, name, arguments)? => {}
            None => urls.push(argument.into_value().to_string_lossy().into_owned()),
            _ => return Err(argument.unexpected()),
        }
    }
    if urls.is_empty() { Err(support::wrong("URL is missing")) } else { Ok((config, urls)) }
}

fn play((config, urls): (PlayerConfig, Vec<String>)) -> Result<(), Failure> {
    let mut env = UsageEnvironment::new()?;
    let stop = support::stop_on_signal(&mut env)?;
    let playing = Rc::new(Cell::new(urls.len()));
    let mut players = Vec::new();
    for url in urls {
        // Without the password that may stand in it.
        let name = url.rsplit('@').next().unwrap_or_default().to_owned();
        let (playing, stop, wrong) = (Rc::clone(&playing), Arc::clone(&stop), name.clone());
        let handler = move |_: &mut UsageEnvironment, event: PlayerEvent<'_>| {
            let told = match event {
                PlayerEvent::Frame { track, frame } => {
                    let key = if frame.key { " key" } else { "" };
                    format!("{track} {:.3?} {} bytes{key}", frame.pts, frame.data.len())
                }
                PlayerEvent::Described(media) => {
                    let names = media.subsessions.iter().map(|s| &*s.format.encoding_name);
                    format!("tracks: {}", names.collect::<Vec<_>>().join(", "))
                }
                PlayerEvent::Playing { transport, .. } => format!("plays over {transport}"),
                PlayerEvent::Lost(why) => format!("lost: {why}"),
                PlayerEvent::Reconnecting { delay, .. } => format!("again in {delay:.1?}"),
                PlayerEvent::Ended(why) => {
                    playing.set(playing.get() - 1);
                    stop.fetch_or(playing.get() == 0, Ordering::Relaxed);
                    format!("ended: {why}")
                }
                _ => return,
            };
            if writeln!(stdout(), "{name} {told}").is_err() {
                stop.store(true, Ordering::Relaxed); // nobody reads any more
            }
        };
        let player = Player::open(&mut env, &url, config.clone(), handler);
        players.push(player.map_err(|e| format!("{wrong}: {e}"))?);
    }
    env.do_event_loop(&stop)?;
    for player in players {
        env.close(player); // TEARDOWN
    }
    Ok(())
}
