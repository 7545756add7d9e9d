//! Access to a server: authentication, and the rights of users.
//!
//! An [`Authenticator`] is asked about each request before anything is done about it, and about
//! each stream before the stream is looked up. [`UserAccess`] is the one that comes with the crate,
//! with the feature `access`: users and their rights are those of a [`UserTable`], which may come
//! from a [file](users_file). An application that has no use for it leaves the feature out, and with
//! it the hashes of passwords, nonces and tokens; an [`Authenticator`] of its own needs none of it.
//!
//! Nothing here reads a clock, draws randomness or opens a file: the time and random bytes come
//! with each request in an [`AccessContext`]. Slow password hashes are computed on a thread of
//! their own (`users/passwords.rs`).

mod action;
mod authenticator;
#[cfg(feature = "access")]
mod users;

pub use action::Action;
pub use authenticator::{AccessContext, AccessStatistics, Authenticator, Permission};
#[cfg(feature = "access")]
pub use users::{
    AccessConfig, Actions, AddressRange, AttemptLimits, Pattern, Rule, SlowHash, TokenKey,
    TokenScope, User, UserAccess, UserTable, Who, users_file,
};
