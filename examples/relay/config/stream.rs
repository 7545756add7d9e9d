//! What the configuration says of a stream.

use super::reader::{Reader, Section};
use super::trust::Trust;
use super::values;
use riverrun::client::TransportPolicy;
use riverrun::relay::{PushConfig, Pusher};
use riverrun::server::FastStart;
use riverrun::server::access::AddressRange;
use riverrun::wire::url::RtspUrl;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A stream that the configuration names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stream {
    /// Where it is pulled from; `None`: it is published.
    pub(crate) pull: Option<Pull>,
    pub(crate) publishing: Publishing,
    /// Whether a second publisher takes over; `None`: as for all.
    pub(crate) takeover: Option<bool>,
    pub(crate) record: Option<Record>,
    /// Where it is pushed to; `None`: nowhere.
    pub(crate) push: Option<Push>,
}

/// The publishers of a stream, and the addresses from which they may come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Publishing {
    /// `anyone`, `users`, or names of users.
    pub(crate) by: Vec<String>,
    /// From where; nothing: from everywhere.
    pub(crate) from: Vec<AddressRange>,
}

/// A source that is pulled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pull {
    pub(crate) url: String,
    pub(crate) when: PullWhen,
    /// How long viewers stay while the source is away.
    pub(crate) kept_for: Duration,
    /// How long after the last viewer a source on demand is closed.
    pub(crate) close_after: Duration,
    pub(crate) transport: TransportPolicy,
    pub(crate) http_tunnel_port: Option<u16>,
    pub(crate) trust: Trust,
    /// `None`: what suits the tracks.
    pub(crate) fast_start: Option<FastStart>,
    /// The name of the codec in which viewers talk to the source, if they may.
    pub(crate) back_channel: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PullWhen {
    Demand,
    Always,
}

/// Servers that a stream is pushed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Push {
    pub(crate) to: Vec<String>,
    pub(crate) transport: TransportPolicy,
    pub(crate) http_tunnel_port: Option<u16>,
    pub(crate) trust: Trust,
}

/// A recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) folder: PathBuf,
    pub(crate) segment_time: Duration,
    pub(crate) segment_size: Option<u64>,
    pub(crate) keep_time: Option<Duration>,
    pub(crate) keep_size: Option<u64>,
}

impl Default for Publishing {
    fn default() -> Self {
        let from = ["127.0.0.0/8", "::1"].into_iter().filter_map(|range| range.parse().ok());
        Self { by: vec!["anyone".to_owned()], from: from.collect() }
    }
}

impl Default for Pull {
    fn default() -> Self {
        Self {
            url: String::new(),
            when: PullWhen::Demand,
            kept_for: Duration::from_secs(30),
            close_after: Duration::from_secs(10),
            transport: TransportPolicy::Auto,
            http_tunnel_port: None,
            trust: Trust::default(),
            fast_start: None,
            back_channel: None,
        }
    }
}

impl Default for Push {
    fn default() -> Self {
        Self {
            to: Vec::new(),
            transport: TransportPolicy::Tcp,
            http_tunnel_port: None,
            trust: Trust::default(),
        }
    }
}

impl Default for Record {
    fn default() -> Self {
        Self {
            folder: PathBuf::new(),
            segment_time: Duration::from_secs(600),
            segment_size: None,
            keep_time: None,
            keep_size: None,
        }
    }
}

/// Why no stream can have a name, if none can.
pub(super) fn wrong_name(name: &str) -> Option<&'static str> {
    let is_path = name.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if !is_path {
        Some("the name of a stream is not empty, and has no empty part between its slashes")
    } else if name.contains(|c: char| c.is_control() || c == '*') {
        Some("the name of a stream has no asterisk and no control character")
    } else {
        None
    }
}

impl Stream {
    pub(super) fn read<'a>(mut s: Section<'a>, reader: &mut Reader<'a>, folder: &Path) -> Self {
        let pull = s.section(reader, "pull");
        let record = s.section(reader, "record");
        let push = s.section(reader, "push");
        let stream = Self {
            pull: Pull::read(pull, reader, folder),
            publishing: Publishing::read(&mut s, reader),
            takeover: s.value(reader, "takeover", None, |value| {
                let words = [("as publishers", None), ("yes", Some(true)), ("no", Some(false))];
                values::word(value, &words)
            }),
            record: Record::read(record, reader, folder),
            push: Push::read(push, reader, folder),
        };
        s.end(reader);
        stream
    }
}

