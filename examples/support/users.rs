//! The users of a server, by a file, which SIGHUP has read again, or a single one.

use super::{Failure, Program};
use riverrun::env::UsageEnvironment;
use riverrun::server::access::{AccessConfig, User, UserAccess, UserTable, users_file};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Lets in only the users of a file.
pub(super) fn let_in(
    program: &mut Program,
    file: PathBuf,
    realm: Option<String>,
) -> Result<(), Failure> {
    let mut config = AccessConfig::default();
    config.realm = realm;
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

/// Lets in one user only.
pub(crate) fn let_in_one(program: &mut Program, name: &str, secret: &str) -> Result<(), Failure> {
    const REALM: &str = "riverrun";
    let mut table = UserTable::new();
    table.set_realm(REALM);
    table.add_user(User::with_password(name, REALM, secret))?;
    let access = UserAccess::new(AccessConfig::default(), table)?;
    program.with(|server, _| server.set_authenticator(access))
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
