//! The configuration: what `relay.toml` says, with its defaults. Reading it opens no other file.

pub(crate) mod reader;
pub(crate) mod srtp;
mod stream;
mod trust;
mod values;

pub(crate) use srtp::Srtp;
pub(crate) use stream::{Publishing, Pull, PullWhen, Push, Record, Stream};

use reader::{Reader, Section};
use riverrun::server::{FastStart, PublishConfig, PublishPolicy, SecondPublisher, ServerConfig};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::de::DeTable;

/// Faults that are told of a file.
const MAX_TOLD: usize = 20;

/// All of the configuration.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Config {
    pub(crate) listeners: Vec<Listener>,
    pub(crate) access: Access,
    pub(crate) limits: Limits,
    pub(crate) srtp: Srtp,
    pub(crate) publishers: Publishers,
    /// The rights to publish under names that are not among the streams.
    pub(crate) unlisted: Publishing,
    /// By their names.
    pub(crate) streams: BTreeMap<String, Stream>,
}

/// Where the server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listener {
    /// Of both families, it may be.
    pub(crate) addresses: Vec<SocketAddr>,
    /// Certificates and key; `None`: it is not TLS.
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
}

/// The users, and what they may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) users: Option<PathBuf>,
    pub(crate) realm: Option<String>,
    /// Lines of a users file, and the lines of the configuration that they stand in.
    pub(crate) entries: Vec<(usize, String)>,
}

/// The limits of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) connections: usize,
    pub(crate) sessions: usize,
    pub(crate) per_address: usize,
    pub(crate) tracks: usize,
    pub(crate) buffered: usize,
    pub(crate) session_timeout: Duration,
}

/// The rules for all publishers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Publishers {
    pub(crate) at_once: usize,
    /// A second publisher of a stream takes over from the first.
    pub(crate) takeover: bool,
    pub(crate) timeout: Duration,
    /// How long viewers stay when a publisher has gone.
    pub(crate) kept_for: Duration,
    /// `None`: what suits the tracks.
    pub(crate) fast_start: Option<FastStart>,
}

/// The faults of a configuration, each with its line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Faults(pub(crate) Vec<Fault>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) line: usize,
    pub(crate) what: String,
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, Fault { line, what }) in self.0.iter().take(MAX_TOLD).enumerate() {
            write!(f, "{}line {line}: {what}", if i > 0 { "\n" } else { "" })?;
        }
        match self.0.len().saturating_sub(MAX_TOLD) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

impl std::error::Error for Faults {}

impl Default for Config {
    /// The configuration of an empty file: any publisher on this host is taken, and served to this host.
    fn default() -> Self {
        Self {
            listeners: vec![Listener::default()],
            access: Access::default(),
            limits: Limits::default(),
            srtp: Srtp::default(),
            publishers: Publishers::default(),
            unlisted: Publishing::default(),
            streams: BTreeMap::new(),
        }
    }
}

impl Default for Listener {
    fn default() -> Self {
        let addresses = values::addresses("localhost:8554").unwrap_or_default();
        Self { addresses, tls: None }
    }
}

impl Default for Limits {
    fn default() -> Self {
        let config = ServerConfig::default();
        Self {
            connections: config.max_connections,
            sessions: config.pool.max_sessions,
            per_address: config.max_connections_per_peer,
            tracks: config.max_streams,
            buffered: config.max_buffered,
            session_timeout: config.pool.timeout,
        }
    }
}

impl Default for Publishers {
    fn default() -> Self {
        let config = PublishConfig::default();
        Self {
            at_once: config.max_publishers,
            takeover: config.second == SecondPublisher::TakeOver,
            timeout: config.timeout,
            kept_for: config.kept_for,
            fast_start: config.fast_start,
        }
    }
}

impl Publishers {
    /// The server lets anybody publish: the rules of the users decide.
    fn publish_config(&self) -> PublishConfig {
        let mut config = PublishConfig::default();
        config.policy = PublishPolicy::Anybody;
        config.max_publishers = self.at_once;
        if self.takeover {
            config.second = SecondPublisher::TakeOver;
        }
        (config.timeout, config.kept_for) = (self.timeout, self.kept_for);
        config.fast_start = self.fast_start;
        config
    }
}

impl Limits {
    fn server_config(&self) -> ServerConfig {
        let mut config = ServerConfig::default();
        config.max_connections = self.connections;
        config.max_connections_per_peer = self.per_address;
        config.max_streams = self.tracks;
        config.max_buffered = self.buffered;
        config.pool.max_sessions = self.sessions;
        config.pool.max_sessions_per_peer = self.per_address;
        config.pool.timeout = self.session_timeout;
        config.pool.grace = config.pool.grace.min(self.session_timeout);
        config
    }
}

impl Config {
    /// The configuration of the server.
    pub(crate) fn server_config(&self) -> ServerConfig {
        let mut config = self.limits.server_config();
        self.srtp.configure(&mut config);
        config.publish = self.publishers.publish_config();
        config.publish.second_of = self.second_publishers();
        config
    }

    /// Whether a second publisher takes over, for the streams that say so.
    pub(crate) fn second_publishers(&self) -> BTreeMap<String, SecondPublisher> {
        let said = self.streams.iter().filter_map(|(name, stream)| {
            let second = match stream.takeover? {
                true => SecondPublisher::TakeOver,
                false => SecondPublisher::Refuse,
            };
            Some((name.clone(), second))
        });
        said.collect()
    }