impl Publishing {
    /// Reads the keys in whatever section has them.
    pub(super) fn read<'a>(s: &mut Section<'a>, reader: &mut Reader<'a>) -> Self {
        let default = Self::default();
        Self {
            by: s.value(reader, "published_by", default.by, values::texts),
            from: s.value(reader, "published_from", default.from, values::ranges),
        }
    }
}

impl Pull {
    fn read<'a>(mut s: Section<'a>, reader: &mut Reader<'a>, folder: &Path) -> Option<Self> {
        let default = Self::default();
        let pull = Self {
            url: s.value(reader, "url", default.url, |value| {
                let text = values::text(value)?;
                match RtspUrl::parse(&text) {
                    _ if text.is_empty() => Ok(text),
                    Ok(_) => Ok(text),
                    Err(e) => Err(format!("is not the URL of a stream: {e}")),
                }
            }),
            when: s.value(reader, "when", default.when, |value| {
                values::word(value, &[("demand", PullWhen::Demand), ("always", PullWhen::Always)])
            }),
            kept_for: s.value(reader, "kept_for", default.kept_for, values::time),
            close_after: s.value(reader, "close_after", default.close_after, values::time),
            transport: s.value(reader, "transport", default.transport, |value| {
                let words = [
                    ("auto", TransportPolicy::Auto),
                    ("udp", TransportPolicy::Udp),
                    ("tcp", TransportPolicy::Tcp),
                    ("multicast", TransportPolicy::Multicast),
                ];
                values::word(value, &words)
            }),
            http_tunnel_port: s.value(reader, "http_tunnel_port", None, values::port_if_any),
            trust: Trust::read(&mut s, reader, folder),
            fast_start: s.value(reader, "fast_start", default.fast_start, values::fast_start),
            back_channel: s.value(reader, "back_channel", None, |value| {
                let codec = |name| (name, Some(name));
                let words =
                    [("off", None), codec("pcmu"), codec("pcma"), codec("l16"), codec("aac")];
                values::word(value, &words)
            }),
        };
        s.end(reader);
        Some(pull).filter(|pull| !pull.url.is_empty())
    }
}

impl Push {
    fn read<'a>(mut s: Section<'a>, reader: &mut Reader<'a>, folder: &Path) -> Option<Self> {
        let default = Self::default();
        let to = s.value(reader, "to", default.to, |value| {
            let urls = values::text_or_texts(value)?;
            match urls.iter().find_map(|url| Pusher::check(url, &PushConfig::default()).err()) {
                Some(e) => Err(format!("is not the URL of a stream: {e}")),
                None => Ok(urls),
            }
        });
        let push = Self {
            to,
            transport: s.value(reader, "transport", default.transport, |value| {
                let words = [
                    ("tcp", TransportPolicy::Tcp),
                    ("udp", TransportPolicy::Udp),
                    ("auto", TransportPolicy::Auto),
                ];
                values::word(value, &words)
            }),
            http_tunnel_port: s.value(reader, "http_tunnel_port", None, values::port_if_any),
            trust: Trust::read(&mut s, reader, folder),
        };
        s.end(reader);
        Some(push).filter(|push| !push.to.is_empty())
    }
}

impl Record {
    fn read<'a>(mut s: Section<'a>, reader: &mut Reader<'a>, base: &Path) -> Option<Self> {
        let default = Self::default();
        let folder = s.value(reader, "folder", None, values::path_if_any);
        let record = Self {
            folder: base.join(folder.as_deref().unwrap_or(&default.folder)),
            segment_time: s.value(reader, "segment_time", default.segment_time, values::some_time),
            segment_size: s.value(reader, "segment_size", None, values::size_if_any),
            keep_time: s.value(reader, "keep_time", None, values::time_if_any),
            keep_size: s.value(reader, "keep_size", None, values::size_if_any),
        };
        s.end(reader);
        folder.map(|_| record)
    }
}
