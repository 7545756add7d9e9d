//! What the programs share: arguments, logging, opening and running a server, its end on a signal.
#![allow(dead_code, unused_imports, unused_macros)] // not every program uses all of it

pub(crate) mod access;
pub(crate) mod figures;
mod help;
pub(crate) mod process;
mod srtp;
pub(crate) mod talk;
mod tls;
#[cfg_attr(not(feature = "access"), path = "no_users.rs")]
pub(crate) mod users;

pub(crate) use access::Access;
pub(crate) use help::server_help;
pub(crate) use srtp::Srtp;
pub(crate) use tls::{Tls, takes_trust};

use riverrun::env::{MediumId, UsageEnvironment};
use riverrun::media::file::{MediaFile, ProbePoll, probe};
use riverrun::net::MulticastInterface;
use riverrun::server::{FastStart, RtspServer, ServerConfig};
use riverrun::{net, wire};
use std::error::Error;
use std::ffi::OsString;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::process::{ExitCode, Termination};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use std::{fmt, io};

/// Why a program does not go on, as its user is told.
pub(crate) type Failure = Box<dyn Error>;

/// Bytes of a file that are looked at in one step of a probe.
const PROBE_STEP: usize = 1 << 20;

/// The whole of a program: reads its arguments, runs it, says on standard error what went wrong.
/// What the program returns is its exit status.
pub(crate) fn run<O, T: Termination>(
    name: &str,
    help: &str,
    options: impl FnOnce(&mut Arguments) -> Result<O, Stop>,
    program: impl FnOnce(O) -> Result<T, Failure>,
) -> ExitCode {
    start_logging();
    let result = match options(&mut Arguments(lexopt::Parser::from_env())) {
        Ok(options) => program(options).map(Termination::report),
        Err(Stop::Help) => {
            let told = io::stdout().write_all(help.as_bytes());
            told.map(Termination::report).map_err(Into::into)
        }
        Err(Stop::Wrong(e)) => Err(format!("{e}\nTry --help.").into()),
    };
    match result {
        Ok(status) => status,
        Err(e) => {
            // Where standard error is closed there is nobody left to tell.
            let _ = writeln!(io::stderr(), "{name}: {e}");
            ExitCode::FAILURE
        }
    }
}

/// Logs to standard error: sessions and warnings, or what `RUST_LOG` says.
fn start_logging() {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info"))
        .format_timestamp_millis()
        .init();
}

// Arguments

/// Why arguments do not become options.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The help text is asked for.
    Help,
    /// They are wrong.
    Wrong(lexopt::Error),
}

impl From<lexopt::Error> for Stop {
    fn from(e: lexopt::Error) -> Self {
        Self::Wrong(e)
    }
}

/// The arguments of the program, one after the other.
#[derive(Debug)]
pub(crate) struct Arguments(lexopt::Parser);

/// One of them.
#[derive(Debug)]
pub(crate) enum Argument {
    /// An option, with its dashes.
    Option(String),
    /// No option.
    Value(OsString),
}

impl Argument {
    /// The option's name.
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Option(name) => Some(name),
            Self::Value(_) => None,
        }
    }

    /// Its text.
    pub(crate) fn into_value(self) -> OsString {
        match self {
            Self::Option(name) => name.into(),
            Self::Value(value) => value,
        }
    }

    /// It should not be here.
    pub(crate) fn unexpected(self) -> Stop {
        Stop::Wrong(match self {
            Self::Option(name) => lexopt::Error::UnexpectedOption(name),
            Self::Value(value) => lexopt::Error::UnexpectedArgument(value),
        })
    }
}

impl Arguments {
    /// The next argument that is not of those that all servers have, which are dealt with here.
    pub(crate) fn next(&mut self, listen: &mut Listen) -> Result<Option<Argument>, Stop> {
        loop {
            let argument = self.next_of_client()?;
            match argument.as_ref().and_then(Argument::name) {
                Some("--bind") => listen.bind = Some(self.host("--bind")?),
                Some(port) if port == listen.port_option => {
                    listen.port = self.number(listen.port_option)?;
                }
                _ => return Ok(argument),
            }
        }
    }

