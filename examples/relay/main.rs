//! Takes streams from publishers and cameras, serves them to viewers, records them, and pushes them
//! elsewhere, as one file says.

mod config;
mod life;
mod plan;
mod program;
mod pulled;
mod pushed;
mod recording;
mod rights;
#[path = "../support/mod.rs"]
mod support;
mod tap;

use config::Config;
use riverrun::server::access::UserTable;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use support::users::read_users;
use support::{Arguments, Failure, Stop, wrong};

const HELP: &str = "\
Takes streams from publishers (ANNOUNCE and RECORD, as of ffmpeg -f rtsp) and from cameras, serves
them over RTSP to any number of viewers, records them, and pushes them to other servers. Viewers
stay while a source is away.

Usage: relay [OPTIONS] [CONFIG]

  CONFIG                a file in TOML that says what to serve to whom; examples/relay/relay.toml
                        has each key with its default. Without it: whoever is on this host may
                        publish and watch, under any name, at rtsp://localhost:8554/NAME
  --port N              without CONFIG: listen on this port (default: 8554; 0: any)
  --check-config        say what is wrong with CONFIG, and end
  --help                this text

SIGHUP has CONFIG read again: streams that it does not change go on, and so do their viewers. If it
is wrong, nothing changes. Ctrl-C ends the program: viewers are told (RTCP BYE), recordings are
completed. RUST_LOG sets what is logged (default: info).
";

struct Options {
    file: Option<PathBuf>,
    port: Option<u16>,
    checks: bool,
}

fn main() -> std::process::ExitCode {
    support::run("relay", HELP, options, run)
}

fn options(arguments: &mut Arguments) -> Result<Options, Stop> {
    let mut options = Options { file: None, port: None, checks: false };
    while let Some(argument) = arguments.next_of_client()? {
        match argument.name() {
            Some(name @ "--port") => options.port = Some(arguments.number(name)?),
            Some("--check-config") => options.checks = true,
            None if options.file.is_none() => options.file = Some(argument.into_value().into()),
            _ => return Err(argument.unexpected()),
        }
    }
    match (&options.file, options.port, options.checks) {
        (Some(_), Some(_), _) => Err(wrong("--port: the configuration says the ports")),
        (None, _, true) => Err(wrong("--check-config: no CONFIG")),
        _ => Ok(options),
    }
}

fn run(options: Options) -> Result<(), Failure> {
    let mut loaded = match &options.file {
        Some(file) => Loaded::read(file)?,
        None => Loaded::new(Config::default(), UserTable::new())?,
    };
    if options.checks {
        let (streams, listeners) = (loaded.config.streams.len(), loaded.config.listeners.len());
        return Ok(writeln!(io::stdout(), "{listeners} listeners, {streams} streams")?);
    }
    if let Some(port) = options.port {
        let listeners = loaded.config.listeners.iter_mut();
        listeners.flat_map(|l| &mut l.addresses).for_each(|address| address.set_port(port));
    }
    program::serve(loaded, options.file)
}

/// A configuration, with all that it names.
struct Loaded {
    config: Config,
    /// Users and rules.
    table: UserTable,
}

impl Loaded {
    fn new(config: Config, users: UserTable) -> Result<Self, Failure> {
        let table = rights::table(&config, users)?;
        Ok(Self { config, table })
    }

    fn read(file: &Path) -> Result<Self, Failure> {
        let name = file.display();
        let text = std::fs::read_to_string(file).map_err(|e| format!("{name}: {e}"))?;
        let folder = file.parent().unwrap_or_else(|| Path::new(""));
        let in_file = |e| format!("{name}: {e}");
        let config = Config::parse(&text, folder).map_err(in_file)?;
        let users = match &config.access.users {
            Some(users) => read_users(users)?,
            None => rights::inline_users(&config.access).map_err(in_file)?,
        };
        #[cfg(feature = "tls")]
        for (certificates, key) in config.listeners.iter().filter_map(|l| l.tls.as_ref()) {
            program::acceptor(certificates, key).map_err(|e| format!("{name}: {e}"))?;
        }
        check_realm(&config, &users).map_err(|e| format!("{name}: {e}"))?;
        Self::new(config, users).map_err(|e| format!("{name}: {e}").into())
    }
}

/// Fails if the passwords were made for another realm.
fn check_realm(config: &Config, users: &UserTable) -> Result<(), String> {
    match (&config.access.realm, users.realm()) {
        (Some(realm), Some(made_for)) if realm != made_for => {
            Err(format!("access.realm is {realm:?}, and the users' passwords are for {made_for:?}"))
        }
        _ => Ok(()),
    }
}
