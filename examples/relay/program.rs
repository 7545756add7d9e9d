//! [`Relay`]: what runs, and how it follows the configuration.

use crate::Loaded;
use crate::config::Config;
use crate::life::Life;
use crate::plan::{Changes, Differs};
use crate::pulled::Pulled;
use crate::pushed::Pushed;
use crate::recording::{Recording, Recordings};
use crate::support::{self, Failure, Program};
use crate::tap::RecordingTap;
use riverrun::env::{Event, Medium, MediumId, UsageEnvironment};
use riverrun::net;
use riverrun::server::access::{AccessConfig, UserAccess, UserTable};
use riverrun::server::{RelayedStreamId, RtspServer};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

/// Serves until a signal comes.
pub(crate) fn serve(loaded: Loaded, file: Option<PathBuf>) -> Result<(), Failure> {
    if let Err(e) = net::raise_descriptor_limit() {
        log::warn!("the limit on descriptors stays as it is: {e}");
    }
    let Loaded { config, table } = loaded;
    let mut env = UsageEnvironment::new()?;
    let server = listen(&mut env, &config)?;
    let stop = support::stop_on_signal(&mut env)?;
    let mut program = Program { env, server, stop };
    warn_if_open(&mut program, &table)?;
    let env = &mut program.env;
    let (sender, published) = channel();
    let relay = env.add(Relay {
        server,
        config: Config { streams: BTreeMap::new(), ..config.clone() },
        published,
        pulled: BTreeMap::new(),
        pushed: BTreeMap::new(),
        recorded: BTreeMap::new(),
        tapped: BTreeMap::new(),
        recordings: Recordings::new(),
    });
    let wake = env.create_event_trigger(move |env, _| {
        // Without it the program ends.
        let _ = env.with(relay, Relay::tap_published);
    });
    env.with(server, |server, _| server.set_hooks(Life::new(sender, wake)))?;
    env.with(relay, |relay, env| {
        relay.set_access(env, table, config.access.realm.clone(), true)?;
        relay.follow(env, config);
        Ok::<(), Failure>(())
    })??;
    if let Some(file) = file {
        let on_hangup = env.create_event_pipe(move |env, _| {
            let read = env.with(relay, |relay, env| relay.read_again(env, &file));
            if let Err(e) = read.map_err(Into::into).and_then(|read| read) {
                log::error!("everything stays as it was: {e}");
            }
        })?;
        signal_hook::low_level::pipe::register(signal_hook::consts::SIGHUP, on_hangup)?;
    }
    let names =
        env.with(relay, |relay, _| relay.config.streams.keys().cloned().collect::<Vec<_>>())?;
    for name in names {
        program.print_url(&name, "")?;
    }
    program.print_url("", "  (publishers and viewers add a name)")?;
    program.env.do_event_loop(&program.stop)?;
    let recordings = program.env.with(relay, Relay::end)?;
    program.env.close(relay);
    program.end()?;
    recordings.finish();
    Ok(())
}

/// Makes a server that listens wherever the configuration says. A host without IPv6 is served over
/// IPv4 alone.
fn listen(env: &mut UsageEnvironment, config: &Config) -> Result<MediumId<RtspServer>, Failure> {
    let plain = config.listeners.iter().filter(|listener| listener.tls.is_none());
    let plain: Vec<_> = plain.flat_map(|listener| listener.addresses.iter().copied()).collect();
    let server =
        on_families(&plain, |addresses| RtspServer::new(env, config.server_config(), addresses))?;
    #[cfg(feature = "tls")]
    for listener in &config.listeners {
        let Some((certificates, key)) = &listener.tls else { continue };
        let acceptor = acceptor(certificates, key)?;
        let is_alone = listener.addresses.len() == 1;
        for address in &listener.addresses {
            let acceptor = acceptor.clone();
            match env.with(server, |server, env| server.listen_tls(env, *address, acceptor))? {
                Err(riverrun::Error::Io(e)) if !is_alone && support::has_no_ipv6(&e) => {
                    log::info!("no IPv6 on this host: {e}");
                }
                result => _ = result.map_err(|e| format!("cannot listen on {address}: {e}"))?,
            }
        }
    }
    Ok(server)
}