    /// The next argument but `--help`, of a program that does not listen.
    pub(crate) fn next_of_client(&mut self) -> Result<Option<Argument>, Stop> {
        let name = match self.0.next()? {
            None => return Ok(None),
            Some(lexopt::Arg::Value(value)) => return Ok(Some(Argument::Value(value))),
            Some(lexopt::Arg::Long(name)) => format!("--{name}"),
            Some(lexopt::Arg::Short(name)) => format!("-{name}"),
        };
        let is_help = matches!(name.as_str(), "--help" | "-h");
        if is_help { Err(Stop::Help) } else { Ok(Some(Argument::Option(name))) }
    }

    /// The value of an option.
    pub(crate) fn value(&mut self) -> Result<OsString, Stop> {
        Ok(self.0.value()?)
    }

    /// The value of an option as the address of a host; that of an IPv6 link may have its scope.
    fn host(&mut self, option: &str) -> Result<SocketAddr, Stop> {
        let value = self.0.value()?;
        let host = value.to_str().and_then(|text| match text.parse::<IpAddr>() {
            Ok(ip) => Some(SocketAddr::new(ip, 0)),
            // `fe80::1%eth0`: the system knows the number of the interface.
            Err(_) if text.contains('%') => (text, 0).to_socket_addrs().ok()?.next(),
            Err(_) => None,
        });
        host.ok_or_else(|| wrong(format!("{option}: {value:?} is not an IP address")))
    }

    /// The value of an option as a number.
    pub(crate) fn number<T: FromStr>(&mut self, option: &str) -> Result<T, Stop> {
        self.parsed(option, "a number in range")
    }

    /// The argument behind an option, if it is a number in digits: its value.
    pub(crate) fn number_if_any<T: FromStr>(&mut self, option: &str) -> Result<Option<T>, Stop> {
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let value = match self.0.optional_value() {
            Some(value) => Some(value),
            None => {
                let rest = self.0.try_raw_args();
                rest.and_then(|mut rest| rest.next_if(|text| text.to_str().is_some_and(is_number)))
            }
        };
        let Some(value) = value else { return Ok(None) };
        let number = value.to_str().and_then(|text| text.parse().ok());
        let wrong = || wrong(format!("{option}: {value:?} is not a number in range"));
        number.map(Some).ok_or_else(wrong)
    }

    /// The value of an option in seconds, with a fraction.
    pub(crate) fn seconds(&mut self, option: &str) -> Result<Duration, Stop> {
        let seconds: f64 = self.parsed(option, "a number of seconds")?;
        Duration::try_from_secs_f64(seconds).map_err(|e| wrong(format!("{option}: {seconds}: {e}")))
    }

    /// The value of an option as the IPv4 address, or the index, of an interface.
    pub(crate) fn interface(&mut self, option: &str) -> Result<MulticastInterface, Stop> {
        let value = self.0.value()?;
        let text = value.to_str().unwrap_or_default();
        let by_address = text.parse().map(MulticastInterface::Address).ok();
        let by_index = || text.parse().map(MulticastInterface::Index).ok();
        let wrong = || wrong(format!("{option}: {value:?} is not an IPv4 address or an index"));
        by_address.or_else(by_index).ok_or_else(wrong)
    }

    /// The value of an option, which is `what`.
    pub(crate) fn parsed<T: FromStr>(&mut self, option: &str, what: &str) -> Result<T, Stop> {
        let value = self.0.value()?;
        let parsed = value.to_str().and_then(|text| text.parse().ok());
        parsed.ok_or_else(|| wrong(format!("{option}: {value:?} is not {what}")))
    }
}

