//! Who may use a server: authentication, and the rights of users.
//!
//! An [`Authenticator`] is asked about each request before anything is done about it, and about
//! each stream before the stream is looked up. [`UserAccess`] is the one that comes with the crate:
//! users and their rights are those of a [`UserTable`], which may come from a [file](users_file).
//!
//! Nothing here reads a clock, draws randomness or opens a file: the time and random bytes come
//! with each request in an [`AccessContext`]. Slow password hashes are computed on a thread of
//! their own (`passwords.rs`).

mod attempts;
mod authenticator;
mod bearers;
mod nonces;
mod passwords;
mod rights;
mod target;
mod token;
mod user_access;
mod users;
pub mod users_file;

pub use attempts::AttemptLimits;
pub use authenticator::{AccessContext, AccessStatistics, Authenticator, Permission};
pub use passwords::SlowHash;
pub use rights::{Action, Actions, AddressRange, Pattern, Rule, Who};
pub use token::{TokenKey, TokenScope};
pub use user_access::{AccessConfig, UserAccess};
pub use users::{User, UserTable};