/// Reads the files of a TLS listener.
#[cfg(feature = "tls")]
pub(crate) fn acceptor(
    certificates: &Path,
    key: &Path,
) -> Result<net::tls::TlsAcceptor, riverrun::Error> {
    net::tls::TlsAcceptor::from_files(net::tls::TlsFiles::new(certificates, key))
}

/// Does something with addresses; if the host has no IPv6, with those of IPv4.
fn on_families<T>(
    addresses: &[SocketAddr],
    mut listen: impl FnMut(&[SocketAddr]) -> Result<T, riverrun::Error>,
) -> Result<T, Failure> {
    let result = match listen(addresses) {
        Err(riverrun::Error::Io(e)) if support::has_no_ipv6(&e) => {
            log::info!("no IPv6 on this host: {e}");
            let v4 = addresses.iter().copied().filter(SocketAddr::is_ipv4);
            listen(&v4.collect::<Vec<_>>())
        }
        result => result,
    };
    result.map_err(|e| {
        let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        format!("cannot listen on {}: {e}", addresses.join(", ")).into()
    })
}

fn warn_if_open(program: &mut Program, table: &UserTable) -> Result<(), Failure> {
    let addresses = program.with(|server, _| server.local_addrs())?;
    let is_reached = addresses.iter().any(|address| !address.ip().is_loopback());
    if is_reached && table.users().next().is_none() {
        log::warn!("there are no users: whoever reaches this server may watch");
    }
    Ok(())
}

/// The streams of the configuration, in the environment of the server.
struct Relay {
    server: MediumId<RtspServer>,
    /// The configuration that is running.
    config: Config,
    /// Names of streams that somebody has begun to publish.
    published: Receiver<Arc<str>>,
    pulled: BTreeMap<String, Pulled>,
    pushed: BTreeMap<String, Vec<Pushed>>,
    recorded: BTreeMap<String, Recording>,
    /// The streams that feed the recordings.
    tapped: BTreeMap<String, RelayedStreamId>,
    recordings: Recordings,
}

impl Medium for Relay {
    fn kind(&self) -> &'static str {
        "Relay"
    }

    /// It is called by name alone.
    fn handle_event(&mut self, _: &mut UsageEnvironment, _: Event) {}
}

impl Relay {
    /// Follows the file, if nothing is wrong with it.
    fn read_again(&mut self, env: &mut UsageEnvironment, file: &Path) -> Result<(), Failure> {
        let Loaded { config, table } = Loaded::read(file)?;
        let realm = config.access.realm.clone();
        let is_new = realm != self.config.access.realm;
        self.set_access(env, table, realm, is_new)?;
        #[cfg(feature = "tls")]
        if let Err(e) = env.with(self.server, |server, _| server.reload_tls())? {
            log::error!("the certificates stay as they were: {e}");
        }
        let changes = self.follow(env, config);
        log::info!("{}: read again, {changes}", file.display());
        let ended = env.with(self.server, |server, env| server.end_unpermitted_sessions(env))?;
        if ended > 0 {
            log::info!("sessions of who may watch or publish no more that end: {ended}");
        }
        for section in changes.at_next_start {
            log::warn!("[{section}] has changed, which takes effect at the next start");
        }
        Ok(())
    }

    /// Sets users and rules; anew where they were none, or the realm has changed.
    fn set_access(
        &self,
        env: &mut UsageEnvironment,
        table: UserTable,
        realm: Option<String>,
        is_new: bool,
    ) -> Result<(), Failure> {
        let mut config = AccessConfig::default();
        config.realm = realm;
        Ok(env.with(self.server, |server, _| {
            match server.authenticator_mut::<UserAccess>().filter(|_| !is_new) {
                Some(access) => access.set_users(table),
                None => {
                    UserAccess::new(config, table).map(|access| server.set_authenticator(access))
                }
            }
        })??)
    }

    /// Does what the configuration wants and is not done.
    fn follow(&mut self, env: &mut UsageEnvironment, config: Config) -> Changes {
        let changes = Changes::between(&self.config, &config);
        self.config = config;
        let second_of = self.config.second_publishers();
        let _ = env.with(self.server, |server, _| {
            server.publish_config_mut().second_of = second_of;
        });
        for name in &changes.removed {
            self.remove(env, name);
            self.push(env, name);
        }
        for change in &changes.changed {
            match change.what {
                Differs::Nothing => {}
                Differs::Recording => self.record(env, &change.name),
                // Those who push wait for the stream, and go on with it.
                Differs::Source => {
                    self.remove(env, &change.name);
                    self.add(env, &change.name);
                }
            }
            if change.push {
                self.push(env, &change.name);
            }
        }
        for name in &changes.added {
            self.add(env, name);
            self.push(env, name);
        }
        changes
    }