/// Takes an option and its value, if it is one of a server's limits.
pub(crate) fn takes_limit(
    config: &mut ServerConfig,
    name: &str,
    arguments: &mut Arguments,
) -> Result<bool, Stop> {
    match name {
        "--max-sessions" => config.pool.max_sessions = arguments.number(name)?,
        "--max-connections" => config.max_connections = arguments.number(name)?,
        "--max-per-address" => {
            config.max_connections_per_peer = arguments.number(name)?;
            config.pool.max_sessions_per_peer = config.max_connections_per_peer;
        }
        "--max-streams" => config.max_streams = arguments.number(name)?,
        "--max-buffered" => config.max_buffered = arguments.number(name)?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// Arguments that contradict each other or lack something.
pub(crate) fn wrong(message: impl Into<String>) -> Stop {
    Stop::Wrong(message.into().into())
}

/// The value of an option that says what a newcomer to a shared stream gets first.
pub(crate) fn fast_start(arguments: &mut Arguments, option: &str) -> Result<FastStart, Stop> {
    match arguments.value()?.to_str() {
        Some("wait") => Ok(FastStart::WaitForKeyFrame),
        Some("cache") => Ok(FastStart::KeyFrameCache),
        Some("off") => Ok(FastStart::Off),
        _ => Err(wrong(format!("{option}: wait, cache or off"))),
    }
}

// The server

/// Where the RTSP server listens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listen {
    /// The one address; `None` for all, of both families.
    bind: Option<SocketAddr>,
    port: u16,
    port_option: &'static str,
}

impl Default for Listen {
    fn default() -> Self {
        Self::with_port_option("--port")
    }
}

impl Listen {
    /// At port 8554 of all addresses, or the port that this option says.
    pub(crate) const fn with_port_option(port_option: &'static str) -> Self {
        Self { bind: None, port: 8554, port_option }
    }

    /// The same with another port, if none is asked for.
    pub(crate) const fn at_port(self, port: u16) -> Self {
        Self { port, ..self }
    }

    /// The one address, of IPv4 if none is asked for.
    pub(crate) fn address(self) -> SocketAddr {
        let any = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), self.port);
        self.bind.map_or(any, |host| net::with_port(host, self.port))
    }

    /// All addresses to listen at beside those at which a server listens already.
    fn addresses(self, program: &mut Program) -> Result<Vec<SocketAddr>, Failure> {
        if self.bind.is_some() {
            return Ok(vec![self.address()]);
        }
        let mut addresses = program.with(|server, _| server.local_addrs())?;
        addresses.iter_mut().for_each(|address| address.set_port(self.port));
        Ok(addresses)
    }

    /// Makes a server that listens there. A host without IPv6 is served over IPv4 alone.
    fn open(
        self,
        env: &mut UsageEnvironment,
        config: ServerConfig,
    ) -> Result<MediumId<RtspServer>, Failure> {
        let any_v4 = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), self.port);
        let any_v6 = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), self.port);
        let mut listen = |addresses: &[SocketAddr]| RtspServer::new(env, config.clone(), addresses);
        let (result, wanted) = match self.bind {
            Some(host) => {
                let address = net::with_port(host, self.port);
                (listen(&[address]), address.to_string())
            }
            None => {
                let both = match listen(&[any_v4, any_v6]) {
                    Err(riverrun::Error::Io(e)) if has_no_ipv6(&e) => {
                        log::info!("no IPv6 on this host: {e}");
                        listen(&[any_v4])
                    }
                    result => result,
                };
                (both, format!("port {}", self.port))
            }
        };
        Ok(result.map_err(|e| format!("cannot listen on {wanted}: {e}"))?)
    }
}

/// Whether a socket cannot be had because the system has no IPv6, or has it switched off.
pub(crate) fn has_no_ipv6(e: &io::Error) -> bool {
    // EAFNOSUPPORT has no kind of its own.
    e.kind() == io::ErrorKind::AddrNotAvailable
        || e.raw_os_error() == Some(nix::errno::Errno::EAFNOSUPPORT as i32)
}

/// An environment, and a server in it that listens.
pub(crate) struct Program {
    pub(crate) env: UsageEnvironment,
    pub(crate) server: MediumId<RtspServer>,
    pub(crate) stop: Arc<AtomicBool>,
}

