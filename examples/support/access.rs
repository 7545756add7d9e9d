//! The options of access to a server. What they ask for is in `users.rs`, for programs that are built
//! with it.

use super::{Arguments, Failure, Program, Stop, users, wrong};
use std::path::PathBuf;

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
        is_built_in(name).map(|()| true)
    }

    /// Lets in only the users of the file, if there is one; says so in a line where there is none
    /// and others than this host can reach the server.
    pub(crate) fn guard(self, program: &mut Program) -> Result<(), Failure> {
        if let Some(file) = self.users {
            return users::let_in(program, file, self.realm);
        }
        if self.realm.is_some() {
            return Err("--realm wants --users".into());
        }
        let addresses = program.with(|server, _| server.local_addrs())?;
        if addresses.iter().any(|address| !address.ip().is_loopback()) {
            log::warn!("there are no --users: whoever reaches this server may watch");
        }
        Ok(())
    }
}

/// Fails where the program was built without users.
pub(crate) fn is_built_in(name: &str) -> Result<(), Stop> {
    if cfg!(feature = "access") {
        Ok(())
    } else {
        Err(wrong(format!(
            "{name}: this program was built without users (cargo --features access)"
        )))
    }
}
