//! Who may use a server: the options, and the users file, which SIGHUP has read again.

use super::{Arguments, Failure, Program, Stop};
use riverrun::env::UsageEnvironment;
use riverrun::server::access::{AccessConfig, UserAccess, UserTable, users_file};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The options of a server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Access {
    users: Option<PathBuf>,
    realm: Option<String>,
}

impl Access {
    /// Takes an option and its value, if it is one of these.
    pub(crate) fn takes(&mut self, name: &str, arguments: &mut Arguments) -> Result<bool, Stop> {
        match name {
            "--users" => self.users = Some(arguments.value()?.into()),
            "--realm" => self.realm = Some(arguments.parsed(name, "text")?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Lets in only the users of the file, if there is one; says so in a line where there is none
    /// and others than this host can reach the server.
    pub(crate) fn guard(self, program: &mut Program) -> Result<(), Failure> {
        let Some(file) = self.users else {
            if self.realm.is_some() {
                return Err("--realm wants --users".into());
            }
            let addresses = program.with(|server, _| server.local_addrs())?;
            if addresses.iter().any(|address| !address.ip().is_loopback()) {
                log::warn!("there are no --users: whoever reaches this server may watch");
            }
            return Ok(());
        };
        let mut config = AccessConfig::default();
        config.realm = self.realm;
        let users = read_users(&file)?;
        tell_of_slow_hashes(&users);
        let access = UserAccess::new(config, users)?;
        program.with(|server, _| server.set_authenticator(access))?;
        let server = program.server;
        let on_hangup = program.env.create_event_pipe(move |env: &mut UsageEnvironment, _| {
            let read = read_users(&file).and_then(|users| {
                tell_of_slow_hashes(&users);
                let ended = env.with(server, |server, env| {
                    if let Some(access) = server.authenticator_mut::<UserAccess>() {
                        access.set_users(users)?;
                    }
                    Ok::<_, riverrun::Error>(server.end_unpermitted_sessions(env))
                })?;
                Ok(ended?)
            });
            match read {
                Ok(0) => log::info!("the users are read again"),
                Ok(n) => log::info!("the users are read again; sessions of theirs that end: {n}"),
                Err(e) => log::error!("the users stay as they were: {e}"),
            }
        })?;
        signal_hook::low_level::pipe::register(signal_hook::consts::SIGHUP, on_hangup)?;
        Ok(())
    }
}

/// Warns of users who cannot log in over plain RTSP, where passwords are not sent.
fn tell_of_slow_hashes(users: &UserTable) {
    match (users.users_without_digest(), users.users().count()) {
        (0, _) => {}
        (n, all) => log::warn!(
            "{n} of {all} users have no hash but pbkdf2-sha256: they are let in over rtsps only"
        ),
    }
}

/// Reads the text of a users file, of which no more is read than there may be.
pub(crate) fn read_text(path: &Path) -> Result<String, Failure> {
    let failed = |e: std::io::Error| format!("{}: {e}", path.display());
    let mut text = String::new();
    let most = users_file::MAX_BYTES as u64 + 1;
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(most).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

/// Reads a users file.
pub(crate) fn read_users(path: &Path) -> Result<UserTable, Failure> {
    let text = read_text(path)?;
    Ok(users_file::parse(&text).map_err(|e| format!("{}: {e}", path.display()))?)
}