impl Program {
    /// Listens; from here on SIGINT and SIGTERM end the program in order.
    pub(crate) fn new(config: ServerConfig, listen: Listen) -> Result<Self, Failure> {
        if let Err(e) = net::raise_descriptor_limit() {
            log::warn!("the limit on descriptors stays as it is: {e}");
        }
        let mut env = UsageEnvironment::new()?;
        let server = listen.open(&mut env, config)?;
        let stop = stop_on_signal(&mut env)?;
        Ok(Self { env, server, stop })
    }

    /// Lends the server and its environment.
    pub(crate) fn with<R>(
        &mut self,
        f: impl FnOnce(&mut RtspServer, &mut UsageEnvironment) -> R,
    ) -> Result<R, Failure> {
        Ok(self.env.with(self.server, f)?)
    }

    /// Writes a line to standard output for each address that others can reach the server at.
    pub(crate) fn print_url(&mut self, name: &str, about: impl fmt::Display) -> io::Result<()> {
        let addresses = self.env.with(self.server, |server, _| server.local_addrs());
        print_urls("rtsp", addresses.unwrap_or_default(), name, &about)?;
        #[cfg(feature = "tls")]
        {
            let addresses = self.env.with(self.server, |server, _| server.tls_addrs());
            print_urls("rtsps", addresses.unwrap_or_default(), name, &about)?;
        }
        Ok(())
    }

    /// Serves until a signal comes; then the clients are told.
    pub(crate) fn serve(mut self) -> Result<(), Failure> {
        self.env.do_event_loop(&self.stop)?;
        self.end()
    }

    /// Ends the server: the clients are told.
    pub(crate) fn end(mut self) -> Result<(), Failure> {
        self.env.close(self.server);
        // What was sent at the end goes out.
        self.env.turn(Some(Duration::ZERO))?;
        Ok(())
    }
}

/// Turns true on the first SIGINT or SIGTERM; a second one ends the program at once.
pub(crate) fn stop_on_signal(env: &mut UsageEnvironment) -> io::Result<Arc<AtomicBool>> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    stop_on_signals(env, &[SIGINT, SIGTERM])
}

/// The same for these signals.
pub(crate) fn stop_on_signals(
    env: &mut UsageEnvironment,
    signals: &[i32],
) -> io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for &signal in signals {
        signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
        // The loop looks at `stop` when something wakes it.
        signal_hook::low_level::pipe::register(signal, env.create_event_pipe(|_, _| ())?)?;
    }
    Ok(stop)
}

/// Writes a line to standard output for each address that others can reach.
fn print_urls(
    scheme: &str,
    addresses: Vec<SocketAddr>,
    name: &str,
    about: &impl fmt::Display,
) -> io::Result<()> {
    let mut hosts: Vec<_> = addresses.into_iter().map(reached_at).collect();
    // Of a family that leads nowhere but to this host, one line is enough.
    if hosts.iter().any(|host| !host.ip().is_loopback()) {
        hosts.retain(|host| !host.ip().is_loopback());
    } else {
        hosts.truncate(1);
    }
    let mut out = io::stdout().lock();
    for host in hosts {
        writeln!(out, "{}{about}", url(scheme, host, name))?;
    }
    out.flush()
}

/// The address under which a socket that is bound to `local` is reached.
fn reached_at(local: SocketAddr) -> SocketAddr {
    match local.ip() {
        ip if ip.is_unspecified() => SocketAddr::new(net::own_address(ip.is_ipv6()), local.port()),
        _ => local,
    }
}

fn url(scheme: &str, host: SocketAddr, name: &str) -> String {
    let path: Vec<_> = name.split('/').map(wire::url::encode_segment).collect();
    format!("{scheme}://{host}/{}", path.join("/"))
}

// Files

/// Finds out what a file holds, before anything is served.
pub(crate) fn probe_file(path: &Path) -> Result<Arc<dyn MediaFile>, Failure> {
    let failed = |e| format!("{}: {e}", path.display());
    let mut probe = probe(path).map_err(failed)?;
    loop {
        match probe.poll_probe(PROBE_STEP) {
            ProbePoll::Pending => {}
            ProbePoll::Ready(file) => return Ok(file),
            ProbePoll::Failed(e) => return Err(failed(e).into()),
        }
    }
}

/// The name of a file without its folders.
pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}
