//! Loads an RTSP server with many clients, and says how well it serves them and what that costs.

#[path = "support/load.rs"]
mod load;
#[path = "support/load_report.rs"]
mod load_report;
mod support;

use load::{Load, Plan, Window};
use riverrun::client::{PlayerConfig, ReconnectPolicy, TransportPolicy};
use riverrun::env::UsageEnvironment;
use riverrun::net::raise_descriptor_limit;
use riverrun::wire::auth::UserCredentials;
use std::io::{IsTerminal, Write, stderr, stdout};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use support::process::{Usage, own_time};
use support::{Arguments, Failure, Stop};

const HELP: &str = "\
Plays RTSP URLs with many clients at once, and prints what they got and what it cost.

Usage: rtsp_load [OPTIONS] URL...

  --clients N            clients; they take the URLs in turn (default: 1)
  --transport WAY        udp, tcp, or auto: UDP, and TCP where that fails (default: udp)
  --rate N               clients that begin in a second (default: 500)
  --seconds S            time that is measured (default: 10)
  --warm-up S            time before that, when all play (default: 2)
  --patience S           longest time until all play (default: 20)
  --churn                each client plays and leaves, from OPTIONS to TEARDOWN, over and over
  -u USER SECRET         name and password (or in the URL, percent-encoded)
  --ca FILE              of rtsps servers, trust those that an authority in this PEM file knows
                         (default: those that an authority knows that the system trusts)
  --fingerprint SHA256   trust only the server with this certificate
  --insecure             trust any server: who sits on the way can read and change everything
  --pid PID              also what the process of the server uses (Linux)
  --json                 the figures as one JSON object
  --help                 this text

A client is up while it plays, and silent if it is up and nothing comes. \"late\" is how much later a
frame is complete than the earliest of its stream was, by its time. \"first_packet\" is the time from
PLAY to the first packet. \"load\" is this program. Ctrl-C ends it with the figures so far.

It ends with status 1 if a client has failed, is not up, or was silent.
";

/// Time between two looks at the counters of all clients.
const LOOK: Duration = Duration::from_secs(1);

struct Options {
    plan: Plan,
    measured: Duration,
    warm_up: Duration,
    json: bool,
}

fn main() -> std::process::ExitCode {
    support::run("rtsp_load", HELP, options, measure)
}

fn options(arguments: &mut Arguments) -> Result<Options, Stop> {
    let mut config = PlayerConfig::default();
    config.transport = TransportPolicy::Udp;
    config.reconnect = ReconnectPolicy::never();
    let seconds = Duration::from_secs;
    let (measured, warm_up, patience) = (seconds(10), seconds(2), seconds(20));
    let (urls, clients, rate) = (Vec::new(), 1, 500.0);
    let plan = Plan { urls, config, clients, rate, patience, churn: false, pid: None };
    let mut options = Options { plan, measured, warm_up, json: false };
    let plan = &mut options.plan;
    while let Some(argument) = arguments.next_of_client()? {
        match argument.name() {
            Some("--clients") => plan.clients = arguments.number("--clients")?,
            Some("--transport") => {
                plan.config.transport = match arguments.value()?.to_str() {
                    Some("udp") => TransportPolicy::Udp,
                    Some("tcp") => TransportPolicy::Tcp,
                    Some("auto") => TransportPolicy::Auto,
                    _ => return Err(support::wrong("--transport: udp, tcp or auto")),
                }
            }
            Some("--rate") => plan.rate = arguments.number("--rate")?,
            Some("--seconds") => options.measured = arguments.seconds("--seconds")?,
            Some("--warm-up") => options.warm_up = arguments.seconds("--warm-up")?,
            Some("--patience") => plan.patience = arguments.seconds("--patience")?,
            Some("--churn") => plan.churn = true,
            Some("-u") => {
                let user: String = arguments.parsed("-u", "text")?;
                let secret: String = arguments.parsed("-u", "text")?;
                plan.config.client.credentials = Some(UserCredentials::new(user, secret));
            }
            Some("--pid") => plan.pid = Some(arguments.number("--pid")?),
            Some("--json") => options.json = true,
            Some(name) if support::takes_trust(&mut plan.config.client, name, arguments)? => {}
            None => plan.urls.push(argument.into_value().to_string_lossy().into_owned()),
            _ => return Err(argument.unexpected()),
        }
    }
    match () {
        () if plan.urls.is_empty() => Err(support::wrong("URL is missing")),
        () if plan.clients == 0 => Err(support::wrong("--clients: at least 1")),
        () if !plan.rate.is_normal() || plan.rate < 0.0 => {
            Err(support::wrong("--rate: more than 0"))
        }
        () if plan.pid.is_some_and(|pid| Usage::of(pid).is_none()) => {
            Err(support::wrong("--pid: there is no such process"))
        }
        () => Ok(options),
    }
}

fn measure(options: Options) -> Result<(), Failure> {
    if let Err(e) = raise_descriptor_limit() {
        log::warn!("the limit on descriptors stays as it is: {e}");
    }
    let mut env = UsageEnvironment::new()?;
    let stop = support::stop_on_signal(&mut env)?;
    let shows_progress = stderr().is_terminal();
    let idle = options.plan.pid.and_then(Usage::of);
    let mut load = Load::new(options.plan, env);
    let mut window = Window { since: load.began(), own: own_time(), server: idle };
    let (mut all_up, mut measured_from, mut looked) =
        (None::<Instant>, None::<Instant>, load.began());
    while !stop.load(Ordering::Relaxed) {
        let is_ramp = load.start_due()?;
        load.turn(Duration::from_millis(if is_ramp { 1 } else { 20 }))?;
        let now = Instant::now();
        if now >= looked + LOOK {
            looked = now;
            load.look()?;
            if shows_progress {
                write!(stderr(), "\r{}\x1B[K", load.progress())?;
            }
        }
        if load.is_over() || measured_from.is_some_and(|at| at.elapsed() >= options.measured) {
            break;
        }
        if all_up.is_none() && load.is_settled(is_ramp) {
            all_up = Some(now);
        }
        if measured_from.is_none() && all_up.is_some_and(|at| at.elapsed() >= options.warm_up) {
            window = load.begin_window()?;
            measured_from = Some(now);
        }
    }
    let report = load.report(&window, idle)?;
    if shows_progress {
        write!(stderr(), "\r\x1B[K")?;
    }
    let figures = report.figures();
    writeln!(stdout(), "{}", if options.json { figures.json() } else { figures.text() })?;
    load.end()?;
    report.verdict()
}