    fn remove(&mut self, env: &mut UsageEnvironment, name: &str) {
        if let Some(pulled) = self.pulled.remove(name) {
            pulled.close(env);
        }
        self.stop_recording(env, name);
    }

    fn add(&mut self, env: &mut UsageEnvironment, name: &str) {
        let stream = self.config.streams.get(name).cloned().unwrap_or_default();
        if let Some(pull) = stream.pull {
            match Pulled::open(env, self.server, name, &pull, stream.record.is_some()) {
                Ok(pulled) => _ = self.pulled.insert(name.to_owned(), pulled),
                Err(e) => log::error!("{name}: cannot be pulled: {e}"),
            }
        }
        self.record(env, name);
    }

    /// Pushes a stream as the configuration says now. Servers that it said before, in the same way,
    /// are not touched.
    fn push(&mut self, env: &mut UsageEnvironment, name: &str) {
        let push = self.config.streams.get(name).and_then(|stream| stream.push.clone());
        let before = self.pushed.remove(name).unwrap_or_default();
        let mut now = Vec::new();
        let (mut kept, ended): (Vec<_>, Vec<_>) =
            before.into_iter().partition(|pushed| push.as_ref().is_some_and(|p| pushed.is_of(p)));
        for pushed in ended {
            pushed.close(env);
        }
        let Some(push) = push else { return };
        for url in &push.to {
            if let Some(at) = kept.iter().position(|pushed| pushed.url() == url) {
                now.push(kept.swap_remove(at));
                continue;
            }
            match Pushed::open(env, self.server, name, url, &push) {
                Ok(pushed) => now.push(pushed),
                Err(e) => log::error!("{name}: cannot be pushed: {e}"),
            }
        }
        self.pushed.insert(name.to_owned(), now);
    }

    // Recordings

    /// Records a stream as the configuration says now, or no more.
    fn record(&mut self, env: &mut UsageEnvironment, name: &str) {
        self.stop_recording(env, name);
        let stream = self.config.streams.get(name);
        let Some(record) = stream.and_then(|stream| stream.record.clone()) else { return };
        match self.recordings.start(name, record) {
            Ok(recording) => _ = self.recorded.insert(name.to_owned(), recording),
            Err(e) => return log::error!("{name}: cannot be recorded: {e}"),
        }
        self.tap(env, name);
    }

    fn stop_recording(&mut self, env: &mut UsageEnvironment, name: &str) {
        self.recorded.remove(name);
        if let Some(stream) = self.tapped.remove(name) {
            // With the server its taps have ended.
            let _ = env.with(self.server, |server, _| server.set_relay_tap(stream, None));
        }
    }

    /// Has a stream that is there feed its recording, if it does not yet.
    fn tap(&mut self, env: &mut UsageEnvironment, name: &str) {
        let Some(recording) = self.recorded.get(name) else { return };
        let stream = env.with(self.server, |server, _| server.relayed_stream_by_name(name));
        let Ok(Some(stream)) = stream else { return };
        if self.tapped.insert(name.to_owned(), stream) != Some(stream) {
            let tap = Box::new(RecordingTap::new(recording.feed()));
            let _ = env.with(self.server, |server, _| server.set_relay_tap(stream, Some(tap)));
        }
    }

    fn tap_published(&mut self, env: &mut UsageEnvironment) {
        while let Ok(name) = self.published.try_recv() {
            self.tap(env, &name);
            for pushed in self.pushed.get(&*name).into_iter().flatten() {
                pushed.hurry(env);
            }
        }
    }

    /// Ends all streams; what is recorded is still to be written.
    fn end(&mut self, env: &mut UsageEnvironment) -> Recordings {
        for name in std::mem::take(&mut self.config.streams).into_keys() {
            self.push(env, &name);
            self.remove(env, &name);
        }
        std::mem::replace(&mut self.recordings, Recordings::new())
    }
}