    /// Reads the text of a file. Paths in it are relative to `folder`.
    pub(crate) fn parse(text: &str, folder: &Path) -> Result<Self, Faults> {
        Self::parse_asking(text, folder).map(|(config, _)| config)
    }

    /// The same, with all keys that there could have been.
    pub(crate) fn parse_asking(
        text: &str,
        folder: &Path,
    ) -> Result<(Self, BTreeSet<String>), Faults> {
        let mut reader = Reader::new(text);
        let table = match DeTable::parse(text) {
            Ok(table) => table,
            Err(e) => {
                let line = reader.line(e.span().map_or(0, |span| span.start));
                return Err(Faults(vec![Fault { line, what: e.message().to_owned() }]));
            }
        };
        let mut root = reader.root(&table);
        let listeners = root.sections(&mut reader, "listen");
        let is_default = listeners.is_empty();
        let listeners = listeners.into_iter().map(|s| listener(s, &mut reader, folder));
        let mut listeners: Vec<_> = listeners.collect();
        if is_default {
            listeners.push(Listener::default());
        }
        let access = access(root.section(&mut reader, "access"), &mut reader, folder);
        let limits = limits(root.section(&mut reader, "limits"), &mut reader);
        let srtp = Srtp::read(root.section(&mut reader, "srtp"), &mut reader);
        let publishers = publishers(root.section(&mut reader, "publishers"), &mut reader);
        let mut section = root.section(&mut reader, "unlisted");
        let unlisted = Publishing::read(&mut section, &mut reader);
        section.end(&mut reader);
        let streams = root.section(&mut reader, "stream").named(&mut reader);
        let streams = streams.into_iter().map(|(name, section)| {
            if let Some(why) = stream::wrong_name(&name) {
                reader.fault(section.line(), format!("{name:?}: {why}"));
            }
            let stream = Stream::read(section, &mut reader, folder);
            (name, stream)
        });
        let streams = streams.collect();
        root.end(&mut reader);
        let asked = reader.end()?;
        Ok((Self { listeners, access, limits, srtp, publishers, unlisted, streams }, asked))
    }
}

fn listener<'a>(mut s: Section<'a>, reader: &mut Reader<'a>, folder: &Path) -> Listener {
    let default = Listener::default();
    let addresses = s.value(reader, "address", default.addresses, |value| {
        values::addresses(&values::text(value)?)
    });
    let certificates = s.value(reader, "certificates", None, values::path_if_any);
    let key = s.value(reader, "key", None, values::path_if_any);
    let tls = match (certificates, key) {
        (Some(certificates), Some(key)) => Some((folder.join(certificates), folder.join(key))),
        (None, None) => None,
        _ => {
            reader.fault(s.line(), "listen: TLS wants both certificates and key");
            None
        }
    };
    if tls.is_some() && cfg!(not(feature = "tls")) {
        let line = s.line_of(reader, "certificates");
        reader.fault(line, "listen: this program was built without TLS (cargo --features tls)");
    }
    s.end(reader);
    Listener { addresses, tls }
}

fn access<'a>(mut s: Section<'a>, reader: &mut Reader<'a>, folder: &Path) -> Access {
    let users = s.value(reader, "users", None, values::path_if_any);
    let realm = s.value(reader, "realm", None, values::text_if_any);
    let lines = s.lines_of_items(reader, "entries");
    let texts = s.value(reader, "entries", Vec::new(), values::texts);
    let entries: Vec<_> = lines.into_iter().zip(texts).collect();
    if let (Some((line, _)), true) = (entries.first(), users.is_some()) {
        reader.fault(*line, "access: there are users, so entries have to be in their file");
    }
    s.end(reader);
    Access { users: users.map(|users| folder.join(users)), realm, entries }
}

fn limits<'a>(mut s: Section<'a>, reader: &mut Reader<'a>) -> Limits {
    let Limits { connections, sessions, per_address, tracks, buffered, session_timeout } =
        Limits::default();
    let limits = Limits {
        connections: s.value(reader, "connections", connections, values::count),
        sessions: s.value(reader, "sessions", sessions, values::count),
        per_address: s.value(reader, "per_address", per_address, values::count),
        tracks: s.value(reader, "tracks", tracks, values::count),
        buffered: s.value(reader, "buffered", buffered, |value| {
            usize::try_from(values::size(value)?).map_err(|_| "is too large".to_owned())
        }),
        session_timeout: s.value(reader, "session_timeout", session_timeout, values::some_time),
    };
    s.end(reader);
    limits
}

fn publishers<'a>(mut s: Section<'a>, reader: &mut Reader<'a>) -> Publishers {
    let Publishers { at_once, takeover, timeout, kept_for, fast_start } = Publishers::default();
    let publishers = Publishers {
        at_once: s.value(reader, "at_once", at_once, values::count),
        takeover: s.value(reader, "takeover", takeover, values::flag),
        timeout: s.value(reader, "timeout", timeout, values::some_time),
        kept_for: s.value(reader, "kept_for", kept_for, values::time),
        fast_start: s.value(reader, "fast_start", fast_start, values::fast_start),
    };
    s.end(reader);
    publishers
}
